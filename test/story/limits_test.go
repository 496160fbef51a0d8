package story

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"rickhouse/internal/testkit"
)

const limitsApp = `
import threading

gate = threading.Event()


def app(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/busy":
        open("began", "w").close()
    if path in ("/busy", "/wait"):
        gate.wait()
    if path == "/release":
        gate.set()
    size = 0
    while piece := environ["wsgi.input"].read(65536):
        size += len(piece)
    names = ("HTTP_X_USER", "HTTP_REMOTE_USER")
    body = "%d %s" % (size, " ".join(environ.get(n, "-") for n in names))
    status = "500 Oops" if path == "/broken" else "200 OK"
    start_response(status, [("Content-Type", "text/plain")])
    return [body.encode()]
`

const limitsConfig = `
max_body = "10KiB"

[apps.web]
wsgi = "app:app"
workers = 1
threads = 8

[[routes]]
path = "/small"
app = "web"
max_body = "1KiB"

[[routes]]
path = "/big"
app = "web"
max_body = "100KiB"

[[routes]]
path = "/broken"
app = "web"
error_pages = { 5xx = "sorry.html" }
error_pages_app = true

[[routes]]
path = "/missing"
status = 404
error_pages = { 404 = "gone.html" }
security_headers = true

[[routes]]
path = "/secret"
app = "web"
basic_auth = "users"
basic_auth_header = "X-User"

[[routes]]
path = "/asked"
app = "web"
forward_auth = "%s"
forward_auth_headers = ["Remote-User"]
forward_auth_timeout = "1m"

[[routes]]
path = "/busy"
app = "web"
max_concurrent = 1

[[routes]]
path = "/late"
app = "web"
rewrite = "/wait"
timeout = "50ms"

[[routes]]
path = "/here"
respond = "here"
deny = ["127.0.0.1"]

[[routes]]
path = "/closed"
respond = "open"
maintenance_file = "closed"
maintenance_page = "sorry.html"

[[routes]]
path = "/cors"
app = "web"
cors_origins = ["https://*.example.org"]
cors_credentials = true

[[routes]]
path = "/rate/{n}"
respond = "ok"
rate_limit = "3/h"
rate_key = "header:X-Key"

[[routes]]
app = "web"
`

// exchangeOf makes one request and returns the answer's status, content and fields.
func exchangeOf(t *testing.T, client *http.Client, method, url string, content io.Reader, fields ...string) (int, string, http.Header) {
	t.Helper()
	req, err := http.NewRequest(method, url, content)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range fields {
		name, value, _ := strings.Cut(f, ": ")
		req.Header.Add(name, value)
	}
	res, err := client.Do(req)
	if err != nil {
		t.Fatalf("%s %s: %v", method, url, err)
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Errorf("%s %s: %v", method, url, err)
	}
	return res.StatusCode, string(b), res.Header
}

// unsized hides how long content is.
type unsized struct{ io.Reader }

