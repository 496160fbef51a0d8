package gateway

import (
	"errors"
	"io"

	"rickhouse/internal/exchange"
	"rickhouse/internal/front"
	"rickhouse/internal/loop"
)

// state is where a connection is.
type state uint8

const (
	idle      state = iota // nothing of a request has come; there is no work
	reading                // part of a head has come, or of what is about no request
	serving                // the Server holds the Exchange
	ending                 // the Exchange is ended, its answer on the way
	lingering              // our side is closed; what still comes is thrown away
	closed
)

// conn is one connection.
type conn struct {
	d         *Door
	p         protocol
	o         *front.Origin
	handler   exchange.Handler
	s         loop.Stream
	w         *work
	gate      *front.Gate
	closed    func()
	timer     loop.Timer
	until     int64 // the end of idle, reading, lingering
	link      front.Link[conn]
	gone      error // what Server.Gone is to be told
	requests  int
	ignored   int // octets thrown away while lingering
	state     state
	live      bool // w.x is a request that is to be observed
	advancing bool // step is being called: Client methods leave the rest to it
	scheduled bool // Run will be called
	eof       bool // the peer has finished sending
	full      bool // reading rests until something is consumed
	dead      bool // the socket is closed; the Server still holds the Exchange
	told      bool // Gone was called with ErrHalfClosed
	peer      front.Peer
}

// timeout is a conn as the task of its timer.
type timeout conn

func (t *timeout) Run() { (*conn)(t).timedOut() }

func (d *Door) newConn(h front.Handoff) *conn {
	c := &conn{d: d, p: newProtocol(h.Origin.Listen.Gateway), o: h.Origin, handler: h.Handler, s: h.Stream, gate: h.Gate, closed: h.Closed, peer: front.PeerAt(h.Remote)}
	if c.handler == nil {
		c.handler = d.f.parts.Handler
	}
	c.link.Of(c)
	c.timer.Task = (*timeout)(c)
	return c
}

// await makes c idle for a time.
func (c *conn) await(wait int64) {
	c.state = idle
	c.until = c.d.l.Now() + wait
	c.d.conns.Push(&c.link)
	c.arm()
}

// Readable implements loop.Handler.
func (c *conn) Readable() {
	if c.state == lingering {
		c.readRest()
	} else if c.fill() {
		c.advance()
	}
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
	c.lost(front.WhyHungUp(err))
}

// Run implements exchange.Task: it does what Client methods have left to do.
func (c *conn) Run() {
	c.scheduled = false
	c.tellGone()
	if !c.dead && c.state != closed {
		c.advance()
	}
}

// touch has what is left to do done: by the loop in advance if it runs, else at
// the end of this turn.
func (c *conn) touch() {
	if !c.advancing && c.state != closed {
		c.later()
	}
}

// Resume implements front.Resumer.
func (c *conn) Resume() { c.touch() }

// later has Run called at the end of this turn.
func (c *conn) later() {
	if !c.scheduled {
		c.scheduled = true
		c.d.l.Defer(c)
	}
}

// fill reads once and reports whether there is something new.
func (c *conn) fill() bool {
	room := bulkRead
	if w := c.w; w != nil && c.state != reading {
		if w.done || w.demand == 0 {
			room = smallRead
		}
		if room -= w.buffered(); room <= 0 {
			c.full = true
			c.want()
			return false
		}
	}
	n, err := c.s.Read(c.d.scratch[:room])
	c.d.counters.OctetsIn += uint64(n)
	switch {
	case err == nil:
	case errors.Is(err, io.EOF):
		c.eof = true
		c.want()
	case errors.Is(err, loop.ErrAgain):
		if n == 0 {
			return false
		}
	default:
		c.lost(front.ClientGone{Err: err})
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

var errPanicked = errors.New("a handler panicked")

// advance does all there is to do.
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
	}
	return false
}

// wake ends idling, if something has come.
func (c *conn) wake() bool {
	if c.w == nil {
		if c.eof || c.draining() && c.requests > 0 {
			c.close(false)
		}
		return false
	}
	c.beginHead()
	return true
}

// beginHead starts the time that a head has.
func (c *conn) beginHead() {
	if c.state == idle {
		c.state = reading
		c.until = c.d.l.Now() + int64(c.w.settings.HeaderTimeout)
	}
}

// settle follows step: the answer goes out, the Server is told how far, and the
// loop what c waits for.
func (c *conn) settle() {
	if c.w != nil && !c.dead && (c.state == serving || c.state == reading) {
		c.push()
	}
	if c.state == closed || c.dead {
		return
	}
	if w := c.w; w == nil || w.buffered() < smallRead || !w.done && w.demand > 0 {
		c.full = false
	}
	c.want()
	c.arm()
}

// push writes what waits and tells the Server how much has left.
func (c *conn) push() {
	w := c.w
	w.out.Flush()
	if c.unwritable() || c.state != serving {
		return
	}
	n := w.out.Drained()
	if n == 0 || w.x.Server == nil {
		return
	}
	c.advancing = true
	w.x.Server.Drained(&w.x, n)
	c.advancing = false
	if c.state != serving || w.out.Due() {
		c.touch()
	}
}

// unwritable ends a connection on which nothing more can be written, and reports
// whether it is one.
func (c *conn) unwritable() bool {
	err := c.w.out.Err()
	if err == nil {
		return false
	}
	if !errors.Is(err, exchange.ErrClientGone) {
		c.d.f.parts.Log.Error("an answer is cut", "error", err)
	}
	c.lost(err)
	return true
}

// want tells the Stream which events to deliver.
func (c *conn) want() {
	if c.state != closed && !c.dead {
		c.s.Want(!c.eof && !c.full, c.w != nil && c.w.out.Blocked)
	}
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
	sending := c.state == serving && !w.done && w.demand > 0
	return front.Sooner(w.body.pace.Run(sending, now, cfg), w.out.Pace.Run(w.out.Blocked, now, cfg))
}

// timedOut is called by the timer.
func (c *conn) timedOut() {
	if c.state == closed || c.dead {
		return
	}
	now := c.d.l.Now()
	if at := c.deadline(); at == 0 || at > now {
		c.arm()
		return
	}
	switch c.state {
	case idle, lingering:
		c.close(false)
	case reading:
		if !c.p.begun(c) {
			c.close(false)
			return
		}
		c.refuse(front.SlowHead())
		c.advance()
	default:
		if c.w.out.Blocked && c.w.out.Pace.By() <= now {
			c.w.x.Stats.Err = front.ErrSlowReader
			front.LogSlowReader(c.d.f.parts.Log, c.client(), &c.w.x.Request)
			c.lost(front.ErrSlowReader)
			return
		}
		c.advancing = true
		c.contentFailed(front.SlowContent())
		c.advancing = false
		c.advance()
	}
}
