package worker

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func environment(t *testing.T, dir string) string {
	t.Helper()
	bin := filepath.Join(dir, "bin")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	p := filepath.Join(bin, "python")
	if err := os.WriteFile(p, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return p
}

func TestInterpreter(t *testing.T) {
	root := t.TempDir()
	active := environment(t, filepath.Join(root, "active"))
	shop := filepath.Join(root, "shop")
	dotVenv := environment(t, filepath.Join(shop, ".venv"))
	blog := filepath.Join(root, "blog")
	venv := environment(t, filepath.Join(blog, "venv"))
	plain := filepath.Join(root, "plain")
	if err := os.MkdirAll(plain, 0o755); err != nil {
		t.Fatal(err)
	}
	text := filepath.Join(plain, "python.txt")
	if err := os.WriteFile(text, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	moved := filepath.Join(root, "moved")
	gone := environment(t, filepath.Join(moved, "venv"))
	if err := errors.Join(os.Remove(gone), os.Symlink("/gone/python3.9", gone)); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", filepath.Dir(active))
	if err := os.Symlink(active, filepath.Join(filepath.Dir(active), "python3")); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, python, dir, virtualEnv, want, wantErr string
	}{
		{name: "VIRTUAL_ENV", dir: shop, virtualEnv: filepath.Join(root, "active"), want: active},
		{name: ".venv in the folder", dir: shop, want: dotVenv},
		{name: "venv in the folder", dir: blog, want: venv},
		{name: "python3 on PATH", dir: plain, want: filepath.Join(filepath.Dir(active), "python3")},
		{name: "named environment wins", python: "venv", dir: blog, virtualEnv: filepath.Join(root, "active"), want: venv},
		{name: "named interpreter", python: active, dir: plain, want: active},
		{name: "named command", python: "python3", dir: plain, want: filepath.Join(filepath.Dir(active), "python3")},
		{name: "named nothing", python: "nothing", dir: plain, wantErr: "no interpreter or virtual environment"},
		{name: "named folder", python: ".", dir: plain, wantErr: "not a virtual environment"},
		{name: "named text", python: "python.txt", dir: plain, wantErr: "cannot be executed"},
		{name: "broken VIRTUAL_ENV", dir: shop, virtualEnv: plain, wantErr: "VIRTUAL_ENV"},
		{name: "venv without its Python", dir: moved, wantErr: "leads to nothing (/gone/python3.9): make it again"},
		{name: "named environment without its Python", python: "venv", dir: moved, wantErr: "leads to nothing (/gone/python3.9)"},
		{name: "VIRTUAL_ENV without its Python", dir: plain, virtualEnv: filepath.Join(moved, "venv"), wantErr: "leads to nothing"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Interpreter(c.python, c.dir, func(string) string { return c.virtualEnv })
			if c.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), c.wantErr) {
					t.Errorf("got %q, %v; want an error with %q", got, err, c.wantErr)
				}
			} else if err != nil || got != c.want {
				t.Errorf("got %q, %v; want %q", got, err, c.want)
			}
		})
	}
}
