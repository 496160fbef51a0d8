package gateway

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"rickhouse/internal/exchange"
	"rickhouse/internal/front"
	"rickhouse/internal/loop"
	"rickhouse/internal/spool"
	"rickhouse/internal/testkit"
	"rickhouse/internal/testkit/onloop"
	wire "rickhouse/internal/wire/fastcgi"
	"rickhouse/internal/wire/scgi"
	"rickhouse/internal/wire/uwsgi"
)

// protocols are all there are: what is tested with each is one of them.
var protocols = []string{"uwsgi", "scgi", "fastcgi"}

// each runs a test for each protocol.
func each(t *testing.T, f func(t *testing.T, protocol string)) {
	for _, p := range protocols {
		t.Run(p, func(t *testing.T) { f(t, p) })
	}
}

// server is a Front with one Door on a running Loop, which accepts as the front of
// HTTP/1 does.
type server struct {
	*onloop.Server
	protocol string
	door     *Door
	remote   netip.AddrPort // in place of the peer's, if it is valid
	open     atomic.Int64   // connections that were handed over and not closed
}

type handler = exchange.HandlerFunc

// settings are what a test changes.
type settings struct {
	common front.Config
	own    Config
	spool  spool.Config
	parts  func(*front.Parts)
	unix   bool
	remote string
}

