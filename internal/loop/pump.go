package loop

import (
	"io"
	"net"
	"os"
	"sync"
	"time"
)

const (
	// pumpOut is how much a pump holds for the peer beyond what is being written.
	pumpOut = 64 << 10
	// pumpIn is the largest read, pumpInFirst the first.
	pumpIn, pumpInFirst = 32 << 10, 4 << 10
	// pumpFlush is how long a closed pump tries to be rid of what it holds.
	pumpFlush = 10 * time.Second
)

// pump is a Stream on any net.Conn. One goroutine reads a buffer ahead and waits
// until it has been taken; another writes what was given. Both only fill and
// empty what mu guards, and post the pump; the Handler is called on the Loop.
type pump struct {
	l    *Loop
	h    Handler
	conn net.Conn
	unix *net.UnixConn // conn, if it can carry descriptors

	wantRead, wantWrite, closed bool

	mu      sync.Mutex
	posted  bool
	in      []byte     // read and not yet taken
	inFiles []*os.File // came with in
	inErr   error      // follows in
	emptied sync.Cond  // in was taken, or the pump was closed

	out     []byte   // to be written next
	outFile *os.File // goes with out
	started bool     // there is a writer
	finish  bool     // CloseWrite follows out
	ended   bool     // Close follows out
	outErr  error
	filled  sync.Cond // there is work for the writer

	ahead readAhead
}

// readAhead is the part of a file that SendFile will be asked for again.
type readAhead struct {
	file   *os.File
	offset int64
	busy   bool
	data   []byte
	err    error
}

// AttachConn makes a Stream of any net.Conn and takes it over. What is written
// is held in memory, at most 128 KiB, until c has taken it; Close(false) leaves
// it 10 s for that.
func (l *Loop) AttachConn(c net.Conn, h Handler) Stream {
	p := &pump{l: l, h: h, conn: c, wantRead: true}
	p.emptied.L, p.filled.L = &p.mu, &p.mu
	p.unix, _ = c.(*net.UnixConn)
	l.pumps[p] = struct{}{}
	go p.read()
	return p
}

func (p *pump) handler() Handler     { return p.h }
func (p *pump) SetHandler(h Handler) { p.h = h }
func (p *pump) open() bool           { return !p.closed }

// Run delivers events on the Loop; the pump is posted when there may be some.
func (p *pump) Run() {
	p.mu.Lock()
	p.posted = false
	readable := p.wantRead && p.readable()
	writable := p.wantWrite && p.writable()
	hup := p.failure()
	p.mu.Unlock()
	if p.closed {
		return
	}
	p.l.current = p
	if hup != nil && !readable {
		p.h.Hup(hup)
	} else {
		if readable {
			p.h.Readable()
		}
		if writable && !p.closed {
			p.h.Writable()
		}
	}
	p.l.current = nil
	p.mu.Lock()
	p.kick()
	p.mu.Unlock()
}

func (p *pump) readable() bool { return len(p.in) > 0 || p.inErr != nil }

func (p *pump) writable() bool { return len(p.out) < pumpOut && !p.ahead.busy }

// failure is why the connection is dead, or nil.
func (p *pump) failure() error {
	if p.outErr != nil {
		return p.outErr
	}
	if p.inErr != nil && p.inErr != io.EOF && len(p.in) == 0 {
		return p.inErr
	}
	return nil
}

// kick posts the pump if there is an event to deliver: what is wanted and there
// is delivered again and again, as epoll does. It is called with mu held.
func (p *pump) kick() {
	if p.posted || p.closed {
		return
	}
	if p.wantRead && p.readable() || p.wantWrite && p.writable() || p.failure() != nil {
		p.posted = true
		p.l.Post(p)
	}
}
