package http2

import (
	"errors"
	"time"

	"rickhouse/internal/exchange"
	"rickhouse/internal/front"
	"rickhouse/internal/loop"
	wire "rickhouse/internal/wire/http2"
)

const (
	// lingerTime and maxLinger bound how long, and for how many octets, a client
	// that still sends is listened to so that it can read why we close.
	lingerTime = int64(5 * time.Second)
	maxLinger  = 16 << 20
	// drainPing is sent with the first GOAWAY: its answer says that the client has
	// read both. The octets are ours to choose.
	drainPing = "goodbye\x00"
)

// goingAway is how far the client has been told that the connection ends.
type goingAway uint8

const (
	staying goingAway = iota
	warned            // it has been told to open no more streams
	gone              // it has been told which was the last
)

// deadlines are when a client will have taken too long; 0 for never.
type deadlines struct {
	timer       loop.Timer
	handshakeBy int64 // for its settings, and to take ours
	headBy      int64 // for the rest of a head
	idleBy      int64 // for a request
	drainBy     int64 // for the answer to drainPing; no mistake
	lingerBy    int64
}

// timeout is a conn as the task of its timer.
type timeout conn

func (t *timeout) Run() { (*conn)(t).timedOut() }

// drain has c finish what has come, and close.
func (c *conn) drain() {
	if c.state != serving || c.going != staying {
		return
	}
	c.going = warned
	c.out = wire.AppendGoAway(c.out, wire.MaxStream, wire.NoError, "")
	c.out = wire.AppendPing(c.out, 0, []byte(drainPing))
	c.drainBy = c.d.l.Now() + drainPatience
	c.touch()
}

// proceed goes on with what the streams' ends and the time bring.
func (c *conn) proceed() {
	if c.state == leaving && c.pending() == 0 {
		c.linger()
		return
	}
	if c.state != serving {
		return
	}
	now := c.d.l.Now()
	if c.going == staying && (c.d.draining || c.gate != nil && c.gate.Leaving) {
		c.drain()
	}
	if c.going == warned && now >= c.drainBy {
		c.going = gone
		c.drainBy = 0
		c.out = wire.AppendGoAway(c.out, c.last, wire.NoError, "")
		c.write()
	}
	if len(c.streams) > 0 || c.orphans > 0 || c.marked < len(c.marks) {
		return
	}
	if c.going == gone {
		c.state = leaving
		c.lingerBy = now + lingerTime
		c.proceed()
		return
	}
	if c.idleBy == 0 {
		c.idleBy = now + int64(c.d.settings.IdleTimeout)
	}
	if c.pending() == 0 {
		c.d.large.put(c.out)
		c.base += int64(len(c.out))
		c.out, c.sent = nil, 0
	}
}

// leave closes a connection without requests.
func (c *conn) leave() {
	if c.state != serving {
		return
	}
	c.going, c.state = gone, leaving
	c.out = wire.AppendGoAway(c.out, c.last, wire.NoError, "")
	c.lingerBy = c.d.l.Now() + lingerTime
	c.settle()
}

// evict closes a connection without requests at once.
func (c *conn) evict() {
	c.out = wire.AppendGoAway(c.out, c.last, wire.NoError, "")
	c.write()
	if c.state != closed {
		c.hangUp(false)
	}
}

// fail closes the connection for a mistake of the client's.
func (c *conn) fail(err *wire.Error) {
	if c.state != serving {
		return
	}
	d := c.d
	d.counters.Closed++
	d.f.parts.Log.Info("closed an HTTP/2 connection", "reason", err.Error(), "client", c.peer.String())
	c.state, c.going = leaving, gone
	c.lingerBy = d.l.Now() + lingerTime
	c.loseStreams(streamError{err})
	c.out = wire.AppendGoAway(c.out, c.last, err.Code, err.Reason)
	c.touch()
}

// linger closes our side. Closing both while the client sends would have its
// kernel throw away what we have sent.
func (c *conn) linger() {
	if c.s.CloseWrite() != nil {
		c.hangUp(false)
		return
	}
	c.state = lingering
	c.lingerBy = c.d.l.Now() + lingerTime
}

