package story

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"rickhouse/internal/testkit"
)

// naming names the file that the query asks for, in each of the ways there are. It
// says that its static files are in the same folder, as Django would.
const naming = `
import sys, types

settings = types.SimpleNamespace(configured=True, STATIC_URL="/static/", STATIC_ROOT="MEDIA")
sys.modules["django.conf"] = types.SimpleNamespace(settings=settings)

def app(environ, start_response):
    path, name = environ["PATH_INFO"], environ["QUERY_STRING"]
    if path == "/sendfile":
        start_response("200 OK", [("X-Sendfile", name)])
    elif path == "/accel":
        start_response("200 OK", [("X-Accel-Redirect", "/protected/" + name)])
    else:
        start_response("404 Not Found", [])
    return []

async def sends(scope, receive, send):
    if scope["type"] != "http":
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.pathsend", "path": "MEDIA/" + scope["query_string"].decode()})
`

// A server of root's opens no file for an application of another user that this user
// may not read, whichever way it is named.
func TestApplicationsNameFilesOfTheirUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can run workers as other users")
	}
	python := "/usr/bin/python3"
	if out, err := exec.Command(python, "-c", "import sys; assert sys.version_info >= (3, 10)").CombinedOutput(); err != nil {
		t.Skipf("there is no Python that everybody can run: %v\n%s", err, out)
	}
	nobody := account(t, "nobody")
	dir, err := os.MkdirTemp("", "rights-") // t.TempDir is root's alone
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	media := filepath.Join(dir, "media")
	for _, folder := range []string{media, filepath.Join(media, "shut")} {
		if err := os.Mkdir(folder, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write(t, filepath.Join(dir, "naming.py"), strings.ReplaceAll(naming, "MEDIA", media))
	for name, mode := range map[string]os.FileMode{"open": 0o644, "closed": 0o600, "his": 0o600, "shut/open": 0o644, "shut": 0o700} {
		at := filepath.Join(media, name)
		if name != "shut" {
			write(t, at, name)
		}
		if err := os.Chmod(at, mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chown(filepath.Join(media, "his"), number(t, nobody.Uid), -1); err != nil {
		t.Skipf("root cannot give files away here: %v", err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "rickhouse.toml"), fmt.Sprintf(`
[apps.other]
wsgi = "naming"
python = %[1]q
workers = 1
user = "nobody"
static = "auto"

[apps.same]
wsgi = "naming"
python = %[1]q
workers = 1
static = "auto"

[apps.sends]
asgi = "naming:sends"
python = %[1]q
workers = 1
user = "nobody"

[[routes]]
path = "/protected/*"
files = "media"
internal = true
[[routes]]
path = "/other/*"
app = "other"
strip = true
x_sendfile = "media"
x_accel_redirect = true
[[routes]]
path = "/same/*"
app = "same"
strip = true
x_sendfile = "media"
x_accel_redirect = true
[[routes]]
app = "sends"
`, python))
	s := start(t, dir)
	for _, c := range []struct {
		name  string
		other int
	}{{"open", 200}, {"his", 200}, {"closed", 403}, {"shut/open", 403}} {
		for _, how := range []string{"sendfile?", "accel?", "static/"} {
			for app, want := range map[string]int{"/same": 200, "/other": c.other} {
				if status, content := content(t, s, app+"/"+how+c.name); status != want || want == 200 && content != c.name {
					t.Errorf("%s of %s by %s is answered %d %q, want %d", how, c.name, app, status, content, want)
				}
			}
		}
		want := c.other
		if want != 200 {
			want = 500 // the worker could not open it
		}
		if status, _ := content(t, s, "/pathsend?"+c.name); status != want {
			t.Errorf("pathsend of %s is answered %d, want %d", c.name, status, want)
		}
	}
}

func content(t *testing.T, s *testkit.Server, path string) (int, string) {
	t.Helper()
	res, err := s.Client(0).Get(s.URL + path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	p, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(p)
}
