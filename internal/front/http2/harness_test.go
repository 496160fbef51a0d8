package http2

import (
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"sync/atomic"
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

// server is a Front with one Door on a running Loop, which accepts as the front
// of HTTP/1 does.
type server struct {
	testkit.Observed
	l        *loop.Loop
	door     *Door
	listener *listen.Listener
	panics   chan any
	gate     front.Gate
	secure   bool         // connections count as TLS
	open     atomic.Int64 // connections that were handed over and not closed
}

type handler = exchange.HandlerFunc

// waiting is the handler of a Stream before it is handed over.
type waiting struct{}

func (waiting) Readable() {}
func (waiting) Writable() {}
func (waiting) Hup(error) {}

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
func start(t *testing.T, cfg settings, h exchange.Handler, change ...func(*Parts)) *server {
	t.Helper()
	s := &server{Observed: testkit.Observed{T: t}, panics: make(chan any, 10)}
	p := Parts{Handler: h, Log: slog.New(slog.NewTextHandler(&s.Log, nil)), Observe: s.Observe}
	for _, f := range change {
		f(&p)
	}
	addr, err := listen.Parse("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if s.listener, err = listen.Listen(addr, listen.Config{}); err != nil {
		t.Fatal(err)
	}
	if s.l, err = loop.New(loop.Config{OnPanic: func(value any, _ []byte) { s.panics <- value }}); err != nil {
		t.Fatal(err)
	}
	s.door = New(p).Door(s.l, cfg.made(t))
	s.accept()
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

func (s *server) accept() {
	_, err := s.l.Accept(s.listener.FD(), loop.AcceptConfig{
		OnConn: func(fd int, remote netip.AddrPort) {
			stream, err := s.l.Attach(fd, waiting{})
			if err != nil {
				s.panics <- err
				return
			}
			s.open.Add(1)
			addr := s.listener.Addr()
			addr.TLS = s.secure
			s.door.Serve(front.Handoff{Stream: stream, Remote: remote, Origin: front.NewOrigin(addr), Gate: &s.gate, Closed: func() { s.open.Add(-1) }})
		},
		OnError: func(err error) { s.panics <- err },
	})
	if err != nil {
		s.T.Fatal(err)
	}
}

// on runs f on the Loop and waits for it.
func (s *server) on(f func()) {
	s.T.Helper()
	s.On(s.l, f)
}

// use has s go by other settings.
func (s *server) use(cfg settings) {
	s.T.Helper()
	made := cfg.made(s.T)
	s.on(func() { s.door.Use(made) })
}

func (s *server) counters() (c Counters) {
	s.T.Helper()
	s.on(func() { c = s.door.Counters() })
	return c
}

func (s *server) url(path string) string { return "http://" + s.listener.Addr().String() + path }

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
var hello = handler(func(x *exchange.Exchange) { x.Answer(200, "hello "+string(x.Request.Path)) })

// collector is a Server that gathers the content, window by window, and then
// calls done.
type collector struct {
	window int
	got    []byte
	done   func(x *exchange.Exchange, content []byte, err error)
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
func (s *collector) Gone(x *exchange.Exchange, cause error)     { x.Abort(cause) }

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

// keeper is a handler that keeps what it is given for the test to finish.
type keeper struct {
	xs      chan *exchange.Exchange
	got     []byte
	drained func(x *exchange.Exchange, n int)
	causes  chan error
	ends    chan error
}

func newKeeper() *keeper {
	return &keeper{xs: make(chan *exchange.Exchange, 1000), causes: make(chan error, 1000), ends: make(chan error, 1000)}
}

func (h *keeper) Serve(x *exchange.Exchange) {
	x.Server = h
	h.xs <- x
}

func (h *keeper) Content(_ *exchange.Exchange, p []byte)     { h.got = append(h.got, p...) }
func (h *keeper) ContentEnd(_ *exchange.Exchange, err error) { h.ends <- err }
func (h *keeper) Gone(_ *exchange.Exchange, cause error)     { h.causes <- cause }
func (h *keeper) Drained(x *exchange.Exchange, n int) {
	if h.drained != nil {
		h.drained(x, n)
	}
}

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
