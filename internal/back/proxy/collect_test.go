package proxy

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"rickhouse/internal/spool"
	"rickhouse/internal/testkit"
	"rickhouse/internal/testkit/door"
)

// startSpooling is start with a place for temporary files, which have to be gone at
// the end.
func startSpooling(t *testing.T, cfg Config) *env {
	t.Helper()
	dir := t.TempDir()
	store, err := spool.NewStore(spool.Config{Directory: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
		if left, _ := os.ReadDir(dir); len(left) > 0 {
			t.Errorf("left are %v", left)
		}
	})
	e := &env{t: t, Door: door.Loops(t, 1)}
	e.Store = store
	e.proxy, err = New(cfg, Parts{Loops: e.Loops, Log: e.Logger, Store: store})
	if err != nil {
		t.Fatal(err)
	}
	e.proxy.Begin()
	e.Open(e.proxy, frontConfig(), "")
	return e
}

// TestBufferedRequestsByOtherSettings: what stays in memory is what the Store says when a
// request comes.
func TestBufferedRequestsByOtherSettings(t *testing.T) {
	f := unixFake(t, func(c *peerConn) {
		for r, body := c.request(); r != nil; r, body = c.request() {
			c.write(ok(body))
		}
	})
	e := startSpooling(t, Config{Upstreams: []string{f.url}, BufferRequests: true})
	e.Store.Use(spool.Config{Directory: t.TempDir(), Memory: 10})
	c := e.client().send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 20\r\n\r\n01234567890")
	err := testkit.Until(testkit.Patience, func() (bool, string) { return e.Store.Used() > 0, "nothing is in the spool" })
	if err != nil {
		t.Fatal(err)
	}
	if got := c.send("123456789").read("GET").body; got != "01234567890123456789" {
		t.Errorf("got %q", got)
	}
}

// TestBufferedRequests: the upstream is asked once the content is there, and told its
// length.
func TestBufferedRequests(t *testing.T) {
	f := unixFake(t, func(c *peerConn) {
		for {
			r, body := c.request()
			if r == nil {
				return
			}
			c.write(ok(fmt.Sprint(r.ContentLength, " ", len(r.TransferEncoding), " ", body)))
		}
	})
	e := startSpooling(t, Config{Upstreams: []string{f.url}, BufferRequests: true})
	for _, n := range []int{1, 100, 64 << 10, 64<<10 + 1, 3 << 20} {
		body := strings.Repeat("0123456789", n/10+1)[:n]
		want := fmt.Sprint(n, " 0 ", body)
		c := e.client().send(fmt.Sprintf("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s", n, body[:n/2]))
		if n == 100 {
			if conns := f.conns.Load(); conns != 1 {
				t.Errorf("the upstream is asked before the content is there: %d connections", conns)
			}
		}
		if a := c.send(body[n/2:]).read("POST"); a.body != want {
			t.Errorf("%d octets by length: %d %.40q", n, a.StatusCode, a.body)
		}
		c.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + hexOf(n) + "\r\n" + body + "\r\n0\r\n\r\n")
		if a := c.read("POST"); a.body != want {
			t.Errorf("%d octets in chunks: %d %.40q", n, a.StatusCode, a.body)
		}
	}
	c := e.client().send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
	if a := c.read("POST"); a.body != "0 0 " {
		t.Errorf("no octets: %q", a.body)
	}
	c = e.client().send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
	c.read("POST").wantStatus(t, 100)
	if a := c.send("abc").read("POST"); a.body != "3 0 abc" {
		t.Errorf("after 100: %q", a.body)
	}
}

// TestLargeContentIsSentAgain where it was taken in before.
func TestLargeContentIsSentAgain(t *testing.T) {
	dead := unixFake(t, func(c *peerConn) {
		c.head()
		_, _ = io.CopyN(io.Discard, c.r, 100_000)
	})
	alive := unixFake(t, func(c *peerConn) {
		for {
			r, body := c.request()
			if r == nil {
				return
			}
			c.write(ok(body))
		}
	})
	body := strings.Repeat("0123456789", 300_000)
	for _, buffer := range []bool{true, false} {
		e := startSpooling(t, Config{Upstreams: []string{dead.url, alive.url}, BufferRequests: buffer})
		lost := 0
		for range 2 {
			a := e.client().send(fmt.Sprintf("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s", len(body), body)).read("PUT")
			switch {
			case a.StatusCode == 502:
				lost++
			case a.body != body:
				t.Errorf("%d octets came back", len(a.body))
			}
		}
		if want := map[bool]int{true: 0, false: 1}[buffer]; lost != want {
			t.Errorf("buffered %t: %d were lost, want %d", buffer, lost, want)
		}
	}
}

// TestBufferedAnswers: with a place for it, an answer runs ahead of its client, and
// without buffer_answers it does not.
func TestBufferedAnswers(t *testing.T) {
	const all = 32 << 20
	for _, buffered := range []bool{true, false} {
		var sent atomic.Int64
		f := unixFake(t, func(c *peerConn) {
			c.head()
			c.write(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", all))
			piece := strings.Repeat("x", 64<<10)
			for sent.Load() < all {
				n, err := io.WriteString(c.Conn, piece)
				sent.Add(int64(n))
				if err != nil {
					return
				}
			}
			c.head()
		})
		e := startSpooling(t, Config{Upstreams: []string{f.url}, NoAnswerBuffer: !buffered})
		c := e.client().send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		res, err := http.ReadResponse(c.r, nil)
		if err != nil {
			t.Fatal(err)
		}
		if buffered {
			until(t, "all is taken", func() bool { return sent.Load() == all })
		} else {
			until(t, "the upstream waits", func() (paused bool) {
				e.On(e.Loops[0], func() {
					for uc := range e.proxy.shards[0].conns {
						paused = uc.paused
					}
				})
				return paused
			})
			if sent.Load() == all {
				t.Error("all was taken")
			}
		}
		if n, err := io.Copy(io.Discard, res.Body); n != all || err != nil {
			t.Errorf("%d octets, %v", n, err)
		}
	}
}
