package http1

import (
	"bytes"
	"errors"
	"io"
	"math/rand"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"rickhouse/internal/exchange"
	"rickhouse/internal/testkit"
	"rickhouse/internal/testkit/onloop"
)

// answers runs f for every request.
func answers(f func(x *exchange.Exchange)) exchange.Handler { return handler(f) }

func TestAnswers(t *testing.T) {
	send := func(status int, length int64, pieces ...string) func(*exchange.Exchange) {
		return func(x *exchange.Exchange) {
			x.Response.Status, x.Response.ContentLength = status, length
			x.Head()
			for _, p := range pieces {
				x.Data([]byte(p))
			}
			x.End()
		}
	}
	big := strings.Repeat("0123456789abcdef", 10000)
	for _, c := range []struct {
		name, method string
		serve        func(*exchange.Exchange)
		status       int
		body         string
		length       int64
		chunked      bool
		fails        bool // the answer is not right, and observed so
		closes       bool // the connection ends before its time
	}{
		{"length", "GET", send(200, 5, "he", "", "llo"), 200, "hello", 5, false, false, false},
		{"chunked", "GET", send(200, -1, "he", "", "llo"), 200, "hello", -1, true, false, false},
		{"chunked, nothing", "GET", send(200, -1), 200, "", -1, true, false, false},
		{"large", "GET", send(200, int64(2*len(big)), big, big), 200, big + big, int64(2 * len(big)), false, false, false},
		{"large, chunked", "GET", send(200, -1, big, "x", big), 200, big + "x" + big, -1, true, false, false},
		{"HEAD", "HEAD", send(200, 5, "hello"), 200, "", 5, false, false, false},
		{"HEAD, no length", "HEAD", send(200, -1, "hello"), 200, "", -1, false, false, false},
		{"204", "GET", send(204, 5, "hello"), 204, "", 0, false, false, false},
		{"304", "GET", send(304, 5, "hello"), 304, "", 0, false, false, false},
		{"205", "GET", send(205, -1, "hello"), 205, "", 0, false, false, false},
		{"too long", "GET", send(200, 5, "hel", "loGET", "x"), 200, "hello", 5, false, true, false},
		{"too short", "GET", send(200, 5, "hel"), 200, "hel", 5, false, true, true},
		{"no head", "GET", func(x *exchange.Exchange) { x.End() }, 500, "500 Internal Server Error\n", 26, false, true, false},
		{"content and no head", "GET", func(x *exchange.Exchange) { x.Data([]byte("x")); x.End() }, 500, "500 Internal Server Error\n", 26, false, true, false},
		{"bad head", "GET", func(x *exchange.Exchange) {
			x.Response.Add("A", "b\r\nEvil: yes")
			send(200, 1, "x")(x)
		}, 500, "500 Internal Server Error\n", 26, false, true, false},
		{"bad status", "GET", send(42, 1, "x"), 500, "500 Internal Server Error\n", 26, false, true, false},
		{"101 that nobody asked for", "GET", send(101, -1, "x"), 500, "500 Internal Server Error\n", 26, false, true, false},
		{"two heads", "GET", func(x *exchange.Exchange) {
			x.Response.Status, x.Response.ContentLength = 200, 1
			x.Head()
			x.Head()
			x.Data([]byte("x"))
			x.End()
		}, 200, "x", 1, false, true, false},
		{"failure", "GET", func(x *exchange.Exchange) { x.Fail(&exchange.Error{Status: 503, RetryAfter: time.Second}) }, 503, "503 Service Unavailable\n", 24, false, true, false},
		{"what is ours is dropped", "GET", func(x *exchange.Exchange) {
			for _, name := range []string{"Connection", "Transfer-Encoding", "Keep-Alive", "Upgrade", "Content-Length"} {
				x.Response.Add(name, "77")
			}
			send(200, 1, "x")(x)
		}, 200, "x", 1, false, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := start(t, Config{}, answers(c.serve))
			con := s.dial().send(c.method + " / HTTP/1.1\r\nHost: a\r\n\r\n")
			res := con.read(c.method)
			if res.StatusCode != c.status || res.body != c.body || res.ContentLength != c.length || (res.TransferEncoding != nil) != c.chunked {
				t.Errorf("got %d, length %d, %q, %.50q (%d octets)", res.StatusCode, res.ContentLength, res.TransferEncoding, res.body, len(res.body))
			}
			if res.Header.Get("Evil") != "" || res.Header.Get("Upgrade") != "" {
				t.Errorf("got %v", res.Header)
			}
			if o := s.Seen(1)[0]; (o.Err != nil) != c.fails || o.Status != c.status || o.Out != int64(len(c.body)) {
				t.Errorf("observed %+v", o)
			}
			if c.closes {
				if !errors.Is(res.err, io.ErrUnexpectedEOF) {
					t.Errorf("the client could not tell: %v", res.err)
				}
				con.ended()
				return
			}
			if again := con.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n").read("HEAD"); again.StatusCode != c.status || res.err != nil {
				t.Errorf("the next got %+v, after %v", again, res.err)
			}
		})
	}
}

