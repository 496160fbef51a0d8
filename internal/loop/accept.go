package loop

import (
	"errors"
	"fmt"
	"net/netip"
	"syscall"
	"time"

	"rickhouse/internal/exchange"
)

// pauseAfterRefusal is how long accepting rests when the kernel cannot give
// another connection, in nanoseconds.
const pauseAfterRefusal = int64(100 * time.Millisecond)

// AcceptConfig says what becomes of the connections of a listening socket.
type AcceptConfig struct {
	// OnConn gets a connection: a socket, non-blocking and close-on-exec, that
	// is its own from now on (give it to Attach, or close it), and the address of
	// the peer, unmapped and without a zone; the zero AddrPort on a Unix socket.
	OnConn func(fd int, remote netip.AddrPort)
	// OnError is told, before accepting pauses for 100 ms, that the kernel
	// refuses connections: EMFILE, ENFILE, ENOBUFS, ENOMEM and what should not
	// happen. It may close Streams; accepting is tried once more before the
	// pause. nil does nothing.
	OnError func(err error)
	// PerTurn bounds the connections accepted in a turn; 0 means 16.
	PerTurn int
}

// An Acceptor accepts the connections of a listening socket on a Loop. Only the
// Loop may call its methods.
type Acceptor struct {
	l      *Loop
	fd     int
	cfg    AcceptConfig
	timer  Timer
	waiter acceptWaiter
	// accept is takeOne, or what a test puts in its place.
	accept func() (fd int, remote netip.AddrPort, err error)

	armed   bool // waiter tells of connections
	paused  bool // by Pause
	resting bool // the timer runs
	closed  bool
}

// Accept starts to accept the connections of fd, a listening socket in
// non-blocking mode, which stays the caller's and must stay open until Close.
// Several Loops may accept from one socket.
func (l *Loop) Accept(fd int, cfg AcceptConfig) (*Acceptor, error) {
	if cfg.PerTurn <= 0 {
		cfg.PerTurn = 16
	}
	if err := syscall.SetNonblock(fd, true); err != nil {
		return nil, fmt.Errorf("accept on descriptor %d: %w", fd, err)
	}
	a := &Acceptor{l: l, fd: fd, cfg: cfg}
	a.accept = a.takeOne
	a.timer.Task = exchange.TaskFunc(a.rested)
	if err := a.start(); err != nil {
		return nil, fmt.Errorf("accept on descriptor %d: %w", fd, err)
	}
	l.doors[a] = struct{}{}
	a.update()
	return a, nil
}

// Pause stops accepting; the kernel goes on to fill the backlog. Loops that share
// a socket should pause together: a connection that only this Loop was woken for
// waits until the next one comes, or Resume.
func (a *Acceptor) Pause() {
	a.paused = true
	a.update()
}

// Resume goes on after Pause.
func (a *Acceptor) Resume() {
	a.paused = false
	a.update()
}

// DrainBacklog accepts whatever the kernel holds now and says how many
// connections that were. It works while paused. An error says that some are
// left: try again when descriptors are free.
func (a *Acceptor) DrainBacklog() (int, error) {
	if a.closed {
		return 0, nil
	}
	return a.take(int(^uint(0) >> 1))
}

// Close stops accepting for good. The socket is still the caller's.
func (a *Acceptor) Close() {
	if a.closed {
		return
	}
	a.closed = true
	delete(a.l.doors, a)
	a.l.StopTimer(&a.timer)
	a.update()
	a.finish()
}

func (a *Acceptor) rested() {
	a.resting = false
	a.update()
}

// update brings the poller in line with what is wanted.
func (a *Acceptor) update() {
	want := !a.paused && !a.resting && !a.closed
	if want == a.armed {
		return
	}
	a.armed = want
	if !want {
		a.disarm()
		return
	}
	if err := a.arm(); err != nil {
		a.armed = false
		a.report(err)
		a.rest()
	}
}

func (a *Acceptor) report(err error) {
	if a.cfg.OnError != nil {
		a.cfg.OnError(err)
	}
}

// rest stops accepting for a while.
func (a *Acceptor) rest() {
	if a.closed {
		return
	}
	a.resting = true
	a.l.SetTimer(&a.timer, a.l.clock.now+pauseAfterRefusal)
	a.update()
}

// ready is called when there are connections.
func (a *Acceptor) ready() {
	if !a.armed {
		return
	}
	a.l.current = nil
	n, err := a.take(a.cfg.PerTurn)
	if err == nil {
		return
	}
	a.report(err)
	if _, err = a.take(max(1, a.cfg.PerTurn-n)); err != nil {
		a.rest()
	}
}

// take accepts up to limit connections.
func (a *Acceptor) take(limit int) (n int, err error) {
	for lost := 0; n+lost < limit && !a.closed; {
		fd, remote, err := a.accept()
		switch {
		case err == nil:
			n++
			a.cfg.OnConn(fd, remote)
		case errors.Is(err, syscall.EAGAIN):
			return n, nil
		case lost < maxLost && ofOneConnection(err):
			lost++
		default:
			return n, fmt.Errorf("accept: %w", err)
		}
	}
	return n, nil
}

// maxLost bounds how many connections may be lost in a row before that looks
// like something else.
const maxLost = 1024

// ofOneConnection reports whether an accept error is about one connection, which
// is gone (accept(2) passes on errors of the network). The rest are about this
// host.
func ofOneConnection(err error) bool {
	var e syscall.Errno
	if !errors.As(err, &e) {
		return false
	}
	switch e {
	case syscall.EINTR, syscall.ECONNABORTED, syscall.ECONNRESET, syscall.EPROTO, syscall.EPERM,
		syscall.ENETDOWN, syscall.ENETUNREACH, syscall.EHOSTDOWN, syscall.EHOSTUNREACH,
		syscall.ENOPROTOOPT, syscall.ETIMEDOUT:
		return true
	}
	return false
}
