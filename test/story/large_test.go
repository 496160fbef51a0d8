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
			flat(t, s, func() { uploaded(t, s, size, chunked, want) })
		})
	}
	t.Run("download that is generated", func(t *testing.T) {
		flat(t, s, func() { downloaded(t, s, "/generated", size, want) })
	})
	t.Run("download of a file", func(t *testing.T) {
		zeros := digest(t, io.LimitReader(zeros{}, size))
		flat(t, s, func() { downloaded(t, s, "/file", size, zeros) })
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

func uploaded(t *testing.T, s *testkit.Server, size int64, chunked bool, want string) {
	t.Helper()
	r, err := http.NewRequest("POST", s.URL+"/upload", io.NopCloser(&pattern{left: size}))
	if err != nil {
		t.Fatal(err)
	}
	if r.ContentLength = size; chunked {
		r.ContentLength = -1
	}
	c := s.Client(0)
	c.Timeout = 5 * time.Minute
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

func downloaded(t *testing.T, s *testkit.Server, path string, size int64, want string) {
	t.Helper()
	c := s.Client(0)
	c.Timeout = 5 * time.Minute
	a, err := c.Get(s.URL + path)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	if a.ContentLength != size {
		t.Errorf("Content-Length is %d", a.ContentLength)
	}
	if got := digest(t, a.Body); got != want {
		t.Errorf("the content is not what was sent")
	}
}

// flat runs do and checks that the server's memory did not grow with it.
func flat(t *testing.T, s *testkit.Server, do func()) {
	t.Helper()
	before, peak := memory(s), int64(0)
	done := make(chan struct{})
	go func() {
		defer close(done)
		do()
	}()
	for samples := 0; ; samples++ {
		peak = max(peak, memory(s))
		select {
		case <-done:
			t.Logf("memory before %d MiB, at most %d MiB in %d samples", before>>20, peak>>20, samples)
			if samples < 3 {
				t.Errorf("it was over too soon to tell")
			}
			if peak > before+allowance {
				t.Errorf("memory grew from %d MiB to %d MiB", before>>20, peak>>20)
			}
			return
		case <-time.After(20 * time.Millisecond):
		}
	}
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