func TestTrailers(t *testing.T) {
	s := start(t, Config{}, answers(func(x *exchange.Exchange) {
		x.Response.Status = 200
		x.Head()
		x.Data([]byte("x"))
		name := "X-Sum"
		if string(x.Request.Path) == "/bad" {
			name = "bad name"
		}
		x.Response.Trailers = append(x.Response.Trailers, exchange.Field{Name: []byte(name), Value: []byte("1")})
		x.End()
	}))
	c := s.dial()
	te := "TE: trailers\r\nConnection: TE\r\n\r\n"
	if res := c.get("GET / HTTP/1.1\r\nHost: a\r\n" + te); res.Trailer.Get("X-Sum") != "1" {
		t.Errorf("got %+v", res)
	}
	if res := c.get(get("/")); len(res.Trailer) != 0 || res.err != nil {
		t.Errorf("got %+v", res)
	}
	if res := c.get("GET /bad HTTP/1.1\r\nHost: a\r\n" + te); len(res.Trailer) != 0 || res.err != nil {
		t.Errorf("got %+v", res)
	}
}

func TestInterim(t *testing.T) {
	s := start(t, Config{}, answers(func(x *exchange.Exchange) {
		x.Response.Status = 103
		x.Response.Add("Link", "</style>")
		x.Head()
		if x.HeadSent {
			t.Error("an interim head counts as the head")
		}
		x.Response.Reset()
		x.Answer(200, "ok")
	}))
	c := s.dial()
	if res := c.get(get("/")); res.StatusCode != 103 || res.Header.Get("Link") == "" || res.Header.Get("Date") != "" {
		t.Errorf("got %+v", res)
	}
	if res := c.read("GET"); res.StatusCode != 200 || res.body != "ok" {
		t.Errorf("got %+v", res)
	}
	if res := c.get("GET / HTTP/1.0\r\n\r\n"); res.StatusCode != 200 || res.body != "ok" {
		t.Errorf("got %+v", res)
	}
}

// What is sent without End goes out at the end of the turn.
func TestStreaming(t *testing.T) {
	h := testkit.NewHeld()
	s := start(t, Config{}, h)
	c := s.dial().send(get("/"))
	x := testkit.Wait(t, h.Began, "a request")
	drained := make(chan int, 10)
	h.OnDrained = func(_ *exchange.Exchange, n int) { drained <- n }
	s.Do(func() {
		x.Response.Status = 200
		x.Head()
	})
	res, err := http.ReadResponse(c.r, nil)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		s.Do(func() {
			x.Data([]byte("tick"))
			if len(drained) != 0 {
				t.Error("Drained is called within Data")
			}
		})
		buf := make([]byte, 4)
		if _, err := io.ReadFull(res.Body, buf); err != nil || string(buf) != "tick" {
			t.Fatalf("got %q, %v", buf, err)
		}
		if n := testkit.Wait(t, drained, "Drained"); n != 4 {
			t.Errorf("Drained got %d", n)
		}
	}
	s.Do(x.End)
	if rest, err := io.ReadAll(res.Body); len(rest) != 0 || err != nil {
		t.Errorf("got %q, %v", rest, err)
	}
}

func TestAbort(t *testing.T) {
	cause := errors.New("it broke")
	for _, c := range []struct {
		name, version string
		length        int64
		head          bool
	}{{"before the head", "1.1", -1, false}, {"chunked", "1.1", -1, true}, {"length", "1.1", 100, true}, {"until close", "1.0", -1, true}} {
		t.Run(c.name, func(t *testing.T) {
			s := start(t, Config{}, answers(func(x *exchange.Exchange) {
				if c.head {
					x.Response.Status, x.Response.ContentLength = 200, c.length
					x.Head()
					x.Data([]byte("part"))
				}
				x.Abort(cause)
			}))
			con := s.dial().send("GET / HTTP/" + c.version + "\r\nHost: a\r\n\r\n" + get("/smuggled"))
			res, err := http.ReadResponse(con.r, nil)
			if err == nil {
				_, err = io.ReadAll(res.Body)
			}
			if err == nil || onloop.IsTimeout(err) {
				t.Errorf("the client could not tell: %v", err)
			}
			if o := s.Seen(1)[0]; !errors.Is(o.Err, cause) {
				t.Errorf("observed %+v", o)
			}
			if n := s.counters().Requests; n != 1 {
				t.Errorf("%d requests", n)
			}
		})
	}
}

