package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"rickhouse/internal/front"
	"rickhouse/internal/testkit"
	"rickhouse/internal/testkit/door"
)

// env is a Proxy with a front before it.
type env struct {
	t *testing.T
	*door.Door
	proxy *Proxy
}

// start makes a Proxy of cfg behind a front on two loops.
func start(t *testing.T, cfg Config, loops ...int) *env {
	t.Helper()
	n := 2
	if len(loops) > 0 {
		n = loops[0]
	}
	e := &env{t: t, Door: door.Loops(t, n)}
	p, err := New(cfg, Parts{Loops: e.Loops, Log: e.Logger})
	if err != nil {
		t.Fatal(err)
	}
	p.Begin()
	e.proxy = p
	e.Open(p, front.Config{}, "")
	return e
}

// client is one connection to the front.
type client struct {
	t *testing.T
	net.Conn
	r *bufio.Reader
}

func (e *env) client() *client {
	e.t.Helper()
	c := e.Dial()
	return &client{e.t, c, bufio.NewReader(c)}
}

func (c *client) send(text string) *client {
	c.t.Helper()
	if _, err := io.WriteString(c.Conn, text); err != nil {
		c.t.Fatalf("sending: %v", err)
	}
	return c
}

// answer is a response as a client read it.
type answer struct {
	*http.Response
	body string
	err  error // of reading the content
}

func (c *client) read(method string) answer {
	c.t.Helper()
	res, err := http.ReadResponse(c.r, &http.Request{Method: method})
	if err != nil {
		c.t.Fatalf("reading an answer: %v", err)
	}
	body, err := io.ReadAll(res.Body)
	return answer{res, string(body), err}
}

// get asks for a path on a connection of its own.
func (e *env) get(path string, fields ...string) answer {
	e.t.Helper()
	return e.client().send("GET " + path + " HTTP/1.1\r\nHost: example.com\r\n" + strings.Join(append(fields, ""), "\r\n") + "\r\n").read("GET")
}

// wantStatus checks a status.
func (a answer) wantStatus(t *testing.T, status int) {
	t.Helper()
	if a.StatusCode != status {
		t.Errorf("status %d, want %d: %q", a.StatusCode, status, a.body)
	}
}

// wantLog waits for a line of the log.
func (e *env) wantLog(pattern string) {
	e.t.Helper()
	if _, err := e.Log.Wait(pattern, 1, door.Patience); err != nil {
		e.t.Error(err)
	}
}

// until waits for a condition.
func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	if err := testkit.Until(door.Patience, func() (bool, string) { return done(), what }); err != nil {
		t.Fatal(err)
	}
}

// fake is an upstream whose connections a test plays.
type fake struct {
	t     testing.TB
	l     net.Listener
	conns atomic.Int64
	url   string
}

// peerConn is one connection to a fake.
type peerConn struct {
	net.Conn
	r *bufio.Reader
	n int64 // the how manieth, from 1
}

// unixFake and tcpFake run play for each connection.
func unixFake(t *testing.T, play func(c *peerConn)) *fake {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	return newFake(t, "unix", path, "unix:"+path, play)
}

func tcpFake(t *testing.T, play func(c *peerConn)) *fake {
	t.Helper()
	return newFake(t, "tcp", "127.0.0.1:0", "", play)
}

func newFake(t testing.TB, network, address, url string, play func(c *peerConn)) *fake {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	f := &fake{t: t, l: l, url: url}
	if url == "" {
		f.url = "http://" + l.Addr().String()
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			c := newPeerConn(nc)
			c.n = f.conns.Add(1)
			go func() {
				defer c.Close()
				play(c)
			}()
		}
	}()
	return f
}

func newPeerConn(nc net.Conn) *peerConn {
	_ = nc.SetDeadline(time.Now().Add(door.Patience))
	return &peerConn{Conn: nc, r: bufio.NewReader(nc)}
}

// head reads one request head, as it is on the wire; "" at the end.
func (c *peerConn) head() string {
	var b strings.Builder
	for {
		line, err := c.r.ReadString('\n')
		if err != nil {
			return ""
		}
		b.WriteString(line)
		if line == "\r\n" {
			return b.String()
		}
	}
}

// request reads one request in whole.
func (c *peerConn) request() (*http.Request, string) {
	r, err := http.ReadRequest(c.r)
	if err != nil {
		return nil, ""
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, ""
	}
	return r, string(body)
}

func (c *peerConn) write(text string) { _, _ = io.WriteString(c.Conn, text) }

// ok is a small answer.
func ok(body string) string {
	return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}

// echo answers each request with its head and content.
func echo(c *peerConn) {
	for {
		head := c.head()
		if head == "" {
			return
		}
		r, err := http.ReadRequest(bufio.NewReader(io.MultiReader(strings.NewReader(head), c.r)))
		if err != nil {
			return
		}
		body, _ := io.ReadAll(r.Body)
		c.write(ok(head + string(body)))
	}
}

// named answers each request with a name.
func named(name string) func(c *peerConn) {
	return func(c *peerConn) {
		for c.head() != "" {
			c.write(ok(name))
		}
	}
}

func decimal(n int) string { return fmt.Sprint(n) }

func hexOf(n int) string { return fmt.Sprintf("%x", n) }
