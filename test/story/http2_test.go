package story

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"rickhouse/internal/testkit"
)

const http2App = `
import hashlib
import time


def app(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/sum":
        digest = hashlib.sha256()
        while piece := environ["wsgi.input"].read(65536):
            digest.update(piece)
        body = [digest.hexdigest().encode()]
    elif path == "/file":
        body = environ["wsgi.file_wrapper"](open(__file__, "rb"))
    elif path == "/large":
        body = (b"0123456789abcdef" * 4096 for _ in range(64))
    else:
        time.sleep(0.002)
        body = [" ".join((environ["SERVER_PROTOCOL"], environ["HTTP_HOST"], environ.get("HTTP_COOKIE", "none"))).encode()]
    start_response("200 OK", [("Content-Type", "text/plain")])
    return body
`

// http2Client speaks HTTP/2 from the first octet.
func http2Client(t *testing.T) *http.Client {
	t.Helper()
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: testkit.Patience}
}

// fetch returns the answer's content.
func fetch(client *http.Client, method, url string, body io.Reader) (string, error) {
	req, err := http.NewRequest(method, url, body)
	if err != nil {
		return "", err
	}
	req.Header["Cookie"] = []string{"a=1; b=2"}
	res, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = res.Body.Close() }()
	content, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d", res.StatusCode)
	}
	return string(content), err
}

// HTTP/1 and HTTP/2 are served on the same port, and an application sees the same.
func TestHTTP2(t *testing.T) {
	dir := application(t, map[string]string{"app.py": http2App})
	s := start(t, dir, "app:app", "-w", "2")
	url := "http://" + s.Addr()
	two := http2Client(t)
	content := bytes.Repeat([]byte("rickhouse"), 500000)
	for name, client := range map[string]*http.Client{"HTTP/1.1": s.Client(1), "HTTP/2.0": two} {
		if got, err := fetch(client, "GET", url+"/", nil); err != nil || got != name+" "+s.Addr()+" a=1; b=2" {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
		for _, body := range []io.Reader{bytes.NewReader(content), io.MultiReader(bytes.NewReader(content))} {
			if got, err := fetch(client, "POST", url+"/sum", body); err != nil || got != "deada0a784f54e1c875cb991c766d4163013f5631a48c78c6f3871566b1bd18c" {
				t.Errorf("%s: got %q, %v", name, got, err)
			}
		}
		if got, err := fetch(client, "GET", url+"/file", nil); err != nil || got != http2App {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
		if got, err := fetch(client, "GET", url+"/large", nil); err != nil || got != strings.Repeat("0123456789abcdef", 64*4096) {
			t.Errorf("%s: got %d octets, %v", name, len(got), err)
		}
	}
}

// Over TLS the handshake chooses it, and the application sees https.
func TestHTTP2OverTLS(t *testing.T) {
	dir := application(t, map[string]string{"app.py": `
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [(environ["wsgi.url_scheme"] + " " + environ["SERVER_PROTOCOL"]).encode()]
`})
	s := start(t, dir, "app:app", "-w", "1", "--tls", "internal")
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}
	t.Cleanup(transport.CloseIdleConnections)
	client := &http.Client{Transport: transport, Timeout: testkit.Patience}
	if got, err := fetch(client, "GET", "https://"+s.Addr()+"/", nil); err != nil || got != "https HTTP/2.0" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestHTTP2ByCurl(t *testing.T) {
	curl, err := exec.LookPath("curl")
	if err != nil {
		t.Skip("there is no curl")
	}
	dir := application(t, map[string]string{"app.py": http2App})
	s := start(t, dir, "app:app", "-w", "1")
	out, err := exec.Command(curl, "-sS", "--http2-prior-knowledge", "-w", " %{http_version} %{http_code}", "http://"+s.Addr()+"/").CombinedOutput()
	if want := "HTTP/2.0 " + s.Addr() + " none 2 200"; string(out) != want || err != nil {
		t.Errorf("got %q, %v, want %q", out, err, want)
	}
}

func TestHTTP2Off(t *testing.T) {
	dir := application(t, map[string]string{"app.py": http2App, "rickhouse.toml": "http2 = false\n[apps.web]\nwsgi = \"app:app\"\n"})
	s := start(t, dir)
	if got, err := fetch(http2Client(t), "GET", "http://"+s.Addr()+"/", nil); err == nil {
		t.Errorf("got %q", got)
	}
}

// A server that is asked to stop under load answers what was sent on every
// connection: a client that goes on is told when to use another, and the first it
// hears of the end is that there is none.
func TestStoppingLosesNothingOfHTTP2(t *testing.T) {
	dir := application(t, map[string]string{"app.py": http2App})
	s := start(t, dir, "app:app", "-w", "2")
	var answered atomic.Int64
	var clients sync.WaitGroup
	for range 4 {
		client := http2Client(t)
		for range 8 {
			clients.Go(func() {
				for {
					_, err := fetch(client, "GET", "http://"+s.Addr()+"/", nil)
					if errors.Is(err, syscall.ECONNREFUSED) {
						return
					}
					if err != nil {
						t.Errorf("after %d answers: %v", answered.Load(), err)
						return
					}
					answered.Add(1)
				}
			})
		}
	}
	err := testkit.Until(testkit.Patience, func() (bool, string) {
		return answered.Load() > 500, fmt.Sprintf("%d requests were answered", answered.Load())
	})
	if err != nil {
		t.Error(err)
	}
	if err := s.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	clients.Wait()
	if code, err := s.Exit(testkit.Patience); err != nil || code != 0 {
		t.Errorf("it ended with %d, %v", code, err)
	}
}
