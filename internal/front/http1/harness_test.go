package http1

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"rickhouse/internal/exchange"
	"rickhouse/internal/front"
	"rickhouse/internal/spool"
	"rickhouse/internal/testkit"
	"rickhouse/internal/testkit/onloop"
)

// patience is how long a test waits for what should happen.
const patience = testkit.Patience

// server is a Front with one Door on a running Loop.
type server struct {
	*onloop.Server
	front *Front
	door  *Door
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
	p := setup{Parts: Parts{Parts: front.Parts{Handler: h}}}
	for _, f := range change {
		f(&p)
	}
	s := &server{Server: onloop.Listen(t, address, p.Parts.TLS != nil)}
	p.Observe = s.Observe
	if p.Log == nil {
		p.Log = s.Logger()
	}
	p.Settings.TLS, p.Settings.HTTP2 = p.Parts.TLS != nil, p.Parts.HTTP2 != nil
	s.front = New(p.Parts)
	s.door = s.front.Door(s.Loop, p.Settings.made(t, cfg, p.spool))
	if err := s.door.Serve(s.Listener); err != nil {
		t.Fatal(err)
	}
	s.Run()
	return s
}

// hasten waits until a connection that has no request yet is as it should be, and
// lets its time be over.
func (s *server) hasten(what string, as func(c *conn) bool) {
	s.T.Helper()
	s.Until(what, func() (found bool) {
		s.Do(func() {
			s.door.idle.Each(func(c *conn) {
				if !found && as(c) {
					found = true
					c.until = s.Loop.Now()
					c.arm()
				}
			})
		})
		return found
	})
}

func (s *server) counters() (c Counters) {
	s.T.Helper()
	s.Do(func() { c = s.door.Counters() })
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
	c := s.Dial()
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
	} else if onloop.IsTimeout(err) {
		c.t.Errorf("the connection was not closed: %v", err)
	}
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
var hello = handler(testkit.Hello)

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