func TestGone(t *testing.T) {
	h := testkit.NewHeld()
	s := start(t, Config{}, h)
	for _, head := range []bool{false, true} {
		c := s.dial().send(get("/"))
		x := testkit.Wait(t, h.Began, "a request")
		if head {
			s.Do(func() { x.Response.Status = 200; x.Head() })
		}
		c.vanish()
		if cause := testkit.Wait(t, h.Causes, "Gone"); !errors.Is(cause, exchange.ErrClientGone) {
			t.Errorf("got %v", cause)
		}
		s.Do(func() {
			if !x.Canceled {
				t.Error("Canceled is not set")
			}
			// Whatever is sent now goes nowhere.
			if !head {
				x.Response.Status = 200
				x.Head()
			}
			x.Data(make([]byte, 100<<10))
			f, err := os.Open(os.DevNull)
			if err != nil {
				t.Error(err)
			}
			x.File(f, 0, 10)
			x.End()
			if _, err := f.Stat(); err == nil {
				t.Error("the file was left open")
			}
		})
	}
	for _, o := range s.Seen(2) {
		if !errors.Is(o.Err, exchange.ErrClientGone) {
			t.Errorf("observed %+v", o)
		}
	}
	if n := s.counters(); n.Open != 0 {
		t.Errorf("counters %+v", n)
	}
}

// FIN may be a half-close: the Server hears of it, and may answer.
func TestHalfClose(t *testing.T) {
	h := testkit.NewHeld()
	s := start(t, Config{}, h)
	c := s.dial().send(get("/"))
	x := testkit.Wait(t, h.Began, "a request")
	c.finishSending()
	if cause := testkit.Wait(t, h.Causes, "Gone"); !errors.Is(cause, exchange.ErrHalfClosed) {
		t.Errorf("got %v", cause)
	}
	s.Do(func() { x.Answer(200, "it had started") })
	if res := c.read("GET"); res.body != "it had started" || !res.Close {
		t.Errorf("got %+v", res)
	}
	c.ended()

	// Half-closed, then gone: told twice.
	c = s.dial().send(get("/"))
	x = testkit.Wait(t, h.Began, "a request")
	c.finishSending()
	testkit.Wait(t, h.Causes, "Gone")
	c.vanish()
	s.Do(func() { // where the loop does not see a reset by itself, writing does
		x.Response.Status = 200
		x.Head()
	})
	if cause := testkit.Wait(t, h.Causes, "Gone again"); !errors.Is(cause, exchange.ErrClientGone) {
		t.Errorf("got %v", cause)
	}
	s.Do(func() { x.Abort(nil) })

	// With half_close nobody hears of it.
	s = start(t, Config{HalfClose: true}, h)
	c = s.dial().send(get("/1") + get("/2"))
	c.finishSending()
	for _, path := range []string{"/1", "/2"} {
		x = testkit.Wait(t, h.Began, "a request")
		s.Until("FIN has come", func() bool {
			eof := false
			s.Do(func() { eof = x.Client.(*conn).eof })
			return eof
		})
		s.Do(func() { x.Answer(200, path) })
		if res := c.read("GET"); res.body != path {
			t.Errorf("got %+v", res)
		}
	}
	c.ended()
	if len(h.Causes) != 0 {
		t.Errorf("Gone was called: %v", <-h.Causes)
	}
}

// temporary is a file of random content.
func temporary(t *testing.T, size int) (string, []byte) {
	t.Helper()
	content := make([]byte, size)
	_, _ = rand.New(rand.NewSource(1)).Read(content)
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return name, content
}