func (c *conn) loseStreams(cause error) {
	for _, s := range c.streams {
		s.lost(cause)
	}
	clear(c.ready)
	c.ready = c.ready[:0]
}

// lost ends a connection whose client is gone, or is to be. Servers that hold an
// Exchange are told at the end of the turn.
func (c *conn) lost(cause error) {
	if c.state == closed {
		return
	}
	quiet := c.state != serving || len(c.streams) == 0
	c.hangUp(!quiet || errors.Is(cause, exchange.ErrShutdown))
	c.loseStreams(cause)
	for _, m := range c.marks[c.marked:] {
		m.s.marks--
		if !m.end {
			m.s.release()
			continue
		}
		if m.s.x.Stats.Err == nil {
			m.s.x.Stats.Err = cause
			c.d.counters.Broken++
		}
		m.s.observe()
	}
	c.marks, c.marked = nil, 0
}

// hangUp takes the connection off the loop and out of the Door.
func (c *conn) hangUp(reset bool) {
	d := c.d
	c.state = closed
	c.link.Unlink()
	d.l.StopTimer(&c.timer)
	c.s.Close(reset)
	d.small.put(c.in)
	d.large.put(c.out)
	d.small.put(c.block.buf)
	c.in, c.out, c.sent, c.block = nil, nil, 0, block{}
	d.counters.Open--
	c.closed()
}

// watchHead starts and stops the time that a head may take.
func (c *conn) watchHead() {
	part := c.block.stream != 0
	if n := len(c.in); n > 0 && c.prefaced {
		part = part || n < wire.HeaderSize || wire.ParseHeader(c.in).Type != wire.Data
	}
	switch {
	case !part:
		c.headBy = 0
	case c.headBy == 0:
		c.headBy = c.d.l.Now() + int64(c.d.settings.HeaderTimeout)
	}
}

// arm has the timer come at c's next deadline, or before.
func (c *conn) arm() {
	now := c.d.l.Now()
	c.pace.Run(c.blocked || c.window <= 0 && len(c.ready) > 0, now, &c.d.settings.Config)
	if c.state != serving {
		c.armFor(c.lingerBy)
		return
	}
	for _, by := range [...]int64{c.handshakeBy, c.headBy, c.idleBy, c.drainBy, c.pace.By()} {
		c.armFor(by)
	}
}

// armFor makes sure that the timer comes at that time or before.
func (c *conn) armFor(by int64) { c.d.l.Hasten(&c.timer, by) }

// timedOut is called by the timer.
func (c *conn) timedOut() {
	now := c.d.l.Now()
	due := func(by int64) bool { return by != 0 && by <= now }
	switch {
	case c.broken():
		return
	case c.state != serving:
		if due(c.lingerBy) {
			c.hangUp(false)
			return
		}
	case due(c.pace.By()) && (c.blocked || c.window <= 0):
		c.d.f.parts.Log.Info("cut the answers of a connection", "reason", front.ErrSlowReader.Error(), "client", c.peer.String())
		c.lost(front.ErrSlowReader)
		return
	case due(c.handshakeBy):
		c.fail(&wire.Error{Code: wire.SettingsTimeout, Reason: "the settings were not exchanged in time (header_timeout)"})
	case due(c.headBy):
		c.fail(&wire.Error{Code: wire.EnhanceYourCalm, Reason: "a head did not come whole in time (header_timeout)"})
	case due(c.idleBy):
		c.leave()
		return
	default:
		c.late(now)
	}
	c.settle()
}

// late looks after streams whose client is too slow.
func (c *conn) late(now int64) {
	c.advancing = true
	for _, s := range c.streams {
		if by := s.giving.By(); by != 0 && by <= now {
			front.LogSlowReader(c.d.f.parts.Log, c.peer.String(), &s.x.Request)
			s.failed(wire.Cancel, front.ErrSlowReader)
			continue
		}
		c.armFor(s.giving.By())
		switch by := s.taking.By(); {
		case by == 0 || s.state != held:
		case by <= now:
			s.taking.Pause(now)
			s.contentFailed(front.SlowContent())
		default:
			c.armFor(by)
		}
	}
	c.advancing = false
}
