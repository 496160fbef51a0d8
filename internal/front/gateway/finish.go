package gateway

import (
	"errors"
	"time"

	"rickhouse/internal/exchange"
	"rickhouse/internal/front"
	"rickhouse/internal/loop"
	wire "rickhouse/internal/wire/http1"
)

const (
	// lingerTime and maxLinger bound how long, and for how many octets, a peer that
	// still sends is listened to so that it can read its answer.
	lingerTime = int64(5 * time.Second)
	maxLinger  = 16 << 20
)

// finish goes on with an answer that is complete, and with what comes after it on
// the connection. It reports whether there is a next thing to do.
func (c *conn) finish() bool {
	w := c.w
	if !w.out.Flush() {
		c.unwritable()
		return false
	}
	c.observe()
	switch {
	case w.cut:
		c.d.counters.Broken++
		c.close(w.Framing == wire.ByClose)
	case w.close:
		c.leaveLingering()
	default:
		return c.nextRequest()
	}
	return false
}

// observe is called once for each Exchange, at its end.
func (c *conn) observe() {
	if !c.live {
		return
	}
	c.live = false
	x := &c.w.x
	x.Stats.Finished = c.d.l.Now()
	if c.d.f.parts.Observe != nil {
		c.d.f.parts.Observe(x)
	}
}

// nextRequest goes on to the next request of the connection.
func (c *conn) nextRequest() bool {
	c.w.next()
	c.w.goBy(c.d.settings)
	c.full, c.told = false, false
	c.state = reading
	c.until = c.d.l.Now() + int64(c.w.settings.HeaderTimeout)
	if c.w.buffered() == 0 {
		c.rest()
	}
	return c.state != closed
}

// leave closes an idle connection, unless a request has just come.
func (c *conn) leave() {
	if c.fill() {
		c.advance()
	} else if c.state == idle {
		c.close(false)
	}
}

// leaveLingering closes our side after the answer. Closing both while the peer
// sends, or with octets unread, would have its kernel throw the answer away.
func (c *conn) leaveLingering() {
	w := c.w
	quiet := !w.linger && (w.done || !c.live) && w.buffered() == 0
	if quiet || c.eof || c.s.CloseWrite() != nil {
		c.close(false)
		return
	}
	c.w = nil
	c.d.give(w)
	c.state = lingering
	c.full = false
	c.until = c.d.l.Now() + c.patience(lingerTime)
	c.d.conns.Push(&c.link)
	c.want()
	c.arm()
}

// readRest throws away what a peer still sends.
func (c *conn) readRest() {
	n, err := c.s.Read(c.d.scratch)
	c.d.counters.OctetsIn += uint64(n)
	c.ignored += n
	if err != nil && !errors.Is(err, loop.ErrAgain) || c.ignored > maxLinger {
		c.close(false)
	}
}

// lost ends a connection whose peer is gone, or is to be. A Server that holds the
// Exchange is told at the end of the turn.
func (c *conn) lost(cause error) {
	if c.state == closed || c.dead {
		return
	}
	switch c.state {
	case serving:
		c.gone = cause
		c.dead = true
		c.w.x.Canceled = true
		c.w.out.Drop()
		c.hangUp(true)
		c.later()
	case ending:
		if c.live && c.w.x.Stats.Err == nil {
			c.w.x.Stats.Err = cause
		}
		c.d.counters.Broken++
		c.hangUp(true)
		c.buried()
	default:
		c.close(errors.Is(cause, exchange.ErrShutdown))
	}
}

// tellGone tells the Server that nobody waits any more.
func (c *conn) tellGone() {
	cause := c.gone
	if cause == nil || c.state != serving {
		return
	}
	c.gone = nil
	front.TellGone(&c.w.x, cause)
}

// buried ends the Exchange of a connection that is lost.
func (c *conn) buried() {
	w := c.w
	if c.live && w.x.Stats.Err == nil {
		w.x.Stats.Err = exchange.ErrClientGone
	}
	c.observe()
	c.w, c.gone = nil, nil
	c.state = closed
	c.d.give(w)
}

// close closes the connection, whose Exchange is over if there was one.
func (c *conn) close(reset bool) {
	if c.state == closed {
		return
	}
	if w := c.w; w != nil {
		c.w = nil
		c.d.give(w)
	}
	c.state = closed
	c.hangUp(reset)
}

// hangUp takes the connection off the loop and out of the Door.
func (c *conn) hangUp(reset bool) {
	c.link.Unlink()
	c.d.l.StopTimer(&c.timer)
	c.s.Close(reset)
	c.d.counters.Open--
	c.closed()
}
