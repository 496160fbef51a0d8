package proxy

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"rickhouse/internal/exchange"
	"rickhouse/internal/testkit/door"
)

// TestServerSentEvents pass one by one, as they come.
func TestServerSentEvents(t *testing.T) {
	step := make(chan struct{})
	f := unixFake(t, func(c *peerConn) {
		c.head()
		c.write("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
		for i := range 5 {
			<-step
			c.write(fmt.Sprintf("9\r\ndata: %d\n\n\r\n", i))
		}
		c.write("0\r\n\r\n")
	})
	e := start(t, Config{Upstreams: []string{f.url}}, 1)
	c := e.client().send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	res, err := http.ReadResponse(c.r, nil)
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 9)
	for i := range 5 {
		step <- struct{}{}
		if _, err := io.ReadFull(res.Body, buf); err != nil || string(buf) != fmt.Sprintf("data: %d\n\n", i) {
			t.Fatalf("event %d is %q, %v", i, buf, err)
		}
	}
	if _, err := res.Body.Read(buf); err != io.EOF {
		t.Errorf("the end is %v", err)
	}
}

// TestSlowClient: a client that does not read holds the upstream up, and not memory.
func TestSlowClient(t *testing.T) {
	var sent atomic.Int64
	const all = 64 << 20
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
	})
	e := start(t, Config{Upstreams: []string{f.url}}, 1)
	c := e.client().send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	res, err := http.ReadResponse(c.r, nil)
	if err != nil {
		t.Fatal(err)
	}
	paused := func() (paused bool) {
		e.On(e.Loops[0], func() {
			for uc := range e.proxy.shards[0].conns {
				paused = paused || uc.paused
				if held := uc.call.undrained; held > answerWindow+readSize {
					t.Errorf("%d octets are held", held)
				}
			}
		})
		return paused
	}
	until(t, "the upstream has to wait", paused)
	n, err := io.Copy(io.Discard, res.Body)
	if n != all || err != nil {
		t.Errorf("%d octets, %v", n, err)
	}
}

// TestAnAnswerThatEndsWhileItIsHeldUp leaves a connection that is read again.
func TestAnAnswerThatEndsWhileItIsHeldUp(t *testing.T) {
	f := unixFake(t, named("x"))
	e := start(t, Config{Upstreams: []string{f.url}, AnswerTimeout: door.Patience / 2, NoRetry: true}, 1)
	e.On(e.Loops[0], func() { e.proxy.window = 1 })
	for range 3 {
		e.get("/").wantStatus(t, 200)
	}
	if n := f.conns.Load(); n != 1 {
		t.Errorf("%d connections", n)
	}
}

// TestSlowUpstream: a client that sends faster than the upstream takes is held up.
func TestSlowUpstream(t *testing.T) {
	gate := make(chan struct{})
	f := unixFake(t, func(c *peerConn) {
		<-gate
		r, body := c.request()
		if r != nil {
			c.write(ok(decimal(len(body))))
		}
	})
	e := start(t, Config{Upstreams: []string{f.url}}, 1)
	c := e.client()
	const all = 32 << 20
	var sent atomic.Int64
	done := make(chan error, 1)
	go func() {
		_, err := io.WriteString(c.Conn, fmt.Sprintf("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n", all))
		piece := strings.Repeat("x", 64<<10)
		for err == nil && sent.Load() < all {
			var n int
			n, err = io.WriteString(c.Conn, piece)
			sent.Add(int64(n))
		}
		done <- err
	}()
	until(t, "the client has to wait", func() (blocked bool) {
		e.On(e.Loops[0], func() {
			for uc := range e.proxy.shards[0].conns {
				blocked = blocked || uc.blocked
				if len(uc.out) > 2*window {
					t.Errorf("%d octets wait for the upstream", len(uc.out))
				}
			}
		})
		return blocked
	})
	close(gate)
	if err := <-done; err != nil {
		t.Error(err)
	}
	if a := c.read("POST"); a.body != decimal(all) {
		t.Errorf("the upstream got %q octets", a.body)
	}
}

// TestBothWaysAtOnce: an answer may begin before the content has ended.
func TestBothWaysAtOnce(t *testing.T) {
	f := unixFake(t, func(c *peerConn) {
		c.head()
		c.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
		for range 3 {
			line, _ := c.r.ReadString('\n') // the size
			data, _ := c.r.ReadString('\n')
			end, _ := c.r.ReadString('\n')
			c.write(line + data + end)
		}
		_, _ = c.r.ReadString('\n')
		_, _ = c.r.ReadString('\n')
		c.write("0\r\n\r\n")
		c.head()
	})
	e := start(t, Config{Upstreams: []string{f.url}}, 1)
	c := e.client().send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabc\n\r\n")
	res, err := http.ReadResponse(c.r, nil)
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 4)
	for _, next := range []string{"4\r\ndef\n\r\n", "4\r\nghi\n\r\n", "0\r\n\r\n"} {
		if _, err := io.ReadFull(res.Body, buf); err != nil {
			t.Fatal(err)
		}
		c.send(next)
	}
	if rest, err := io.ReadAll(res.Body); err != nil || len(rest) > 0 {
		t.Errorf("then %q, %v", rest, err)
	}
}

