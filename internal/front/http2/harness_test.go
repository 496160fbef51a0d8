package http2

import (
	"io"
	"net/http"
	"net/netip"
	"sync/atomic"
	"testing"

	"rickhouse/internal/exchange"
	"rickhouse/internal/front"
	"rickhouse/internal/loop"
	"rickhouse/internal/spool"
	"rickhouse/internal/testkit"
	"rickhouse/internal/testkit/onloop"
)

// patience is how long a test waits for what should happen.
const patience = testkit.Patience

// server is a Front with one Door on a running Loop, which accepts as the front
// of HTTP/1 does.
type server struct {
	*onloop.Server
	door   *Door
	gate   front.Gate
	secure bool         // connections count as TLS
	open   atomic.Int64 // connections that were handed over and not closed
}

type handler = exchange.HandlerFunc

// settings are what a test changes.
type settings struct {
	common front.Config
	own    Config
	spool  spool.Config
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

// start serves h on a free port; change, if not nil, changes the Parts.
func start(t *testing.T, cfg settings, h exchange.Handler, change ...func(*front.Parts)) *server {
	t.Helper()
	s := &server{Server: onloop.Listen(t, "127.0.0.1:0", false)}
	p := front.Parts{Handler: h, Log: s.Logger(), Observe: s.Observe}
	for _, f := range change {
		f(&p)
	}
	s.door = New(p).Door(s.Loop, cfg.made(t))
	s.Accept(func(stream loop.Stream, remote netip.AddrPort) {
		s.open.Add(1)
		addr := s.Listener.Addr()
		addr.TLS = s.secure
		s.door.Serve(front.Handoff{Stream: stream, Remote: remote, Origin: front.NewOrigin(addr), Gate: &s.gate, Closed: func() { s.open.Add(-1) }})
	})
	s.Run()
	return s
}

// use has s go by other settings.
func (s *server) use(cfg settings) {
	s.T.Helper()
	made := cfg.made(s.T)
	s.Do(func() { s.door.Use(made) })
}

func (s *server) counters() (c Counters) {
	s.T.Helper()
	s.Do(func() { c = s.door.Counters() })
	return c
}

func (s *server) url(path string) string { return "http://" + s.Listener.Addr().String() + path }

// client is Go's client, which speaks HTTP/2 from the first octet.
func (s *server) client() *http.Client {
	t := &http.Transport{Protocols: new(http.Protocols)}
	t.Protocols.SetUnencryptedHTTP2(true)
	s.T.Cleanup(t.CloseIdleConnections)
	return &http.Client{Transport: t, Timeout: patience}
}

// do sends a request and reads the answer.
func (s *server) do(c *http.Client, method, path string, body io.Reader) (*http.Response, string) {
	s.T.Helper()
	req, err := http.NewRequest(method, s.url(path), body)
	if err != nil {
		s.T.Fatal(err)
	}
	res, err := c.Do(req)
	if err != nil {
		s.T.Fatalf("%s %s: %v", method, path, err)
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		s.T.Fatalf("%s %s: reading the answer: %v", method, path, err)
	}
	return res, string(b)
}

// hello answers with the path.
var hello = handler(testkit.Hello)
