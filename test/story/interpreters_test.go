package story

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"rickhouse/internal/testkit"
)

// Applications of one server run in virtual environments of their own, of different
// versions of CPython where there are some, with what is installed there and no more.
func TestApplicationsOfSeveralInterpreters(t *testing.T) {
	found := interpreters(t)
	dir := application(t, map[string]string{"app.py": `
import json, sys

def installed(name):
    try:
        return __import__(name).WHERE
    except ImportError:
        return ""

def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/json")])
    seen = {"version": "%d.%d" % sys.version_info[:2], "prefix": sys.prefix, "one": installed("in_one"), "two": installed("in_two")}
    return [json.dumps(seen).encode()]
`})
	var config strings.Builder
	for i, name := range []string{"one", "two"} {
		venv := filepath.Join(dir, name)
		if out, err := exec.Command(found[i].path, "-m", "venv", "--without-pip", venv).CombinedOutput(); err != nil {
			t.Skipf("there are no virtual environments of %s: %v\n%s", found[i].path, err, out)
		}
		packages := filepath.Join(venv, "lib", "python"+found[i].version, "site-packages")
		write(t, filepath.Join(packages, "in_"+name+".py"), fmt.Sprintf("WHERE = %q\n", name))
		fmt.Fprintf(&config, "[apps.%[1]s]\nwsgi = \"app:app\"\nworkers = 1\npython = %[1]q\n", name)
	}
	config.WriteString("[[routes]]\npath = \"/one\"\napp = \"one\"\n[[routes]]\napp = \"two\"\n")
	write(t, filepath.Join(dir, "rickhouse.toml"), config.String())
	s := start(t, dir)
	for i, name := range []string{"one", "two"} {
		var seen struct{ Version, Prefix, One, Two string }
		res, err := s.Client(0).Get(s.URL + "/" + name)
		if err != nil {
			t.Fatal(err)
		}
		err = json.NewDecoder(res.Body).Decode(&seen)
		_ = res.Body.Close()
		want := [4]string{found[i].version, filepath.Join(dir, name), "", ""}
		want[2+i] = name
		if got := [4]string{seen.Version, seen.Prefix, seen.One, seen.Two}; err != nil || res.StatusCode != http.StatusOK || got != want {
			t.Errorf("%s: %d, %v, %q, want %q", name, res.StatusCode, err, got, want)
		}
	}
}

type interpreter struct{ path, version string }

// interpreters are two that rickhouse serves, of different versions if there are any.
func interpreters(t *testing.T) [2]interpreter {
	t.Helper()
	usual, err := testkit.Python()
	if err != nil {
		t.Fatal(err)
	}
	candidates := []string{usual}
	for _, minor := range []string{"3.13", "3.12", "3.11", "3.10"} {
		if path, err := exec.LookPath("python" + minor); err == nil {
			candidates = append(candidates, path)
		}
	}
	root := os.Getenv("PYENV_ROOT")
	if home, err := os.UserHomeDir(); root == "" && err == nil {
		root = filepath.Join(home, ".pyenv")
	}
	pyenv, _ := filepath.Glob(filepath.Join(root, "versions", "3.1[0-3]*", "bin", "python3"))
	var found []interpreter
	for _, path := range append(candidates, pyenv...) {
		out, err := exec.Command(path, "-I", "-c", "import sys; print('%d.%d' % sys.version_info[:2], sys.implementation.name)").Output()
		version, name, _ := strings.Cut(strings.TrimSpace(string(out)), " ")
		switch {
		case err != nil || name != "cpython":
		case len(found) == 0:
			found = append(found, interpreter{path, version})
		case found[0].version != version:
			return [2]interpreter{found[0], {path, version}}
		}
	}
	if len(found) == 0 {
		t.Skip("there is no CPython")
	}
	t.Logf("there is no other version of CPython than %s: both applications have that", found[0].version)
	return [2]interpreter{found[0], found[0]}
}