// TestExpectContinue: the content is asked for when the upstream wants it.
func TestExpectContinue(t *testing.T) {
	f := unixFake(t, func(c *peerConn) {
		for {
			head := c.head()
			switch {
			case head == "":
				return
			case !strings.Contains(head, "expect: 100-continue\r\n"):
				c.write(ok("no expect"))
			case strings.Contains(head, "/refuse"):
				c.write("HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
				return
			default:
				if !strings.Contains(head, "/silent") {
					c.write("HTTP/1.1 100 Continue\r\n\r\n")
				}
				body := make([]byte, 5)
				_, _ = io.ReadFull(c.r, body)
				c.write(ok(string(body)))
			}
		}
	})
	e := start(t, Config{Upstreams: []string{f.url}}, 1)
	for path, patience := range map[string]time.Duration{"/take": door.Patience, "/silent": time.Millisecond} {
		e.On(e.Loops[0], func() { e.proxy.expect = int64(patience) })
		c := e.client().send("POST " + path + " HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
		c.read("POST").wantStatus(t, 100)
		if a := c.send("hello").read("POST"); a.body != "hello" {
			t.Errorf("%s: got %d %q", path, a.StatusCode, a.body)
		}
	}
	e.On(e.Loops[0], func() { e.proxy.expect = int64(door.Patience) })
	c := e.client().send("POST /refuse HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
	c.read("POST").wantStatus(t, 413)
}

// TestAnAnswerBeforeTheContent passes, and the connection is not used again.
func TestAnAnswerBeforeTheContent(t *testing.T) {
	f := unixFake(t, func(c *peerConn) {
		c.head()
		c.write("HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n")
		c.head()
	})
	e := start(t, Config{Upstreams: []string{f.url}}, 1)
	for range 3 {
		c := e.client().send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nabc")
		c.read("POST").wantStatus(t, 403)
	}
	if n := f.conns.Load(); n != 3 {
		t.Errorf("%d connections", n)
	}
}

// tunnels echoes lines after an upgrade.
func tunnels(c *peerConn) {
	head := c.head()
	if !strings.Contains(head, "upgrade: echo\r\nconnection: upgrade\r\n") {
		c.write("HTTP/1.1 400 No\r\nContent-Length: 0\r\n\r\n")
		return
	}
	c.write("HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\nhello\n")
	_, _ = io.Copy(c.Conn, c.r)
}

func TestUpgrade(t *testing.T) {
	f := tcpFake(t, tunnels)
	e := start(t, Config{Upstreams: []string{f.url}}, 1)
	c := e.client().send("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n")
	if res, err := http.ReadResponse(c.r, nil); err != nil || res.StatusCode != 101 || res.Header.Get("Upgrade") != "echo" {
		t.Fatalf("got %v, %v", res, err)
	}
	if line, _ := c.r.ReadString('\n'); line != "hello\n" {
		t.Errorf("the first line is %q", line)
	}
	long := strings.Repeat("y", 1<<20) + "\n"
	go func() { _, _ = io.WriteString(c.Conn, long) }()
	if line, err := c.r.ReadString('\n'); line != long {
		t.Errorf("%d octets came back, %v", len(line), err)
	}
	c.send("bye\n")
	if line, _ := c.r.ReadString('\n'); line != "bye\n" {
		t.Errorf("then %q", line)
	}
	t.Run("a client that leaves ends it", func(t *testing.T) {
		_ = c.Conn.Close()
		until(t, "nothing is left", func() (none bool) {
			e.On(e.Loops[0], func() {
				s := e.proxy.shards[0]
				none = len(s.tunnels) == 0 && len(s.conns) == 0
			})
			return none
		})
	})
}

// TestDrain ends tunnels and what rests, and leaves requests their time.
func TestDrain(t *testing.T) {
	gate := make(chan struct{})
	f := unixFake(t, func(c *peerConn) {
		head := c.head()
		if strings.Contains(head, "/slow") {
			<-gate
			c.write(ok("slow"))
			c.head()
			return
		}
		c.write("HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n")
		c.head()
	})
	e := start(t, Config{Upstreams: []string{f.url}})
	slow := e.client().send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
	tunnel := e.client().send("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n")
	if res, err := http.ReadResponse(tunnel.r, nil); err != nil || res.StatusCode != 101 {
		t.Fatalf("got %v, %v", res, err)
	}
	until(t, "both are there", func() bool { return f.conns.Load() == 2 })
	e.proxy.Drain()
	if _, err := tunnel.r.ReadByte(); err != io.EOF {
		t.Errorf("the tunnel ends with %v", err)
	}
	close(gate)
	slow.read("GET").wantStatus(t, 200)
	until(t, "no connection is left", func() bool { return (*e.proxy.peers.Load())[0].open.Load() == 0 })
}

// TestClose ends what is under way.
func TestClose(t *testing.T) {
	f := unixFake(t, func(c *peerConn) {
		c.head()
		c.head()
	})
	e := start(t, Config{Upstreams: []string{f.url}, MaxConnections: 1})
	var waiting []*client
	for range 3 {
		waiting = append(waiting, e.client().send("GET / HTTP/1.1\r\nHost: a\r\n\r\n"))
	}
	until(t, "one is asked and two wait", func() bool {
		return f.conns.Load() == 1 && (*e.proxy.peers.Load())[0].waiting.Load() == 2
	})
	if err := e.proxy.Close(); err != nil {
		t.Error(err)
	}
	for _, c := range waiting {
		c.read("GET").wantStatus(t, 503)
	}
}

// TestGone: a request whose client leaves is ended at the upstream.
func TestGone(t *testing.T) {
	ended := make(chan struct{})
	f := unixFake(t, func(c *peerConn) {
		c.head()
		c.head()
		close(ended)
	})
	e := start(t, Config{Upstreams: []string{f.url}})
	c := e.client().send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	until(t, "it is asked", func() bool { return f.conns.Load() == 1 })
	if tcp, ok := c.Conn.(interface{ SetLinger(int) error }); ok {
		_ = tcp.SetLinger(0)
	}
	_ = c.Conn.Close()
	<-ended
}

// executor stands for the goroutine of an HTTP/3 request.
type executor struct{ tasks chan exchange.Task }

func newExecutor(t *testing.T) *executor {
	x := &executor{make(chan exchange.Task, 1024)}
	done := make(chan struct{})
	go func() {
		for {
			select {
			case task := <-x.tasks:
				task.Run()
			case <-done:
				return
			}
		}
	}()
	t.Cleanup(func() { close(done) })
	return x
}

func (x *executor) Post(t exchange.Task) { x.tasks <- t }
func (x *executor) Now() int64           { return time.Now().UnixNano() }

// elsewhere passes Exchanges on with another Executor than their loop: what the
// Server is told is posted there, and what the Client is told back.
type elsewhere struct {
	next exchange.Handler
	exec *executor
}

func (h *elsewhere) Serve(x *exchange.Exchange) {
	s := &stand{x: x, l: x.Executor, exec: h.exec}
	x.Server = s
	s.y = exchange.Exchange{Request: x.Request, HasContent: x.HasContent, Executor: h.exec, Client: s}
	s.exec.Post(exchange.TaskFunc(func() { h.next.Serve(&s.y) }))
}

// TestAnotherExecutor: an Exchange whose Executor is no loop is passed on all the
// same.
func TestAnotherExecutor(t *testing.T) {
	f := unixFake(t, func(c *peerConn) {
		for {
			r, body := c.request()
			if r == nil {
				return
			}
			c.write("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
			if len(body) > 0 {
				c.write(hexOf(len(body)) + "\r\n" + body + "\r\n")
			}
			c.write("0\r\nX-Sum: 1\r\n\r\n")
		}
	})
	e := &env{t: t, Door: door.Loops(t, 2)}
	p, err := New(Config{Upstreams: []string{f.url}}, Parts{Loops: e.Loops, Log: e.Logger})
	if err != nil {
		t.Fatal(err)
	}
	p.Begin()
	e.Open(&elsewhere{p, newExecutor(t)}, frontConfig(), "")
	body := strings.Repeat("0123456789", 100_000)
	for range 3 {
		c := e.client().send("POST / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nContent-Length: " + decimal(len(body)) + "\r\n\r\n" + body)
		c.read("POST").wantStatus(t, 103)
		if a := c.read("POST"); a.body != body || a.err != nil || a.Trailer.Get("X-Sum") != "1" {
			t.Errorf("%d octets came back, %v, %v", len(a.body), a.Trailer, a.err)
		}
	}
	c := e.client().send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	c.read("GET").wantStatus(t, 103)
	c.read("GET").wantStatus(t, 200)
}
