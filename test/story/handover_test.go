package story

import (
	"os"
	"path/filepath"
	"testing"
)

// Whoever answers without reading the content may name a file, or another route: the
// client has its answer before it has sent all.
func TestHandoverDoesNotWaitForContent(t *testing.T) {
	dir := application(t, map[string]string{
		"app.py": `
def app(environ, start_response):
    path = environ["PATH_INFO"]
    fields = {"/file": [("X-Sendfile", "a.txt")], "/route": [("X-Accel-Redirect", "/other")]}.get(path, [])
    start_response("200 OK", [("Content-Type", "text/plain"), *fields])
    return [f"{environ['REQUEST_METHOD']} {path} {environ['wsgi.input'].read()!r}".encode() if not fields else b"not this"]
`,
		"rickhouse.toml": `
[apps.web]
wsgi = "app:app"
workers = 1
stream_input = true

[[routes]]
app = "web"
x_sendfile = "media"
x_accel_redirect = true
`,
	})
	if err := os.Mkdir(filepath.Join(dir, "media"), 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "media/a.txt"), "the file")
	s := start(t, dir)
	for path, want := range map[string]string{"/file": "the file", "/route": "GET /other b''"} {
		for _, length := range []string{"2000", "1000000"} {
			r, err := s.Raw()
			if err != nil {
				t.Fatal(err)
			}
			if err := r.Send("POST " + path + " HTTP/1.1\r\nHost: a\r\nContent-Length: " + length + "\r\n\r\nbegun"); err != nil {
				t.Fatal(err)
			}
			if a, err := r.Read("POST"); err != nil || a.Status != 200 || a.Body != want {
				t.Errorf("%s, %s octets: %d %q, %v, want %q", path, length, a.Status, a.Body, err, want)
			}
			_ = r.Close()
		}
	}
}
