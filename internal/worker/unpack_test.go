package worker

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"
)

func TestUnpack(t *testing.T) {
	files := fstest.MapFS{
		"main.py":         {Data: []byte("print(1)\n")},
		"pkg/__init__.py": {Data: []byte("")},
	}
	cache := t.TempDir()
	getenv := func(name string) string {
		return map[string]string{"XDG_CACHE_HOME": cache}[name]
	}
	dir, err := Unpack(files, getenv, false)
	if err != nil {
		t.Fatal(err)
	}
	main := filepath.Join(dir, "main.py")
	info, err := os.Stat(main)
	if err != nil || info.Mode().Perm() != 0o444 {
		t.Fatalf("main.py: %v, %v", info.Mode(), err)
	}
	again, err := Unpack(files, getenv, false)
	if err != nil || again != dir {
		t.Errorf("a second time: %q, %v", again, err)
	}
	for name, spoil := range map[string]func() error{
		"changed": func() error {
			return errors.Join(os.Chmod(main, 0o644), os.WriteFile(main, []byte("evil"), 0o644), os.Chmod(main, 0o444))
		},
		"writable by others": func() error { return os.Chmod(main, 0o666) },
		"an extra module":    func() error { return os.WriteFile(filepath.Join(dir, "os.py"), nil, 0o444) },
		"a link": func() error {
			return errors.Join(os.Remove(main), os.Symlink("/etc/passwd", main))
		},
		"missing": func() error { return os.Remove(main) },
	} {
		t.Run(name, func(t *testing.T) {
			if err := spoil(); err != nil {
				t.Fatal(err)
			}
			if same(files, dir) {
				t.Fatal("the change goes unseen")
			}
			if again, err := Unpack(files, getenv, false); err != nil || again != dir {
				t.Fatalf("%q, %v", again, err)
			}
			if data, err := os.ReadFile(main); err != nil || string(data) != "print(1)\n" {
				t.Errorf("main.py is %q, %v", data, err)
			}
			if !same(files, dir) {
				t.Error("it was not made whole")
			}
		})
	}
}

func TestUnpackElsewhere(t *testing.T) {
	files := fstest.MapFS{"main.py": {Data: []byte("1")}}
	blocked := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(blocked, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	dir, err := Unpack(files, func(name string) string {
		if name == "HOME" {
			return blocked
		}
		return ""
	}, false)
	if err != nil {
		t.Fatal(err)
	}
	if rel, err := filepath.Rel(tmp, dir); err != nil || rel[0] == '.' {
		t.Errorf("unpacked to %s", dir)
	}
}
