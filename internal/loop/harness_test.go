package loop

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"rickhouse/internal/exchange"
	"rickhouse/internal/testkit"
)

// patience bounds every wait for something that does happen.
const patience = 20 * time.Second

// startLoop runs a Loop until the test ends.
func startLoop(t testing.TB, cfg Config) *Loop {
	t.Helper()
	l, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- l.Run() }()
	t.Cleanup(func() {
		l.Stop()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("Run: %v", err)
			}
		case <-time.After(patience):
			t.Error("the loop did not stop")
		}
	})
	return l
}

// on runs f on the Loop and waits for it.
func on(t testing.TB, l *Loop, f func()) {
	t.Helper()
	done := make(chan struct{})
	l.Post(exchange.TaskFunc(func() {
		defer close(done)
		f()
	}))
	testkit.Wait(t, done, "a task on the loop")
}

// listenTCP gives a listening socket as a descriptor, and its address.
func listenTCP(t testing.TB) (int, string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return listenerFD(t, ln), ln.Addr().String()
}

func listenerFD(t testing.TB, ln net.Listener) int {
	t.Helper()
	f, err := ln.(interface{ File() (*os.File, error) }).File()
	if err != nil {
		t.Fatal(err)
	}
	fd, err := syscall.Dup(int(f.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	_ = f.Close()
	_ = ln.Close()
	if err := syscall.SetNonblock(fd, true); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	return fd
}

type conn interface {
	Handler
	attached(s Stream)
}

// echo sends back what it gets, and ends when the peer has.
type echo struct {
	s    Stream
	buf  []byte
	held []byte
	hups chan error
	eof  bool
}

func newEcho() *echo { return &echo{buf: make([]byte, 16<<10), hups: make(chan error, 1)} }

func (e *echo) attached(s Stream) { e.s = s }

func (e *echo) Readable() {
	n, err := e.s.Read(e.buf)
	switch {
	case err == nil:
		e.held = append(e.held, e.buf[:n]...)
	case errors.Is(err, io.EOF):
		e.eof = true
	case errors.Is(err, ErrAgain):
		return
	default:
		e.Hup(err)
		return
	}
	e.Writable()
}

func (e *echo) Writable() {
	n, err := e.s.Write(e.held)
	e.held = e.held[:copy(e.held, e.held[n:])]
	switch {
	case err != nil && !errors.Is(err, ErrAgain):
		e.Hup(err)
	case len(e.held) > 0:
		e.s.Want(false, true)
	case e.eof:
		e.s.Close(false)
	default:
		e.s.Want(true, false)
	}
}

func (e *echo) Hup(err error) {
	e.s.Close(false)
	select {
	case e.hups <- err:
	default:
	}
}

// probe is a Handler made of functions; missing ones fail the test.
type probe struct {
	t        testing.TB
	s        Stream
	readable func()
	writable func()
	hup      func(err error)
}

func (p *probe) attached(s Stream) { p.s = s }

func (p *probe) Readable() {
	if p.readable == nil {
		p.t.Error("Readable was not expected")
		p.s.Close(true)
		return
	}
	p.readable()
}

func (p *probe) Writable() {
	if p.writable == nil {
		p.t.Error("Writable was not expected")
		p.s.Close(true)
		return
	}
	p.writable()
}

func (p *probe) Hup(err error) {
	if p.hup == nil {
		p.t.Errorf("Hup was not expected: %v", err)
		p.s.Close(true)
		return
	}
	p.hup(err)
}

// pair connects two sockets of a kind; the first is non-blocking.
func pair(t testing.TB, network string) (int, net.Conn) {
	t.Helper()
	if network == "unix" {
		fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
		if err != nil {
			t.Fatal(err)
		}
		return nonblocking(t, fds[0]), fileConn(t, fds[1])
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	client, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	server, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	f, err := server.(*net.TCPConn).File()
	if err != nil {
		t.Fatal(err)
	}
	fd, err := syscall.Dup(int(f.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	_, _ = f.Close(), server.Close()
	t.Cleanup(func() { _ = client.Close() })
	return nonblocking(t, fd), client
}

func nonblocking(t testing.TB, fd int) int {
	t.Helper()
	syscall.CloseOnExec(fd)
	if err := syscall.SetNonblock(fd, true); err != nil {
		t.Fatal(err)
	}
	return fd
}

func fileConn(t testing.TB, fd int) net.Conn {
	t.Helper()
	f := os.NewFile(uintptr(nonblocking(t, fd)), "peer")
	c, err := net.FileConn(f)
	_ = f.Close()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// attach puts one end of a new connection on l and returns the other.
func attach(t testing.TB, l *Loop, network string, c conn) net.Conn {
	t.Helper()
	fd, peer := pair(t, network)
	on(t, l, func() {
		s, err := l.Attach(fd, c)
		if err != nil {
			t.Errorf("attach: %v", err)
			return
		}
		c.attached(s)
		t.Cleanup(func() { on(t, l, func() { s.Close(false) }) })
	})
	_ = peer.SetDeadline(time.Now().Add(patience))
	return peer
}
