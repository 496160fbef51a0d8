package story

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"rickhouse/internal/testkit"
)

// surroundings answers with what a worker can find out about itself.
const surroundings = `
import json, os, sys

def read(path):
    with open(path, "rb") as f:
        return f.read().rstrip(b"\0\n").decode()

def application(environ, start_response):
    umask = os.umask(0)
    os.umask(umask)
    with open("/dev/stderr", "w") as f:
        print("written to /dev/stderr", file=f)
    with open("made", "w"):
        pass
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps({
        "ids": [os.getuid(), os.geteuid(), os.getgid(), os.getegid()], "groups": sorted(os.getgroups()), "umask": oct(umask),
        "mode": oct(os.stat("made").st_mode & 0o777), "cwd": os.getcwd(), "title": [read("/proc/self/cmdline"), read("/proc/self/comm")],
        "environment": {k: os.environ.get(k) for k in ("HOME", "USER", "LOGNAME", "SHOP")}, "path": sys.path[:3],
        "prefix": sys.prefix, "caps": [l for l in read("/proc/self/status").splitlines() if l.startswith("CapEff")],
    }).encode()]
`

// seen is what surroundings answers.
type seen struct {
	IDs         []int
	Groups      []int
	Umask, Mode string
	Cwd         string
	Title       []string
	Environment map[string]string
	Path        []string
	Prefix      string
	Caps        []string
}

// Each of several applications has its own user, groups, umask, folder, title,
// environment and interpreter.
func TestApplicationsOfSeveralUsers(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can run workers as other users")
	}
	python := "/usr/bin/python3"
	if out, err := exec.Command(python, "-c", "import sys; assert sys.version_info >= (3, 10)").CombinedOutput(); err != nil {
		t.Skipf("there is no Python that everybody can run: %v\n%s", err, out)
	}
	nobody, daemon := account(t, "nobody"), account(t, "daemon")
	dir, err := os.MkdirTemp("", "users-") // t.TempDir is root's alone
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	for name, u := range map[string]*user.User{"one": nobody, "two": daemon} {
		uid, _ := strconv.Atoi(u.Uid)
		for _, folder := range []string{name, name + "/lib"} {
			if err := os.Mkdir(filepath.Join(dir, folder), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		write(t, filepath.Join(dir, name, "shop.py"), surroundings)
		if err := os.Chown(filepath.Join(dir, name), uid, -1); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	venv := filepath.Join(dir, "venv")
	if out, err := exec.Command(python, "-m", "venv", "--without-pip", venv).CombinedOutput(); err != nil {
		t.Skipf("there are no virtual environments: %v\n%s", err, out)
	}
	write(t, filepath.Join(dir, "rickhouse.toml"), fmt.Sprintf(`
[apps.one]
wsgi = "shop"
directory = "one"
python = %q
workers = 1
user = "nobody"
umask = "0027"
display_name = "(wsgi:one)"
python_path = ["one/lib"]
environment = { SHOP = "1" }

[apps.two]
wsgi = "shop"
directory = "two"
python = "venv"
workers = 1
user = %q
group = %q
groups = ["0", "64001"]
environment = { HOME = "/tmp" }

[[routes]]
path = "/one/*"
app = "one"
[[routes]]
app = "two"
`, python, daemon.Uid, nobody.Gid))
	s := start(t, dir)
	one, two := look(t, s, "/one/"), look(t, s, "/two")

	uid, gid := number(t, nobody.Uid), number(t, nobody.Gid)
	if !slices.Equal(one.IDs, []int{uid, uid, gid, gid}) || !slices.Equal(one.Groups, []int{gid}) {
		t.Errorf("one runs as %v, %v", one.IDs, one.Groups)
	}
	if one.Umask != "0o27" || one.Mode != "0o640" || one.Cwd != filepath.Join(dir, "one") {
		t.Errorf("one has the umask %s, made a file of mode %s, in %s", one.Umask, one.Mode, one.Cwd)
	}
	if !slices.Equal(one.Title, []string{"(wsgi:one)", "(wsgi:one)"}) {
		t.Errorf("one shows the title %q", one.Title)
	}
	if !slices.Equal(one.Path[:2], []string{filepath.Join(dir, "one"), filepath.Join(dir, "one/lib")}) {
		t.Errorf("one has the path %q", one.Path)
	}
	if e := one.Environment; e["HOME"] != nobody.HomeDir || e["USER"] != "nobody" || e["LOGNAME"] != "nobody" || e["SHOP"] != "1" {
		t.Errorf("one has the environment %v", e)
	}

	other := number(t, daemon.Uid)
	if !slices.Equal(two.IDs, []int{other, other, gid, gid}) || !slices.Equal(two.Groups, []int{0, 64001}) {
		t.Errorf("two runs as %v, %v", two.IDs, two.Groups)
	}
	if two.Cwd != filepath.Join(dir, "two") || two.Prefix != venv || strings.Contains(two.Title[0], "wsgi:") {
		t.Errorf("two runs in %s by %s, with the title %q", two.Cwd, two.Prefix, two.Title)
	}
	if e := two.Environment; e["HOME"] != "/tmp" || e["USER"] != "daemon" || e["SHOP"] != "" {
		t.Errorf("two has the environment %v", e)
	}
	for _, seen := range []seen{one, two} {
		if len(seen.Caps) != 1 || strings.Trim(strings.TrimPrefix(seen.Caps[0], "CapEff:"), "\t0") != "" {
			t.Errorf("privileges are left: %q", seen.Caps)
		}
	}
	for _, app := range []string{"one", "two"} {
		if _, err := s.Log.Wait(`\[`+app+`/1\] written to /dev/stderr`, 1, testkit.Patience); err != nil {
			t.Error(err)
		}
	}
}

func TestUsersThatAreNot(t *testing.T) {
	dir := application(t, map[string]string{"shop.py": surroundings, "rickhouse.toml": "[apps.one]\nwsgi = \"shop\"\nuser = \"no-such-user\"\n"})
	out, err := binary(dir, "check").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "rickhouse.toml:3:8: user: there is no user no-such-user") {
		t.Errorf("got %v\n%s", err, out)
	}
}

// binary runs the server's binary.
func binary(dir string, args ...string) *exec.Cmd {
	cmd := exec.Command(tools+"/rickhouse", args...)
	cmd.Dir, cmd.Env = dir, environment(dir)
	return cmd
}

func account(t *testing.T, name string) *user.User {
	t.Helper()
	u, err := user.Lookup(name)
	if err != nil {
		t.Skipf("the system has no user %s", name)
	}
	return u
}

func number(t *testing.T, text string) int {
	t.Helper()
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func look(t *testing.T, s *testkit.Server, path string) seen {
	t.Helper()
	res, err := s.Client(0).Get(s.URL + path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	var got seen
	if err := json.NewDecoder(res.Body).Decode(&got); err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s is answered %d, %v", path, res.StatusCode, err)
	}
	return got
}