// What a route carries does what its keys say, over HTTP/1 and HTTP/2.
func TestChainOfARoute(t *testing.T) {
	auth := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Cookie") != "session=1" {
			http.Redirect(w, r, "https://login.test/", http.StatusSeeOther)
			return
		}
		w.Header().Set("Remote-User", "ann")
	}))
	defer auth.Close()
	hash, err := bcrypt.GenerateFromPassword([]byte("pass"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	dir := application(t, map[string]string{
		"app.py": limitsApp, "rickhouse.toml": fmt.Sprintf(limitsConfig, auth.URL), "users": "ann:" + string(hash) + "\n",
		"sorry.html": "<h1>sorry</h1>", "gone.html": "<h1>gone</h1>",
	})
	s := start(t, dir)
	one, two := s.Client(4), http2Client(t)
	two.CheckRedirect = one.CheckRedirect
	for name, client := range map[string]*http.Client{"HTTP/1.1": one, "HTTP/2": two} {
		for _, tt := range []struct {
			method, path string
			size         int
			unsized      bool
			fields       []string
			status       int
			content      string
			header       string
		}{
			{"POST", "/small", 1024, false, nil, 200, "1024 - -", ""},
			{"POST", "/small", 1025, false, nil, 413, "413 Request Entity Too Large\n", ""},
			{"POST", "/small", 1025, true, nil, 413, "413 Request Entity Too Large\n", ""},
			{"POST", "/big", 100 << 10, true, nil, 200, "102400 - -", ""},
			{"POST", "/big", 100<<10 + 1, true, nil, 413, "413 Request Entity Too Large\n", ""},
			{"POST", "/other", 10 << 10, true, nil, 200, "10240 - -", ""},
			{"POST", "/other", 10<<10 + 1, true, nil, 413, "413 Request Entity Too Large\n", ""},
			{"POST", "/other", 10<<10 + 1, false, nil, 413, "413 Request Entity Too Large\n", ""},
			{"GET", "/broken", 0, false, nil, 500, "<h1>sorry</h1>", "Content-Type: text/html; charset=utf-8"},
			{"GET", "/missing", 0, false, nil, 404, "<h1>gone</h1>", "X-Content-Type-Options: nosniff"},
			{"GET", "/secret", 0, false, nil, 401, "401 Unauthorized\n", `Www-Authenticate: Basic realm="restricted", charset="UTF-8"`},
			{"GET", "/secret", 0, false, []string{"Authorization: Basic YW5uOndyb25n"}, 401, "401 Unauthorized\n", ""},
			{"POST", "/secret", 5, true, []string{"Authorization: Basic YW5uOnBhc3M=", "X-User: root"}, 200, "5 ann -", ""},
			{"GET", "/asked", 0, false, []string{"Remote-User: root"}, 303, "<a href=\"https://login.test/\">See Other</a>.\n\n", "Location: https://login.test/"},
			{"POST", "/asked", 3000, true, []string{"Remote-User: root", "Cookie: session=1"}, 200, "3000 - ann", ""},
			{"GET", "/here", 0, false, nil, 403, "403 Forbidden\n", ""},
			{"GET", "/late", 0, false, nil, 504, "504 Gateway Timeout\n", ""},
			{"GET", "/closed", 0, false, nil, 200, "open", ""},
			{"GET", "/cors", 0, false, []string{"Origin: https://a.example.org"}, 200, "0 - -", "Access-Control-Allow-Origin: https://a.example.org"},
			{"OPTIONS", "/cors", 0, false, []string{"Origin: https://a.example.org", "Access-Control-Request-Method: POST"}, 204, "", "Access-Control-Allow-Credentials: true"},
			{"OPTIONS", "/cors", 0, false, []string{"Origin: https://a.test", "Access-Control-Request-Method: POST"}, 403, "403 Forbidden\n", "Vary: Origin"},
			{"GET", "/rate/1", 0, false, []string{"X-Key: " + name}, 200, "ok", `Ratelimit: "default";r=2;t=1200`},
			{"GET", "/rate/2", 0, false, []string{"X-Key: " + name}, 200, "ok", `Ratelimit: "default";r=1;t=2`},
			{"GET", "/rate/3", 0, false, []string{"X-Key: " + name}, 200, "ok", `Ratelimit-Policy: "default";q=3;w=3600`},
			{"GET", "/rate/4", 0, false, []string{"X-Key: " + name}, 429, "429 Too Many Requests\n", "Retry-After: "},
		} {
			var content io.Reader
			if tt.size > 0 {
				if content = bytes.NewReader(bytes.Repeat([]byte("x"), tt.size)); tt.unsized {
					content = unsized{content}
				}
			}
			status, got, header := exchangeOf(t, client, tt.method, "http://"+s.Addr()+tt.path, content, tt.fields...)
			key, value, _ := strings.Cut(tt.header, ": ")
			if status != tt.status || got != tt.content || tt.header != "" && !strings.HasPrefix(header.Get(key), value) {
				t.Errorf("%s: %s %s (%d octets): %d %q %v", name, tt.method, tt.path, tt.size, status, got, header)
			}
		}
	}
	busy(t, s, one, dir)
}

// busy has one request hold the only place of a route.
func busy(t *testing.T, s *testkit.Server, client *http.Client, dir string) {
	t.Helper()
	held, err := s.Dial()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = held.Close() }()
	if _, err := fmt.Fprintf(held, "GET /busy HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	err = testkit.Until(testkit.Patience, func() (bool, string) {
		_, err := os.Stat(filepath.Join(dir, "began"))
		return err == nil, "the application was not called"
	})
	if err != nil {
		t.Fatal(err)
	}
	if status, _, header := exchangeOf(t, client, "GET", s.URL+"/busy", nil); status != 503 || header.Get("Retry-After") != "1" {
		t.Errorf("the second request gets %d %v", status, header)
	}
	exchangeOf(t, client, "GET", s.URL+"/release", nil)
	if answer, err := io.ReadAll(held); err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 200 OK\r\n") {
		t.Errorf("the first request got %q, %v", answer, err)
	}
	if err := os.WriteFile(filepath.Join(dir, "closed"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	err = testkit.Until(testkit.Patience, func() (bool, string) {
		status, got, _ := exchangeOf(t, client, "GET", s.URL+"/closed", nil)
		return status == 503 && got == "<h1>sorry</h1>", fmt.Sprintf("%d %q", status, got)
	})
	if err != nil {
		t.Error(err)
	}
}
