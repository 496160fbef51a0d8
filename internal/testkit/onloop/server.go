package onloop

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"testing"
	"time"

	"rickhouse/internal/listen"
	"rickhouse/internal/loop"
	"rickhouse/internal/testkit"
)

// Server is a Loop that runs until the test ends, and a socket that listens. What is
// tested is told its Log and its Observe.
type Server struct {
	testkit.Observed
	Loop     *loop.Loop
	Listener *listen.Listener
	// Panics gets the value of each panic. One that nobody took fails the test.
	Panics chan any
}

// Listen makes a Server whose Loop does not run yet, at an address as the
// configuration writes it, which is that of TLS or not.
func Listen(t *testing.T, address string, secure bool) *Server {
	t.Helper()
	s := &Server{Observed: testkit.Observed{T: t}, Panics: make(chan any, 10)}
	addr, err := listen.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	addr.TLS = secure
	if s.Listener, err = listen.Listen(addr, listen.Config{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Listener.Close() })
	s.Loop, err = loop.New(loop.Config{OnPanic: func(value any, stack []byte) {
		_, _ = fmt.Fprintf(&s.Log, "panic: %v\n%s", value, stack)
		s.Panics <- value
	}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Run runs the Loop until the test ends.
func (s *Server) Run() {
	ended := make(chan error, 1)
	go func() { ended <- s.Loop.Run() }()
	s.T.Cleanup(func() {
		s.Loop.Stop()
		if err := <-ended; err != nil {
			s.T.Error(err)
		}
		for len(s.Panics) > 0 {
			s.T.Errorf("panic: %v", <-s.Panics)
		}
		if s.T.Failed() {
			s.T.Logf("log:\n%s", s.Log.String())
		}
	})
}

// Logger writes to the Log.
func (s *Server) Logger() *slog.Logger { return slog.New(slog.NewTextHandler(&s.Log, nil)) }

// Do runs f on the Loop and waits for it.
func (s *Server) Do(f func()) {
	s.T.Helper()
	s.On(s.Loop, f)
}

// waiting is the Handler of a Stream before somebody serves it.
type waiting struct{}

func (waiting) Readable() {}
func (waiting) Writable() {}
func (waiting) Hup(error) {}

// Accept has serve called, on the Loop, for each connection that comes. Call it
// before Run.
func (s *Server) Accept(serve func(stream loop.Stream, remote netip.AddrPort)) {
	s.T.Helper()
	_, err := s.Loop.Accept(s.Listener.FD(), loop.AcceptConfig{
		OnConn: func(fd int, remote netip.AddrPort) {
			stream, err := s.Loop.Attach(fd, waiting{})
			if err != nil {
				s.Panics <- err
				return
			}
			serve(stream, remote)
		},
		OnError: func(err error) { s.Panics <- err },
	})
	if err != nil {
		s.T.Fatal(err)
	}
}

// Dial connects. The connection lasts for testkit.Patience, and no longer than the
// test.
func (s *Server) Dial() net.Conn {
	s.T.Helper()
	a := s.Listener.Addr()
	network, address := "tcp", fmt.Sprintf("%s:%d", a.Host, a.Port)
	if a.Path != "" {
		network, address = "unix", a.Path
	}
	c, err := net.Dial(network, address)
	if err != nil {
		s.T.Fatalf("connecting: %v", err)
	}
	s.T.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(testkit.Patience))
	return c
}

// IsTimeout reports whether err is that a connection had no more time.
func IsTimeout(err error) bool {
	var ne net.Error
	return errors.As(err, &ne) && ne.Timeout()
}