// made are the Settings of cfg.
func (cfg settings) made(t testing.TB) *Settings {
	t.Helper()
	common, err := front.NewSettings(cfg.common, cfg.spool)
	if err != nil {
		t.Fatal(err)
	}
	s, err := NewSettings(common, cfg.own)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// start serves h on a free port, or a Unix socket.
func start(t *testing.T, protocol string, cfg settings, h exchange.Handler) *server {
	t.Helper()
	where := "127.0.0.1:0"
	if cfg.unix {
		where = "unix:" + filepath.Join(t.TempDir(), "s")
	}
	s := &server{Server: onloop.Listen(t, protocol+"://"+where, false), protocol: protocol}
	if cfg.remote != "" {
		s.remote = netip.MustParseAddrPort(cfg.remote)
	}
	p := front.Parts{Handler: h, Log: s.Logger(), Observe: s.Observe}
	if cfg.parts != nil {
		cfg.parts(&p)
	}
	s.door = New(p).Door(s.Loop, cfg.made(t))
	s.Accept(func(stream loop.Stream, remote netip.AddrPort) {
		if s.remote.IsValid() {
			remote = s.remote
		}
		s.open.Add(1)
		s.door.Serve(front.Handoff{Stream: stream, Remote: remote, Origin: front.NewOrigin(s.Listener.Addr()), Closed: func() { s.open.Add(-1) }})
	})
	s.Run()
	return s
}

func (s *server) counters() (c Counters) {
	s.T.Helper()
	s.Do(func() { c = s.door.Counters() })
	return c
}

// client is one connection to a server.
type client struct {
	t        *testing.T
	protocol string
	net.Conn
	reader wire.Reader
	buf    []byte
}

func (s *server) dial() *client {
	s.T.Helper()
	return &client{t: s.T, protocol: s.protocol, Conn: s.Dial()}
}

// send sends octets; an error is left to whoever reads.
func (c *client) send(b []byte) *client {
	_, _ = c.Write(b)
	return c
}

// request is a request as the protocol writes it: a POST of content, or a GET if
// there is none; variables, "NAME=value" each, come after the usual ones.
func request(protocol, content string, variables ...string) []byte {
	method := "GET"
	if content != "" {
		method = "POST"
	}
	all := append([]string{"REQUEST_METHOD=" + method, "PATH_INFO=/p", "HTTP_HOST=h", "SERVER_PROTOCOL=HTTP/1.1"}, variables...)
	return frame(protocol, content, len(content), all...)
}

// frame is a request of variables, with content that is said to have length octets.
func frame(protocol, content string, length int, variables ...string) []byte {
	switch protocol {
	case "scgi":
		var r scgi.Request
		for _, v := range variables {
			name, value, _ := strings.Cut(v, "=")
			r.Add(name, []byte(value))
		}
		b, _ := r.Append(nil, int64(length))
		return append(b, content...)
	case "fastcgi":
		return fastcgi(1, wire.KeepConn, content, length, variables...)
	}
	b := uwsgi.Begin(nil)
	for _, v := range append(variables, fmt.Sprintf("CONTENT_LENGTH=%d", length)) {
		name, value, _ := strings.Cut(v, "=")
		b = uwsgi.AppendVariable(b, name, []byte(value))
	}
	_ = uwsgi.End(b)
	return append(b, content...)
}

// fastcgi is a request of that id; without a length, if that is negative.
func fastcgi(id uint16, flags uint8, content string, length int, variables ...string) []byte {
	var pairs []byte
	if length >= 0 {
		variables = append(variables, fmt.Sprintf("CONTENT_LENGTH=%d", length))
	}
	for _, v := range variables {
		name, value, _ := strings.Cut(v, "=")
		pairs = wire.AppendPair(pairs, name, []byte(value))
	}
	b := wire.AppendBegin(nil, id, wire.Responder, flags)
	b = wire.AppendStream(b, wire.Params, id, pairs)
	b = wire.AppendHeader(b, wire.Params, id, 0)
	b = wire.AppendStream(b, wire.Stdin, id, []byte(content))
	return wire.AppendHeader(b, wire.Stdin, id, 0)
}

// response is an answer as a client read it.
type response struct {
	status string // with the reason
	fields string
	body   string
}

var errNoEnd = errors.New("there is no END_REQUEST")

// text reads what is sent in answer: to the end of the connection, or to
// END_REQUEST.
func (c *client) text() (string, error) {
	if c.protocol != "fastcgi" {
		b, err := io.ReadAll(c)
		return string(b), err
	}
	var out strings.Builder
	for {
		rec, err := c.record()
		switch {
		case err != nil:
			return out.String(), errors.Join(errNoEnd, err)
		case rec.Type == wire.EndRequest:
			_, status, err := wire.ParseEnd(rec.Content)
			if status != wire.Complete {
				err = errors.Join(err, fmt.Errorf("it ended with status %d", status))
			}
			return out.String(), err
		case rec.Type == wire.Stdout:
			out.Write(rec.Content)
		default:
			return out.String(), fmt.Errorf("a record of type %d: %q", rec.Type, rec.Content)
		}
	}
}

// record reads a record, or a piece of one.
func (c *client) record() (wire.Record, error) {
	for {
		rec, ok, n, err := c.reader.Next(c.buf, 1<<20)
		c.buf = c.buf[n:]
		if ok || err != nil {
			return rec, err
		}
		if n > 0 && len(c.buf) > 0 {
			continue
		}
		b := make([]byte, 32<<10)
		n, err = c.Read(b)
		if err != nil {
			return rec, err
		}
		c.buf = append(c.buf, b[:n]...)
	}
}

// parse takes an answer apart.
func parse(t *testing.T, protocol, text string) response {
	t.Helper()
	head, body, ok := strings.Cut(text, "\r\n\r\n")
	status, fields, _ := strings.Cut(head, "\r\n")
	prefix := "Status: "
	if protocol == "uwsgi" {
		prefix = "HTTP/1.1 "
	}
	if !ok || !strings.HasPrefix(status, prefix) {
		t.Fatalf("this is no answer: %.300q", text)
	}
	return response{strings.TrimPrefix(status, prefix), fields, body}
}

// read reads a whole answer.
func (c *client) read() response {
	c.t.Helper()
	text, err := c.text()
	if err != nil {
		c.t.Fatalf("reading an answer: %v, after %.300q", err, text)
	}
	return parse(c.t, c.protocol, text)
}

// get sends a request and reads its answer.
func (c *client) get(content string, variables ...string) response {
	c.t.Helper()
	return c.send(request(c.protocol, content, variables...)).read()
}

// ended fails unless the server closes the connection.
func (c *client) ended() {
	c.t.Helper()
	b, err := io.ReadAll(c)
	_ = c.Close()
	if len(b)+len(c.buf) > 0 || onloop.IsTimeout(err) {
		c.t.Errorf("got %q, %v, want the end", b, err)
	}
}

// echo answers with the request and its content, which it demands in windows.
func echo(window int) exchange.Handler {
	return testkit.Collect(window, func(x *exchange.Exchange, content []byte) {
		r := &x.Request
		text := fmt.Sprintf("%s %s %s[%s] %d %s:%d %s:%d ", r.Method, r.Host, r.Scheme, r.Path[:r.Mount], r.ContentLength, r.ClientAddr, r.ClientPort, r.ServerAddr, r.ServerPort)
		x.Answer(200, text+string(content))
	})
}
