//go:build linux && (amd64 || arm64) && !noepoll

package loop

import (
	"net/netip"
	"os"
	"runtime"
	"syscall"
	"time"
	"unsafe"
)

const (
	eventIn  = uint32(syscall.EPOLLIN)
	eventOut = uint32(syscall.EPOLLOUT)
	eventErr = uint32(syscall.EPOLLERR)
	eventHup = uint32(syscall.EPOLLHUP)

	eventExclusive = uint32(1) << 28
	eventEdge      = uint32(1) << 31

	// yieldEvery is how often a loop that is about to wait lets goroutines run
	// first, in nanoseconds.
	yieldEvery = int64(time.Millisecond)
)

// poller waits in epoll. System calls that cannot block are raw: they do not
// tell the scheduler, which is what makes an event cheap. The one that waits
// does tell it: a raw one would keep a processor from every other goroutine.
type poller struct {
	fd     int
	wakeFD int
	// slots is indexed by descriptor.
	slots  []slot
	events [256]syscall.EpollEvent
	n      int // events that are there
	at     int // events that were delivered

	yielded int64 // when goroutines were last let run

	// Scratch space for system calls that take structures.
	iov     [maxPieces]syscall.Iovec
	msg     syscall.Msghdr
	control [512]byte
}

// slot is what the events of a descriptor go to. An event carries the generation
// it was asked for with: one that was fetched before its descriptor was closed,
// and comes up after the number was given out again, is told by it.
type slot struct {
	generation int32
	src        source
}

type source interface{ event(ev uint32) }

func (p *poller) init() error {
	fd, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return os.NewSyscallError("epoll_create1", err)
	}
	const nonblockCloexec = syscall.O_NONBLOCK | syscall.O_CLOEXEC
	wake, _, e := syscall.RawSyscall(syscall.SYS_EVENTFD2, 0, nonblockCloexec, 0)
	if e != 0 {
		_ = syscall.Close(fd)
		return os.NewSyscallError("eventfd2", e)
	}
	p.fd, p.wakeFD = fd, int(wake)
	// Edge-triggered: each write to it is an event, and nobody needs to read it.
	if err := p.add(p.wakeFD, woken{}, eventIn|eventEdge); err != nil {
		p.close()
		return err
	}
	return nil
}

// woken is the source of the wake-up, whose coming is all it has to say.
type woken struct{}

func (woken) event(uint32) {}

func (p *poller) wake() {
	one := uint64(1)
	_, _, _ = syscall.RawSyscall(syscall.SYS_WRITE, uintptr(p.wakeFD), uintptr(unsafe.Pointer(&one)), 8)
}

// wait fetches events: at once if there are some or there is other work, else
// it waits for them.
func (p *poller) wait(l *Loop) error {
	if p.at < p.n {
		return nil
	}
	p.at, p.n = 0, 0
	n, _, e := syscall.RawSyscall6(syscall.SYS_EPOLL_PWAIT, uintptr(p.fd), uintptr(unsafe.Pointer(&p.events[0])), uintptr(len(p.events)), 0, 0, 0)
	if e == 0 && n == 0 && !l.busy() {
		// Whom this turn has woken runs now: behind a thread that waits in the
		// kernel the scheduler finds him only by and by. It is dear where another
		// processor idles, so that a busy loop does it once a millisecond.
		if l.clock.now-p.yielded >= yieldEvery {
			p.yielded = l.clock.now
			runtime.Gosched()
		}
		l.clock.tick()
		timeout := l.untilTimer()
		if timeout == 0 || !l.sleep() {
			return nil
		}
		n, _, e = syscall.Syscall6(syscall.SYS_EPOLL_PWAIT, uintptr(p.fd), uintptr(unsafe.Pointer(&p.events[0])), uintptr(len(p.events)), uintptr(timeout), 0, 0)
		l.awake()
	}
	switch e {
	case 0:
		p.n = int(n)
	case syscall.EINTR:
	default:
		return os.NewSyscallError("epoll_pwait", e)
	}
	return nil
}

// dispatch delivers the events. After a panic it goes on where it was.
func (p *poller) dispatch() {
	for p.at < p.n {
		ev := &p.events[p.at]
		p.at++
		if s := &p.slots[ev.Fd]; s.src != nil && s.generation == ev.Pad {
			s.src.event(ev.Events)
		}
	}
}

func (p *poller) add(fd int, src source, events uint32) error {
	if fd >= len(p.slots) {
		p.slots = append(p.slots, make([]slot, max(fd+1, 2*len(p.slots), 64)-len(p.slots))...)
	}
	s := &p.slots[fd]
	s.generation++
	s.src = src
	if err := p.ctl(syscall.EPOLL_CTL_ADD, fd, events); err != nil {
		s.src = nil
		return err
	}
	return nil
}

func (p *poller) modify(fd int, events uint32) error {
	return p.ctl(syscall.EPOLL_CTL_MOD, fd, events)
}

func (p *poller) remove(fd int) {
	p.slots[fd].src = nil
	_ = p.ctl(syscall.EPOLL_CTL_DEL, fd, 0)
}

func (p *poller) ctl(op, fd int, events uint32) error {
	ev := syscall.EpollEvent{Events: events, Fd: int32(fd), Pad: p.slots[fd].generation}
	_, _, e := syscall.RawSyscall6(syscall.SYS_EPOLL_CTL, uintptr(p.fd), uintptr(op), uintptr(fd), uintptr(unsafe.Pointer(&ev)), 0, 0)
	if e != 0 {
		return os.NewSyscallError("epoll_ctl", e)
	}
	return nil
}

// close closes the Streams that are left, then the poller's own descriptors.
func (p *poller) close() {
	for i := range p.slots {
		if s, ok := p.slots[i].src.(*stream); ok {
			s.Close(false)
		}
	}
	_ = syscall.Close(p.fd)
	_ = syscall.Close(p.wakeFD)
}

// acceptWaiter is the source of an Acceptor's events.
type acceptWaiter struct{ a *Acceptor }

func (w *acceptWaiter) event(uint32) { w.a.ready() }

func (a *Acceptor) start() error {
	a.waiter.a = a
	return nil
}

// arm asks for events, of which only one Loop is woken by each.
func (a *Acceptor) arm() error {
	return a.l.poll.add(a.fd, &a.waiter, eventIn|eventExclusive)
}

func (a *Acceptor) disarm() { a.l.poll.remove(a.fd) }

func (a *Acceptor) finish() {}

func (a *Acceptor) takeOne() (int, netip.AddrPort, error) { return acceptOne(a.fd) }
