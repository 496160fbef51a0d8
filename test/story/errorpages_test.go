package story

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rickhouse/internal/testkit"
)

const errorPagesConfig = `
error_pages = { 4xx = "bad.html", 404 = "gone.json", 5xx = "sorry.html" }
bind = ["127.0.0.1:0", "scgi://unix:scgi.sock"]
max_body = "1KiB"
max_head = "1KiB"
max_line = "512B"

[apps.web]
wsgi = "app:app"
workers = 1

[[routes]]
path = "/app/*"
app = "web"

[[routes]]
path = "/own/*"
files = "files"
error_pages = { 404 = "own.html" }

[[routes]]
path = "/files/*"
files = "files"

[[routes]]
path = "/closed"
status = 503

[[routes]]
path = "/upstream"
proxy = ["http://%s"]
`

// Pages of the server stand for all that it has to say itself, over whatever protocol;
// those of a route count more, and applications speak for themselves.
func TestErrorPagesOfTheServer(t *testing.T) {
	dir := application(t, map[string]string{
		"app.py": `
def app(environ, start_response):
    if environ["PATH_INFO"] == "/app/fails":
        raise RuntimeError("on purpose")
    start_response("404 Not Found", [("Content-Type", "text/plain")])
    return [b"the application's"]
`,
		"bad.html": "<p>bad", "gone.json": `{"gone": true}`, "sorry.html": "<p>sorry", "own.html": "<p>own",
		"rickhouse.toml": fmt.Sprintf(errorPagesConfig, testkit.RefusedAddress(t)),
	})
	if err := os.Mkdir(filepath.Join(dir, "files"), 0o755); err != nil {
		t.Fatal(err)
	}
	s := startWith(t, testkit.Options{Dir: dir, Bound: true})

	const html = "text/html; charset=utf-8"
	clients := map[string]*http.Client{"HTTP/1": s.Client(1), "HTTP/2": http2Client(t)}
	for _, c := range []struct {
		method, path, body string
		status             int
		want, contentType  string
	}{
		{"GET", "/nowhere", "", 404, `{"gone": true}`, "application/json"},
		{"HEAD", "/nowhere", "", 404, "", "application/json"},
		{"GET", "/files/nothing", "", 404, `{"gone": true}`, "application/json"},
		{"PUT", "/files/nothing", "", 405, "<p>bad", html},
		{"GET", "/own/nothing", "", 404, "<p>own", html},
		{"GET", "/closed", "", 503, "<p>sorry", html},
		{"GET", "/upstream", "", 502, "<p>sorry", html},
		{"POST", "/app/", strings.Repeat("x", 2000), 413, "<p>bad", html},
		{"GET", "/" + strings.Repeat("x", 600), "", 414, "<p>bad", html},
		{"GET", "/app/fails", "", 500, "<p>sorry", html},
		{"GET", "/app/", "", 404, "the application's", "text/plain"},
	} {
		for version, client := range clients {
			status, content, fields := exchangeOf(t, client, c.method, s.URL+c.path, strings.NewReader(c.body))
			if status != c.status || content != c.want || fields.Get("Content-Type") != c.contentType {
				t.Errorf("%s %.20s by %s: %d %q %s, want %d %q %s", c.method, c.path, version, status, content, fields.Get("Content-Type"), c.status, c.want, c.contentType)
			}
		}
	}
	for request, want := range map[string]string{
		"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n":                                   "HTTP/1.1 400 ",
		"GET / HTTP/1.1\r\nHost: a\r\nX-Long: " + strings.Repeat("x", 2000) + "\r\n\r\n": "HTTP/1.1 431 ",
		"GET / HTTP/2.5\r\nHost: a\r\n\r\n":                                              "HTTP/1.1 505 ",
	} {
		page := "<p>bad"
		if strings.Contains(want, " 5") {
			page = "<p>sorry"
		}
		answer := whole(t, "tcp", s.Addr(), request)
		if !strings.HasPrefix(answer, want) || !strings.HasSuffix(answer, "\r\n\r\n"+page) || !strings.Contains(answer, "\r\nContent-Type: "+html+"\r\n") {
			t.Errorf("%.40q is answered %q, want %s and %s", request, answer, want, page)
		}
	}
	const head = "CONTENT_LENGTH\x0099999\x00SCGI\x001\x00REQUEST_METHOD\x00POST\x00REQUEST_URI\x00/app/\x00SERVER_PROTOCOL\x00HTTP/1.1\x00HTTP_HOST\x00a\x00"
	answer := whole(t, "unix", filepath.Join(dir, "scgi.sock"), fmt.Sprintf("%d:%s,", len(head), head))
	if !strings.HasPrefix(answer, "Status: 413 ") || !strings.HasSuffix(answer, "\r\n\r\n<p>bad") {
		t.Errorf("by SCGI the answer is %q", answer)
	}

	write(t, filepath.Join(dir, "gone.json"), `{"gone": "for ever"}`)
	if status, said := reload(t, dir); status != 0 {
		t.Fatalf("the reload ended with %d: %s", status, said)
	}
	for version, client := range clients {
		client.CloseIdleConnections()
		if _, content, _ := exchangeOf(t, client, "GET", s.URL+"/nowhere", nil); content != `{"gone": "for ever"}` {
			t.Errorf("after the reload %s has %q", version, content)
		}
	}
}

// whole sends a request and returns all that comes until the connection ends.
func whole(t *testing.T, network, address, request string) string {
	t.Helper()
	c, err := net.Dial(network, address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	return string(answer)
}
