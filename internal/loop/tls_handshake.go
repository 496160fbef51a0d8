package loop

import (
	"fmt"
	"net"
	"sync"
)

// handshakeIn is how much of what a client sends is held for its handshake.
const handshakeIn = 64 << 10

// Handshakes bounds how many handshakes are computed at a time, on all Loops
// that are given it: each takes a processor for a good part of a millisecond.
// A handshake that waits for the client does not count.
type Handshakes struct{ slots chan struct{} }

// NewHandshakes allows n handshakes at a time.
func NewHandshakes(n int) *Handshakes { return &Handshakes{make(chan struct{}, max(1, n))} }

func (h *Handshakes) acquire() {
	if h != nil {
		h.slots <- struct{}{}
	}
}

func (h *Handshakes) release() {
	if h != nil {
		<-h.slots
	}
}

// handshake computes the handshake of a secure on a goroutine, which begins when
// a whole record has come. The Loop gives it what comes and is posted what it
// writes: only the Loop touches the socket.
type handshake struct {
	s     *secure
	limit *Handshakes

	// Of the Loop.
	started bool
	full    bool // reading rests until the goroutine has taken what is there

	mu      sync.Mutex
	came    sync.Cond  // there is a record, or end
	in      ciphertext // came, and not taken
	end     error      // follows in
	out     []byte     // written, and not collected
	starved bool       // the goroutine waits for the next record
	done    bool
	err     error // of the handshake, when done
}

func newHandshake(s *secure, limit *Handshakes) *handshake {
	hs := &handshake{s: s, limit: limit}
	hs.came.L = &hs.mu
	return hs
}

// give hands over what has come, and what follows it unless that is nil. It says
// how the client began, and whether to start the goroutine.
func (hs *handshake) give(p []byte, end error) (first byte, start bool) {
	hs.mu.Lock()
	defer hs.mu.Unlock()
	hs.in.octets = append(hs.in.octets, p...)
	hs.end = end
	hs.full = len(hs.in.octets) >= handshakeIn
	if hs.started {
		if hs.in.ready() > 0 || end != nil {
			hs.came.Signal()
		}
		return 0, false
	}
	if len(hs.in.octets) > 0 {
		first = hs.in.octets[0]
	}
	hs.started = hs.in.ready() > 0
	return first, hs.started && !isText(first)
}

// abort ends the goroutine, if there is one.
func (hs *handshake) abort() {
	hs.mu.Lock()
	defer hs.mu.Unlock()
	hs.in = ciphertext{}
	hs.end = net.ErrClosed
	hs.came.Signal()
}

// progress is what the Loop has to do for a handshake.
type progress struct {
	out  []byte
	done bool
	err  error
}

// collect takes what the goroutine has left for the Loop.
func (hs *handshake) collect() progress {
	hs.mu.Lock()
	defer hs.mu.Unlock()
	p := progress{hs.out, hs.done, hs.err}
	hs.out = nil
	if hs.starved {
		hs.full = false
	}
	return p
}

// run is the goroutine.
func (hs *handshake) run() {
	hs.limit.acquire()
	err := hs.compute()
	hs.limit.release()
	hs.mu.Lock()
	hs.done, hs.err = true, err
	hs.mu.Unlock()
	hs.post()
}

func (hs *handshake) post() { hs.s.l.Post((*secureTurn)(hs.s)) }

// compute does the handshake, unless the client has gone while it had to wait.
// A panic, of whatever chooses a certificate, ends this connection alone.
func (hs *handshake) compute() (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("a bug in the server: panic: %v", v)
		}
	}()
	hs.mu.Lock()
	gone := hs.end != nil && hs.in.ready() == 0
	hs.mu.Unlock()
	if gone {
		return net.ErrClosed
	}
	return hs.s.conn.Handshake()
}

// read gives crypto/tls the next record, or part of it. Before it waits it has
// what was written sent, and lets others compute.
func (hs *handshake) read(p []byte) (int, error) {
	hs.mu.Lock()
	defer hs.mu.Unlock()
	if hs.in.ready() == 0 && hs.end == nil {
		hs.wait()
	}
	if hs.in.ready() > 0 {
		return hs.in.take(p), nil
	}
	return 0, hs.in.end(hs.end)
}

// wait waits for a record. It is called with mu held.
func (hs *handshake) wait() {
	hs.starved = true
	hs.mu.Unlock()
	hs.post()
	hs.limit.release()
	hs.mu.Lock()
	for hs.in.ready() == 0 && hs.end == nil {
		hs.came.Wait()
	}
	hs.starved = false
	hs.mu.Unlock()
	hs.limit.acquire()
	hs.mu.Lock()
}

func (hs *handshake) write(p []byte) (int, error) {
	hs.mu.Lock()
	defer hs.mu.Unlock()
	hs.out = append(hs.out, p...)
	return len(p), nil
}
