package control

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func environment(pairs ...string) func(string) string {
	return func(name string) string {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1]
			}
		}
		return ""
	}
}

func TestACommandIsToldItsOutcome(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c")
	want := Outcome{Status: Done, Details: []string{"a: 1 -> 2", "b"}, Warnings: []string{"w"}}
	var got string
	s, err := Serve(path, func(command string) Outcome { got = command; return want })
	if err != nil {
		t.Fatal(err)
	}
	o, err := Send(path, "reload")
	if err != nil || got != "reload" || !reflect.DeepEqual(o, want) {
		t.Errorf("%q was told %+v, %v", got, o, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the socket is %v, %v", info, err)
	}
	if _, err := Serve(path, nil); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("a second server gets %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket is left behind: %v", err)
	}
	if _, err := Send(path, "reload"); err == nil || !strings.Contains(err.Error(), "no server") {
		t.Errorf("without a server: %v", err)
	}
}

func TestACommandThatIsNoneIsNotDone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c")
	s, err := Serve(path, func(command string) Outcome {
		t.Errorf("%q was done", command)
		return Outcome{}
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"", "reload", strings.Repeat("x", 2*maxCommand) + "\n"} {
		c, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = c.Write([]byte(text))
		_ = c.(*net.UnixConn).CloseWrite()
		var b [1]byte
		if n, _ := c.Read(b[:]); n != 0 {
			t.Errorf("%.20q was answered", text)
		}
		_ = c.Close()
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestPath(t *testing.T) {
	runtime, tmp := t.TempDir(), t.TempDir()
	for _, test := range []struct {
		name, setting string
		getenv        func(string) string
		folder        string // what the path begins with
	}{
		{"off", Off, environment("XDG_RUNTIME_DIR", runtime), ""},
		{"a setting", "/run/x", environment("XDG_RUNTIME_DIR", runtime), "/run/x"},
		{"a service", "", environment("RUNTIME_DIRECTORY", runtime+":/other", "XDG_RUNTIME_DIR", tmp), runtime + "/control-"},
		{"a user", "", environment("XDG_RUNTIME_DIR", runtime, "TMPDIR", tmp), runtime + "/rickhouse/control-"},
		{"neither", "", environment("TMPDIR", tmp), tmp + "/rickhouse-"},
	} {
		a, err := Path(test.setting, "/srv/a.toml", test.getenv)
		if err != nil || !strings.HasPrefix(a, test.folder) || test.folder == "" && a != "" {
			t.Errorf("%s: %q, %v", test.name, a, err)
		}
		if b, _ := Path(test.setting, "/srv/b.toml", test.getenv); test.setting == "" && b == a {
			t.Errorf("%s: two configurations have one socket", test.name)
		}
	}
}

func TestAFolderOfOthersIsNotUsed(t *testing.T) {
	tmp := t.TempDir()
	if err := os.Mkdir(filepath.Join(tmp, "rickhouse"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(tmp, "rickhouse"), 0o770); err != nil {
		t.Fatal(err)
	}
	if _, err := Path("", "/x", environment("XDG_RUNTIME_DIR", tmp)); err == nil {
		t.Error("a folder that the group may write to is used")
	}
}
