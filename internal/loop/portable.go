//go:build !(linux && (amd64 || arm64) && !noepoll)

package loop

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"rickhouse/internal/exchange"
)

// poller waits for posted tasks and timers; sockets are read and written by
// goroutines, which post.
type poller struct {
	woken chan struct{}
	timer *time.Timer
}

func (p *poller) init() error {
	p.woken = make(chan struct{}, 1)
	p.timer = time.NewTimer(time.Hour)
	return nil
}

func (p *poller) wake() {
	select {
	case p.woken <- struct{}{}:
	default:
	}
}

func (p *poller) wait(l *Loop) error {
	if l.busy() {
		return nil
	}
	l.clock.tick()
	timeout := l.untilTimer()
	if timeout == 0 || !l.sleep() {
		return nil
	}
	if timeout < 0 {
		<-p.woken
	} else {
		p.timer.Reset(time.Duration(timeout) * time.Millisecond)
		select {
		case <-p.woken:
		case <-p.timer.C:
		}
	}
	l.awake()
	return nil
}

func (p *poller) dispatch() {}

func (p *poller) close() { p.timer.Stop() }

// Attach makes a Stream of fd, a connected socket in non-blocking mode, and
// takes it over: on an error, too, fd is closed.
func (l *Loop) Attach(fd int, h Handler) (Stream, error) {
	f := os.NewFile(uintptr(fd), "socket")
	if f == nil {
		return nil, fmt.Errorf("attach descriptor %d: %w", fd, syscall.EBADF)
	}
	c, err := net.FileConn(f)
	_ = f.Close()
	if err != nil {
		return nil, fmt.Errorf("attach descriptor %d: %w", fd, err)
	}
	return l.AttachConn(c, h), nil
}

// acceptWaiter tells an Acceptor of connections: a goroutine accepts one and
// posts it; the Acceptor takes what else is there and lets it go on. A connection
// that comes while accepting is paused is held.
type acceptWaiter struct {
	file    *os.File // a duplicate of the listening socket
	conn    syscall.RawConn
	token   chan struct{}
	waiting bool // the goroutine has a token, or its result is on the way
	held    *accepted
}

type accepted struct {
	fd     int
	remote netip.AddrPort
	err    error
}

func (a *Acceptor) start() error {
	syscall.ForkLock.RLock()
	fd, err := syscall.Dup(a.fd)
	if err == nil {
		syscall.CloseOnExec(fd)
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return err
	}
	w := &a.waiter
	w.file = os.NewFile(uintptr(fd), "listener")
	if w.conn, err = w.file.SyscallConn(); err != nil {
		_ = w.file.Close()
		return err
	}
	w.token = make(chan struct{}, 1)
	go a.serve(w.conn, w.token)
	return nil
}

// serve runs on the Acceptor's goroutine.
func (a *Acceptor) serve(conn syscall.RawConn, token <-chan struct{}) {
	for range token {
		r := &accepted{fd: -1}
		err := conn.Read(func(fd uintptr) bool {
			r.fd, r.remote, r.err = acceptOne(int(fd))
			return !errors.Is(r.err, syscall.EAGAIN)
		})
		switch {
		case errors.Is(err, os.ErrClosed):
			return
		case err != nil:
			r.err = err
		}
		a.l.Post(exchange.TaskFunc(func() { a.arrived(r) }))
	}
}

func (a *Acceptor) arrived(r *accepted) {
	a.waiter.waiting = false
	if a.closed {
		if r.err == nil {
			_ = syscall.Close(r.fd)
		}
		return
	}
	a.waiter.held = r
	if a.armed {
		a.ready()
		a.await()
	}
}

// await lets the goroutine wait for the next connection.
func (a *Acceptor) await() {
	w := &a.waiter
	if a.armed && !w.waiting {
		w.waiting = true
		w.token <- struct{}{}
	}
}

func (a *Acceptor) arm() error {
	if a.waiter.held != nil {
		a.l.Post(exchange.TaskFunc(func() {
			a.ready()
			a.await()
		}))
		return nil
	}
	a.await()
	return nil
}

func (a *Acceptor) disarm() {}

func (a *Acceptor) finish() {
	close(a.waiter.token)
	_ = a.waiter.file.Close()
	if r := a.waiter.held; r != nil && r.err == nil {
		_ = syscall.Close(r.fd)
	}
	a.waiter.held = nil
}

func (a *Acceptor) takeOne() (int, netip.AddrPort, error) {
	if r := a.waiter.held; r != nil {
		a.waiter.held = nil
		return r.fd, r.remote, r.err
	}
	return acceptOne(a.fd)
}