func TestFile(t *testing.T) {
	const size = 5 << 20
	name, content := temporary(t, size)
	var last *os.File
	open := func() *os.File {
		f, err := os.Open(name)
		if err != nil {
			t.Error(err)
		}
		last = f
		return f
	}
	for _, c := range []struct {
		name, method   string
		length         int64
		offset, octets int64
		before, after  string
		want           []byte
		fails, cut     bool
	}{
		{"whole", "GET", size, 0, size, "", "", content, false, false},
		{"part", "GET", 1000, 12345, 1000, "", "", content[12345:13345], false, false},
		{"among others", "GET", 1006, 100, 1000, "abc", "def", []byte("abc" + string(content[100:1100]) + "def"), false, false},
		{"chunked", "GET", -1, 100, 1000, "abc", "def", []byte("abc" + string(content[100:1100]) + "def"), false, false},
		{"too long", "GET", 10, 100, 1000, "", "", content[100:110], true, false},
		{"too short", "GET", size + 100, 0, size + 100, "", "", content, true, true},
		{"HEAD", "HEAD", size, 0, size, "", "", nil, false, false},
		{"nothing", "GET", 0, 0, 0, "", "", nil, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := start(t, Config{}, answers(func(x *exchange.Exchange) {
				x.Response.Status, x.Response.ContentLength = 200, c.length
				x.Head()
				x.Data([]byte(c.before))
				x.File(open(), c.offset, c.octets)
				x.Data([]byte(c.after))
				x.End()
			}))
			con := s.dial().send(c.method + " / HTTP/1.1\r\nHost: a\r\n\r\n")
			res := con.read(c.method)
			if !bytes.Equal([]byte(res.body), c.want) || (res.err != nil) != c.cut {
				t.Errorf("got %d octets, want %d; %v", len(res.body), len(c.want), res.err)
			}
			if o := s.Seen(1)[0]; (o.Err != nil) != c.fails {
				t.Errorf("observed %+v", o)
			}
			s.Do(func() {
				if _, err := last.Stat(); !errors.Is(err, os.ErrClosed) {
					t.Errorf("the file was left open: %v", err)
				}
			})
			if !c.cut {
				con.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n").read("HEAD")
			}
		})
	}
}

// A client that goes while a file is sent is told from a file that fails.
func TestFileBreaks(t *testing.T) {
	name, _ := temporary(t, 1000)
	for _, c := range []struct {
		broken error
		gone   bool
	}{{os.NewSyscallError("sendfile", syscall.EPIPE), true}, {os.NewSyscallError("sendfile", syscall.EIO), false}} {
		d := fakeDoor(t, Config{}, answers(func(x *exchange.Exchange) {
			x.Response.Status, x.Response.ContentLength = 200, 1000
			x.Head()
			f, err := os.Open(name)
			if err != nil {
				t.Error(err)
			}
			x.File(f, 0, 1000)
			x.End()
		}))
		var got error
		d.f.parts.Observe = func(x *exchange.Exchange) { got = x.Stats.Err }
		s := &onloop.Stream{In: []byte(get("/")), SendErr: c.broken}
		d.fakeConn(s).Readable()
		if errors.Is(got, exchange.ErrClientGone) != c.gone || !errors.Is(got, c.broken) || !s.Closed {
			t.Errorf("%v: observed %v, closed is %v", c.broken, got, s.Closed)
		}
	}
}

func TestUpgrade(t *testing.T) {
	s := start(t, Config{}, answers(func(x *exchange.Exchange) {
		if string(x.Request.Upgrade) != "rot" {
			t.Errorf("upgrade is %q", x.Request.Upgrade)
		}
		x.Server = &mirror{}
		x.Response.Status = 101
		x.Response.Add("Upgrade", "rot")
		x.Head()
		x.Data([]byte("hi "))
		x.Demand(100)
	}))
	for _, early := range []string{"", "first "} {
		c := s.dial().send("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: rot\r\n\r\n" + early)
		res, err := http.ReadResponse(c.r, nil)
		if err != nil || res.StatusCode != 101 || res.Header.Get("Upgrade") != "rot" || res.Header.Get("Connection") != "upgrade" {
			t.Fatalf("got %+v, %v", res, err)
		}
		expect := func(want string) {
			buf := make([]byte, len(want))
			if _, err := io.ReadFull(c.r, buf); err != nil || string(buf) != want {
				t.Fatalf("got %q, %v, want %q", buf, err, want)
			}
		}
		expect("hi " + early)
		for range 3 {
			c.send("GET / HTTP/1.1\r\n\r\n")
			expect("GET / HTTP/1.1\r\n\r\n")
		}
		c.finishSending()
		if rest := c.all(); rest != "" {
			t.Errorf("got %q", rest)
		}
	}
}

func TestConnect(t *testing.T) {
	s := start(t, Config{}, answers(func(x *exchange.Exchange) {
		x.Server = &mirror{}
		x.Response.Status = 200
		x.Head()
		x.Demand(100)
	}))
	c := s.dial().send("CONNECT b:1 HTTP/1.1\r\nHost: b:1\r\n\r\nping")
	c.finishSending()
	got := c.all()
	if head, rest, _ := strings.Cut(got, "\r\n\r\n"); !strings.HasPrefix(head, "HTTP/1.1 200 ") || rest != "ping" || strings.Contains(head, "chunked") {
		t.Errorf("got %q", got)
	}
}
