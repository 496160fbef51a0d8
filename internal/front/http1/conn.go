package http1

import (
	"errors"
	"io"
	"net/netip"

	"rickhouse/internal/front"
	"rickhouse/internal/loop"
)

// state is where a connection is.
type state uint8

const (
	idle      state = iota // nothing of a request has come; there is no work
	reading                // part of a head has come
	serving                // the Server holds the Exchange
	ending                 // the Exchange is ended, its answer on the way
	skipping               // the rest of the request content is thrown away
	lingering              // our side is closed; what still comes is thrown away
	closed
)

// conn is one connection. It is small: most are idle.
type conn struct {
	d     *Door
	o     *entrance
	tls   []byte // see exchange.Request
	s     loop.Stream
	w     *work
	timer loop.Timer
	until int64 // the end of idle, reading, lingering
	link  front.Link[conn]
	// announcement is what has come of the header that the peer has to send first; nil
	// where there is none, or it has come.
	announcement *announcement

	gone      error // what Server.Gone is to be told
	requests  uint32
	ignored   uint32 // octets thrown away while lingering
	peer      front.Peer
	state     state
	advancing bool // step is being called: Client methods leave the rest to it
	scheduled bool // Run will be called
	eof       bool // the client has finished sending
	full      bool // reading rests until something is consumed
	dead      bool // the socket is closed; the Server still holds the Exchange
	told      bool // Gone was called with ErrHalfClosed
}

// timeout is a conn as the task of its timer.
type timeout conn

func (t *timeout) Run() { (*conn)(t).timedOut() }

func (d *Door) newConn(o *entrance, remote netip.AddrPort) *conn {
	c := &conn{d: d, o: o, peer: front.PeerAt(remote)}
	c.link.Of(c)
	c.timer.Task = (*timeout)(c)
	return c
}

// opened is called once, when c has its Stream.
func (c *conn) opened(s loop.Stream) {
	d := c.d
	c.s = s
	d.f.open.Add(1)
	d.counters.Accepted++
	d.counters.Open++
	c.o.gate.conns++
	c.rest(c.patience())
}

// draining reports whether c is to end as soon as what has come is answered.
func (c *conn) draining() bool { return c.d.draining || c.o.gate.Leaving }

// patience is how long a connection that has sent nothing is waited for.
func (c *conn) patience() int64 {
	wait := int64(c.d.settings.HeaderTimeout)
	if c.draining() {
		wait = min(wait, firstOctets)
	}
	return wait
}

// rest makes c idle for a time.
func (c *conn) rest(wait int64) {
	c.state = idle
	c.until = c.d.l.Now() + wait
	c.d.idle.Push(&c.link)
	c.d.counters.Idle++
	c.arm()
}

// Readable implements loop.Handler.
func (c *conn) Readable() {
	switch {
	case c.announcement != nil:
		c.announced()
		return
	case c.state == lingering:
		c.readRest()
		return
	case c.state == serving && c.w.bulk():
		c.readBulk()
	case !c.fill():
		return
	}
	c.advance()
}

// Writable implements loop.Handler.
func (c *conn) Writable() {
	if c.w != nil {
		c.w.out.Blocked = false
	}
	c.advance()
}

// Hup implements loop.Handler.
func (c *conn) Hup(err error) {
	c.advancing = false // it may be a panic that ended step
	var clear *loop.CleartextError
	var failed *loop.HandshakeError
	switch {
	case errors.As(err, &clear):
		c.cleartext(clear)
		return
	case errors.As(err, &failed):
		c.d.f.parts.Log.Debug("a TLS handshake failed", "client", c.peer.String(), "error", failed.Err)
	case errors.Is(err, io.EOF) && c.state == serving && c.w.halved && !c.dead:
		c.bothEnded()
		return
	}
	c.lost(front.WhyHungUp(err))
}

// bothEnded closes the socket of a tunnel whose sides have both ended it. What
// had come by then is still delivered; it fits into the kernel's buffer.
func (c *conn) bothEnded() {
	for {
		n, err := c.s.Read(c.d.scratch)
		c.d.counters.OctetsIn += uint64(n)
		c.w.buffer(c.d.scratch[:n])
		if err != nil {
			break
		}
	}
	c.eof = true
	c.s.Close(false)
	c.advance()
}

// Run implements exchange.Task: it does what Client methods have left to do.
func (c *conn) Run() {
	c.scheduled = false
	if c.dead || c.state == closed {
		c.tellGone()
		return
	}
	c.advance()
}

