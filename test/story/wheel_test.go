package story

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"rickhouse/internal/testkit"
)

// The wheel installs with pip, and its command is the binary.
func TestWheel(t *testing.T) {
	root, err := testkit.Repository()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	do := func(name string, args ...string) string {
		t.Helper()
		out, err := exec.Command(name, args...).CombinedOutput()
		if err != nil {
			t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
		}
		return strings.TrimSpace(string(out))
	}
	python := filepath.Join(tools, "python3")
	script, binary := filepath.Join(root, "scripts/wheel.py"), filepath.Join(tools, "rickhouse")
	wheel := do(python, script, binary, filepath.Join(dir, "one"))
	again := do(python, script, binary, filepath.Join(dir, "two"))
	if !bytes.Equal(read(t, wheel), read(t, again)) {
		t.Error("the same binary gives different wheels")
	}

	venv := filepath.Join(dir, "venv")
	do(python, "-m", "venv", venv)
	do(filepath.Join(venv, "bin/python"), "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--disable-pip-version-check", wheel)
	if got, want := do(filepath.Join(venv, "bin/rickhouse"), "version"), do(binary, "version"); got != want {
		t.Errorf("the installed command says %q, not %q", got, want)
	}
	if shown := do(filepath.Join(venv, "bin/python"), "-m", "pip", "--disable-pip-version-check", "show", "--files", "rickhouse"); !strings.Contains(shown, "bin/rickhouse") {
		t.Errorf("pip does not know the command:\n%s", shown)
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
