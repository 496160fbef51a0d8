package story

import (
	"bufio"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"
)

const chainApp = `
import queue

turns = queue.Queue()


def events():
    for i in range(3):
        yield b"data: %d\n\n" % i
        turns.get()


def app(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/events":
        start_response("200 OK", [("Content-Type", "text/event-stream")])
        return events()
    if path == "/turn":
        turns.put(1)
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "0")])
        return []
    start_response("200 OK", [("Content-Type", "text/html"), ("ETag", '"page"')])
    return [b"<p>%d</p>" % i for i in range(20_000)]
`

const chainConfig = `
[apps.web]
wsgi = "app:app"
workers = 1
threads = 4

[[routes]]
path = "/files/*"
files = "."
compress = true

[[routes]]
app = "web"
compress = true
`

// undo opens what a coding has made.
func undo(t *testing.T, coding string, r io.Reader) io.Reader {
	t.Helper()
	var err error
	switch coding {
	case "gzip":
		r, err = gzip.NewReader(r)
	case "br":
		r = brotli.NewReader(r)
	case "zstd":
		r, err = zstd.NewReader(r, zstd.WithDecoderConcurrency(1))
	default:
		err = fmt.Errorf("the answer has the coding %q", coding)
	}
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func get(t *testing.T, client *http.Client, url, accept string) *http.Response {
	t.Helper()
	req, err := http.NewRequest("GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept-Encoding", accept)
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = res.Body.Close() })
	return res
}

// Files, pages and streams are compressed over HTTP/1 and HTTP/2, octet by octet
// what they were.
func TestCompression(t *testing.T) {
	large := &strings.Builder{}
	for i := range 100_000 {
		fmt.Fprintf(large, "line %d\n", i)
	}
	page := &strings.Builder{}
	for i := range 20_000 {
		fmt.Fprintf(page, "<p>%d</p>", i)
	}
	dir := application(t, map[string]string{
		"app.py": chainApp, "rickhouse.toml": chainConfig, "large.txt": large.String(), "small.css": large.String()[:3000],
	})
	s := start(t, dir)
	for name, client := range map[string]*http.Client{"HTTP/1.1": s.Client(4), "HTTP/2": http2Client(t)} {
		for _, coding := range []string{"zstd", "br", "gzip"} {
			for path, want := range map[string]string{
				"/": page.String(), "/files/large.txt": large.String(), "/files/small.css": large.String()[:3000],
			} {
				res := get(t, client, "http://"+s.Addr()+path, coding)
				if got := res.Header.Get("Content-Encoding"); got != coding || res.Header.Get("Vary") != "Accept-Encoding" {
					t.Fatalf("%s %s: %v", name, path, res.Header)
				}
				if tag := res.Header.Get("ETag"); !strings.HasPrefix(tag, `W/"`) {
					t.Errorf("%s %s: the tag is %s", name, path, tag)
				}
				got, err := io.ReadAll(undo(t, coding, res.Body))
				if err != nil || string(got) != want {
					t.Errorf("%s %s %s: %d octets of %d, %v", name, path, coding, len(got), len(want), err)
				}
			}
			streamed(t, client, "http://"+s.Addr(), coding)
		}
	}
	res := get(t, s.Client(0), s.URL+"/files/large.txt", "")
	if got, err := io.ReadAll(res.Body); err != nil || string(got) != large.String() || res.Header.Get("Content-Encoding") != "" {
		t.Errorf("without Accept-Encoding: %d octets, %v, %v", len(got), err, res.Header)
	}
}

// streamed reads events, each of which the application sends only when the one
// before it has come.
func streamed(t *testing.T, client *http.Client, url, coding string) {
	t.Helper()
	events := bufio.NewReader(undo(t, coding, get(t, client, url+"/events", coding).Body))
	for i := range 3 {
		line, err := events.ReadString('\n')
		if err != nil || line != fmt.Sprintf("data: %d\n", i) {
			t.Fatalf("%s: event %d is %q, %v", coding, i, line, err)
		}
		if _, err := events.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		get(t, client, url+"/turn", coding)
	}
	if rest, err := io.ReadAll(events); err != nil || len(rest) > 0 {
		t.Errorf("%s: %q follows, %v", coding, rest, err)
	}
}

// A client that reads slowly gets all of a compressed file, and one that goes
// away leaves nothing behind.
func TestCompressionForASlowClient(t *testing.T) {
	noise := &strings.Builder{}
	for i := range 120_000 {
		fmt.Fprintf(noise, "%x\n", uint64(i)*0x9e3779b97f4a7c15)
	}
	dir := application(t, map[string]string{"app.py": chainApp, "rickhouse.toml": chainConfig})
	if err := os.WriteFile(filepath.Join(dir, "noise.txt"), []byte(noise.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	s := start(t, dir)
	for range 3 {
		res := get(t, s.Client(0), s.URL+"/files/noise.txt", "gzip")
		if _, err := io.CopyN(io.Discard, res.Body, 1000); err != nil {
			t.Fatal(err)
		}
		if err := res.Body.Close(); err != nil {
			t.Error(err)
		}
	}
	res := get(t, s.Client(0), s.URL+"/files/noise.txt", "gzip")
	got, err := io.ReadAll(undo(t, "gzip", &trickle{r: res.Body}))
	if err != nil || string(got) != noise.String() {
		t.Errorf("%d octets of %d, %v", len(got), noise.Len(), err)
	}
}

// trickle reads little at a time, and at first with breaks.
type trickle struct {
	r io.Reader
	n int
}

func (r *trickle) Read(p []byte) (int, error) {
	if r.n++; r.n < 50 {
		time.Sleep(2 * time.Millisecond)
	}
	return r.r.Read(p[:min(len(p), 8<<10)])
}
