package http1

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rickhouse/internal/exchange"
	"rickhouse/internal/front"
	"rickhouse/internal/listen"
	"rickhouse/internal/loop"
	"rickhouse/internal/spool"
	"rickhouse/internal/testkit"
)

// patience is how long a test waits for what should happen.
const patience = testkit.Patience

// server is a Front with one Door on a running Loop.
type server struct {
	testkit.Observed
	l        *loop.Loop
	front    *Front
	door     *Door
	listener *listen.Listener
	panics   chan any
}

type handler = exchange.HandlerFunc

// setup is what a test may change of a server besides its Config.
type setup struct {
	Parts
	Settings
	spool spool.Config
}

// made are Settings of cfg, and what else set has.
func (set Settings) made(t testing.TB, cfg Config, s spool.Config) *Settings {
	t.Helper()
	var err error
	if set.Settings, err = front.NewSettings(cfg, s); err != nil {
		t.Fatal(err)
	}
	return &set
}

// start serves h on a free port with cfg; change, if not nil, changes the rest.
func start(t *testing.T, cfg Config, h exchange.Handler, change ...func(*setup)) *server {
	t.Helper()
	return startOn(t, "127.0.0.1:0", cfg, h, change...)
}

func startUnix(t *testing.T, cfg Config, h exchange.Handler) *server {
	t.Helper()
	return startOn(t, "unix:"+filepath.Join(t.TempDir(), "s"), cfg, h)
}

func startOn(t *testing.T, address string, cfg Config, h exchange.Handler, change ...func(*setup)) *server {
	t.Helper()
	s := &server{Observed: testkit.Observed{T: t}, panics: make(chan any, 10)}
	p := setup{Parts: Parts{Handler: h, Log: slog.New(slog.NewTextHandler(&s.Log, nil)), Observe: s.Observe}}
	for _, f := range change {
		f(&p)
	}
	p.Settings.HTTP2 = p.Parts.HTTP2 != nil
	addr, err := listen.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	addr.TLS = p.TLS != nil
	if s.listener, err = listen.Listen(addr, listen.Config{}); err != nil {
		t.Fatal(err)
	}
	s.front = New(p.Parts)
	if s.l, err = loop.New(loop.Config{OnPanic: func(value any, _ []byte) { s.panics <- value }}); err != nil {
		t.Fatal(err)
	}
	s.door = s.front.Door(s.l, p.Settings.made(t, cfg, p.spool))
	if err := s.door.Serve(s.listener); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.l.Run() }()
	t.Cleanup(func() {
		s.l.Stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		_ = s.listener.Close()
		for len(s.panics) > 0 {
			t.Errorf("panic: %v", <-s.panics)
		}
		if t.Failed() {
			t.Logf("log:\n%s", s.Log.String())
		}
	})
	return s
}

// on runs f on the Loop and waits for it.
func (s *server) on(f func()) {
	s.T.Helper()
	s.On(s.l, f)
}

// hasten waits until a connection that has no request yet is as it should be, and
// lets its time be over.
func (s *server) hasten(what string, as func(c *conn) bool) {
	s.T.Helper()
	s.Until(what, func() (found bool) {
		s.on(func() {
			s.door.idle.Each(func(c *conn) {
				if !found && as(c) {
					found = true
					c.until = s.l.Now()
					c.arm()
				}
			})
		})
		return found
	})
}

func (s *server) counters() (c Counters) {
	s.T.Helper()
	s.on(func() { c = s.door.Counters() })
	return c
}

// client is one connection to a server.
type client struct {
	t *testing.T
	net.Conn
	r *bufio.Reader
}

func (s *server) dial() *client {
	s.T.Helper()
	a := s.listener.Addr()
	network, address := "tcp", a.String()
	if a.Path != "" {
		network, address = "unix", a.Path
	}
	c, err := net.Dial(network, address)
	if err != nil {
		s.T.Fatal(err)
	}
	s.T.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	return &client{s.T, c, bufio.NewReader(c)}
}

// send sends text; an error is left to whoever reads.
func (c *client) send(text string) *client {
	_, _ = io.WriteString(c.Conn, text)
	return c
}

// response is an answer as a client read it.
type response struct {
	*http.Response
	body string
	err  error // of reading the body
}

// read reads an answer to a request of that method.
func (c *client) read(method string) response {
	c.t.Helper()
	res, err := http.ReadResponse(c.r, &http.Request{Method: method})
	if err != nil {
		c.t.Fatalf("reading an answer: %v", err)
	}
	body, err := io.ReadAll(res.Body)
	return response{res, string(body), err}
}