// touch has what is left to do done: by the loop in advance if it runs, else at
// the end of this turn.
func (c *conn) touch() {
	if !c.advancing && !c.scheduled {
		c.scheduled = true
		c.d.l.Defer(c)
	}
}

// Resume implements front.Resumer.
func (c *conn) Resume() { c.touch() }

// fill reads once and reports whether there is something new.
func (c *conn) fill() bool {
	room := headRead
	if w := c.w; w != nil && c.state != reading {
		if room -= w.buffered(); room <= 0 {
			c.full = true
			c.want()
			return false
		}
	}
	n, err := c.s.Read(c.d.scratch[:room])
	if !c.received(n, err) {
		return false
	}
	if n > 0 {
		if c.w == nil {
			c.w = c.d.take(c)
		}
		c.w.buffer(c.d.scratch[:n])
	}
	return true
}

// received looks at the outcome of a Read and reports whether to go on.
func (c *conn) received(n int, err error) bool {
	c.d.counters.OctetsIn += uint64(n)
	switch {
	case err == nil:
	case errors.Is(err, io.EOF):
		c.eof = true
		c.want()
	case errors.Is(err, loop.ErrAgain):
		return n > 0
	default:
		c.lost(front.ClientGone{Err: err})
		return false
	}
	return true
}

var errPanicked = errors.New("a handler panicked")

// advance does all there is to do. It is a loop, so that a connection full of
// small requests does not grow the stack.
func (c *conn) advance() {
	if c.advancing {
		// Only the loop calls advance, so step is not running: it has panicked.
		c.advancing = false
		c.lost(errPanicked)
		return
	}
	c.advancing = true
	for c.step() {
	}
	c.advancing = false
	c.settle()
}

// step does one thing and reports whether there may be another.
func (c *conn) step() bool {
	switch c.state {
	case idle:
		return c.wake()
	case reading:
		return c.readHead()
	case serving:
		c.deliver()
		return c.state != serving
	case ending:
		return c.finish()
	case skipping:
		return c.skip()
	}
	return false
}

// wake ends idling, if something has come. Once the Door drains it looks itself.
// It is not called within a Client method, where somebody may still have content
// that would be read over.
func (c *conn) wake() bool {
	if c.announcement != nil {
		return false
	}
	draining := c.draining()
	if c.w == nil && draining && !c.eof {
		c.fill()
	}
	if c.w == nil {
		if c.eof || draining {
			c.close(false)
		}
		return false
	}
	c.state = reading
	if c.requests > 0 {
		c.until = c.d.l.Now() + int64(c.w.settings.HeaderTimeout)
	}
	return true
}

// settle follows step: the answer goes out, the Server is told how far, and the
// loop what c waits for.
func (c *conn) settle() {
	if c.state == serving && !c.dead {
		c.push()
	}
	if c.state == closed || c.dead {
		return
	}
	c.want()
	c.arm()
}

// want tells the Stream which events to deliver.
func (c *conn) want() {
	if c.state == closed || c.dead {
		return
	}
	c.s.Want(!c.eof && !c.full, c.w != nil && c.w.out.Blocked)
}

// arm has the timer come at c's next deadline, or before.
func (c *conn) arm() { c.d.l.Hasten(&c.timer, c.deadline()) }

// deadline is when c will have waited too long, or 0.
func (c *conn) deadline() int64 {
	switch c.state {
	case idle, reading, lingering:
		return c.until
	case closed:
		return 0
	}
	w, now, cfg := c.w, c.d.l.Now(), &c.w.settings.Config
	sending := c.state == skipping || c.state == serving && !w.done && w.demand > 0 && w.Framing != tunnel
	return front.Sooner(w.body.pace.Run(sending, now, cfg), w.out.Pace.Run(w.out.Blocked, now, cfg))
}

// timedOut is called by the timer.
func (c *conn) timedOut() {
	if c.state == closed || c.dead {
		return
	}
	if at := c.deadline(); at == 0 || at > c.d.l.Now() {
		c.arm()
		return
	}
	switch c.state {
	case reading:
		if c.w.parser.Begun() {
			c.refuse(front.SlowHead())
			c.advance()
			return
		}
		c.close(false)
	case idle, skipping, lingering:
		c.close(false)
	default:
		if c.w.out.Blocked && c.w.out.Pace.By() <= c.d.l.Now() {
			c.w.x.Stats.Err = front.ErrSlowReader
			front.LogSlowReader(c.d.f.parts.Log, c.peer.String(), &c.w.x.Request)
			c.lost(front.ErrSlowReader)
			return
		}
		c.advancing = true
		c.contentFailed(front.SlowContent())
		c.advancing = false
		c.advance()
	}
}
