package story

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"rickhouse/internal/testkit"
)

const largeApp = `
import hashlib
import os

SIZE = int(os.environ["SIZE"])
BLOCK = bytes(range(256)) * 256


def app(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/upload":
        return upload(environ, start_response)
    start_response("200 OK", [("Content-Type", "application/octet-stream"), ("Content-Length", str(SIZE))])
    if path == "/file":
        return environ["wsgi.file_wrapper"](open("large", "rb"), 65536)
    return (BLOCK for _ in range(SIZE // len(BLOCK)))


def upload(environ, start_response):
    digest, size = hashlib.sha256(), 0
    while piece := environ["wsgi.input"].read(65536):
        digest.update(piece)
        size += len(piece)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{size} {digest.hexdigest()}".encode()]
`

// allowance is how much memory the server may take on for a body of any size,
// front and workers together.
const allowance = 64 << 20

// A body of 1 GiB goes in and out, and memory stays what it was.
func TestLargeBodiesTakeNoMemory(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("memory is read from /proc")
	}
	size := largeSize(t)
	t.Logf("bodies have %d MiB", size>>20)
	config := fmt.Sprintf("max_body = \"2GiB\"\n[apps.web]\nwsgi = \"app:app\"\nworkers = 1\nenvironment = { SIZE = \"%d\" }\n", size)
	dir := application(t, map[string]string{"app.py": largeApp, "rickhouse.toml": config, "large": ""})
	if err := os.Truncate(dir+"/large", size); err != nil {
		t.Fatal(err)
	}
	s := start(t, dir)
	want := digest(t, &pattern{left: size})
	for _, chunked := range []bool{false, true} {
		t.Run(fmt.Sprintf("upload, chunked %v", chunked), func(t *testing.T) {
			flat(t, s, size, func(watched reading) {
				uploaded(t, s, watched(&pattern{left: size}), size, chunked, want)
			})
		})
	}
	t.Run("download that is generated", func(t *testing.T) {
		flat(t, s, size, func(watched reading) { downloaded(t, s, "/generated", watched, size, want) })
	})
	t.Run("download of a file", func(t *testing.T) {
		zeros := digest(t, io.LimitReader(zeros{}, size))
		flat(t, s, size, func(watched reading) { downloaded(t, s, "/file", watched, size, zeros) })
	})
}

func largeSize(t *testing.T) int64 {
	if text := os.Getenv("RICKHOUSE_STORY_SIZE"); text != "" {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	// A body is spooled once, and what is spooled is in the temporary folder.
	if short() || freeSpace(os.TempDir()) < 3<<30 {
		return 128 << 20
	}
	return 1 << 30
}

func uploaded(t *testing.T, s *testkit.Server, content io.Reader, size int64, chunked bool, want string) {
	t.Helper()
	r, err := http.NewRequest("POST", s.URL+"/upload", io.NopCloser(content))
	if err != nil {
		t.Fatal(err)
	}
	if r.ContentLength = size; chunked {
		r.ContentLength = -1
	}
	c := s.Client(0)
	c.Timeout = 15 * time.Minute
	a, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	body, err := io.ReadAll(a.Body)
	if err != nil || string(body) != fmt.Sprintf("%d %s", size, want) {
		t.Errorf("got %s %q %v", a.Status, body, err)
	}
}

func downloaded(t *testing.T, s *testkit.Server, path string, watched reading, size int64, want string) {
	t.Helper()
	c := s.Client(0)
	c.Timeout = 15 * time.Minute
	a, err := c.Get(s.URL + path)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	if a.ContentLength != size {
		t.Errorf("Content-Length is %d", a.ContentLength)
	}
	if got := digest(t, watched(a.Body)); got != want {
		t.Errorf("the content is not what was sent")
	}
}

// reading makes a reader one that looks at the server's memory as it is read.
type reading func(io.Reader) io.Reader

// flat runs do and checks that the server's memory did not grow with it. It looks all
// the time, and each time that another part of the body, of size octets, has passed.
func flat(t *testing.T, s *testkit.Server, size int64, do func(reading)) {
	t.Helper()
	const parts = 16
	before := memory(s)
	var samples, peak atomic.Int64
	look := func() {
		samples.Add(1)
		for now, old := memory(s), peak.Load(); now > old && !peak.CompareAndSwap(old, now); old = peak.Load() {
		}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		do(func(r io.Reader) io.Reader { return &watchedReader{Reader: r, every: size / parts, look: look} })
	}()
	for over := false; !over; look() {
		select {
		case <-done:
			over = true
		case <-time.After(20 * time.Millisecond):
		}
	}
	t.Logf("memory before %d MiB, at most %d MiB in %d samples", before>>20, peak.Load()>>20, samples.Load())
	if peak.Load() > before+allowance {
		t.Errorf("memory grew from %d MiB to %d MiB", before>>20, peak.Load()>>20)
	}
}

// watchedReader calls look each time that every octets were read.
type watchedReader struct {
	io.Reader
	every, read int64
	look        func()
}

// Read implements io.Reader.
func (r *watchedReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if r.read += int64(n); r.read >= r.every {
		r.read -= r.every
		r.look()
	}
	return n, err
}

// memory is the resident memory of the front and its workers.
func memory(s *testkit.Server) int64 {
	sum, _ := testkit.RSS(s.PID())
	for _, pid := range testkit.Children(s.PID()) {
		n, _ := testkit.RSS(pid)
		sum += n
	}
	return sum
}

func digest(t *testing.T, r io.Reader) string {
	t.Helper()
	h := sha256.New()
	if _, err := io.Copy(h, r); err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// pattern reads as the octets 0 to 255 over and over.
type pattern struct{ left, at int64 }

// Read fills p.
func (r *pattern) Read(p []byte) (int, error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	n := int(min(int64(len(p)), r.left))
	for i := range n {
		p[i] = byte(r.at + int64(i))
	}
	r.at += int64(n)
	r.left -= int64(n)
	return n, nil
}

type zeros struct{}

// Read fills p with zeros.
func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func TestPattern(t *testing.T) {
	text, err := io.ReadAll(io.MultiReader(&pattern{left: 300}, strings.NewReader("end")))
	if err != nil || len(text) != 303 || text[255] != 255 || text[256] != 0 {
		t.Errorf("%d octets, %v", len(text), err)
	}
}