// get sends text and reads the answer as that to GET.
func (c *client) get(text string) response {
	c.t.Helper()
	return c.send(text).read("GET")
}

// all reads to the end.
func (c *client) all() string {
	c.t.Helper()
	b, err := io.ReadAll(c.r)
	if err != nil {
		c.t.Fatalf("reading to the end: %v after %q", err, b)
	}
	return string(b)
}

// ended fails unless the server has closed the connection.
func (c *client) ended() {
	c.t.Helper()
	if b, err := c.r.ReadByte(); err == nil {
		c.t.Errorf("got %q, want the end", b)
	} else if isTimeout(err) {
		c.t.Errorf("the connection was not closed: %v", err)
	}
}

func isTimeout(err error) bool {
	var ne net.Error
	return errors.As(err, &ne) && ne.Timeout()
}

// finishSending sends FIN.
func (c *client) finishSending() {
	c.t.Helper()
	if err := c.Conn.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		c.t.Fatal(err)
	}
}

// vanish sends RST.
func (c *client) vanish() {
	_ = c.Conn.(*net.TCPConn).SetLinger(0)
	_ = c.Conn.Close()
}

// hello answers with the path.
var hello = handler(func(x *exchange.Exchange) {
	x.Answer(200, "hello "+string(x.Request.Path))
})

// collector is a Server that gathers the content, window by window, and then
// calls done.
type collector struct {
	window int
	got    []byte
	done   func(x *exchange.Exchange, content []byte, err error)
	gone   func(x *exchange.Exchange, cause error)
}

func (s *collector) Content(x *exchange.Exchange, p []byte) {
	if len(p) > s.window {
		panic("more content than was demanded")
	}
	s.got = append(s.got, p...)
	x.Demand(len(p))
}

func (s *collector) ContentEnd(x *exchange.Exchange, err error) { s.done(x, s.got, err) }
func (s *collector) Drained(*exchange.Exchange, int)            {}

func (s *collector) Gone(x *exchange.Exchange, cause error) {
	if s.gone != nil {
		s.gone(x, cause)
		return
	}
	x.Abort(cause)
}

// echo answers with the content.
func echo(window int) exchange.Handler {
	return handler(func(x *exchange.Exchange) {
		answer := func(x *exchange.Exchange, content []byte, err error) {
			if err != nil {
				x.Fail(err)
				return
			}
			for _, f := range x.Request.Trailers {
				x.Response.Add("X-Trailer", string(f.Name)+"="+string(f.Value))
			}
			x.Answer(200, string(content))
		}
		if !x.HasContent {
			answer(x, nil, nil)
			return
		}
		x.Server = &collector{window: window, done: answer}
		x.Demand(window)
	})
}

// held is a handler that keeps what it is given for the test to finish.
type held struct {
	xs chan *exchange.Exchange
	collector
	drained func(x *exchange.Exchange, n int)
	causes  chan error
	ends    chan error
}

func newHeld() *held {
	return &held{xs: make(chan *exchange.Exchange, 100), causes: make(chan error, 100), ends: make(chan error, 100)}
}

func (h *held) Serve(x *exchange.Exchange) {
	x.Server = h
	h.xs <- x
}

func (h *held) Content(x *exchange.Exchange, p []byte) { h.got = append(h.got, p...) }

func (h *held) ContentEnd(x *exchange.Exchange, err error) { h.ends <- err }

func (h *held) Drained(x *exchange.Exchange, n int) {
	if h.drained != nil {
		h.drained(x, n)
	}
}

func (h *held) Gone(x *exchange.Exchange, cause error) { h.causes <- cause }

// wait takes from ch.
func wait[T any](t *testing.T, ch <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(patience):
		t.Fatalf("it never came to this: %s", what)
		panic("unreachable")
	}
}

// get is a plain request for a path.
func get(path string) string { return "GET " + path + " HTTP/1.1\r\nHost: a\r\n\r\n" }

// post is a request with content.
func post(content string) string {
	return fmt.Sprintf("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s", len(content), content)
}

// part is a request without its last octets.
func part(request string) string { return request[:len(request)-3] }

// chunked is a request with chunked content, pieces of up to size octets.
func chunked(content string, size int, trailers string) string {
	var b strings.Builder
	b.WriteString("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
	for len(content) > 0 {
		n := min(size, len(content))
		fmt.Fprintf(&b, "%x\r\n%s\r\n", n, content[:n])
		content = content[n:]
	}
	return b.String() + "0\r\n" + trailers + "\r\n"
}
