package http1

import (
	"errors"
	"time"

	"rickhouse/internal/exchange"
	"rickhouse/internal/front"
	"rickhouse/internal/loop"
	wire "rickhouse/internal/wire/http1"
)

const (
	// lingerTime and maxLinger bound how long, and for how many octets, a client
	// that still sends is listened to so that it can read its answer (RFC 9112
	// §9.6).
	lingerTime = int64(5 * time.Second)
	maxLinger  = 16 << 20
)

// finish goes on with an answer that is complete, and with what comes after it
// on the connection. It reports whether there is a next thing to do.
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
		c.close(w.Framing == wire.ByClose || w.Framing == wire.Tunnel)
	case w.close:
		c.leaveLingering()
	case !w.done && w.body.left > maxSkip:
		c.leaveLingering()
	case !w.done:
		c.state = skipping
		return true
	default:
		return c.nextRequest()
	}
	return false
}

// observe is called once for each Exchange, at its end.
func (c *conn) observe() {
	x := &c.w.x
	x.Stats.Finished = c.d.l.Now()
	if c.d.f.parts.Observe != nil {
		c.d.f.parts.Observe(x)
	}
}

// nextRequest goes on to the next request and reports whether something of it
// is there.
func (c *conn) nextRequest() bool {
	w := c.w
	n := copy(w.in, w.in[w.r:])
	w.in = w.in[:n]
	c.full, c.told = false, false
	if n == 0 {
		c.w = nil
		c.d.give(w)
		c.rest(int64(c.d.settings.IdleTimeout))
		if c.eof {
			c.close(false)
			return false
		}
		return c.draining() // wake looks for a last request
	}
	w.reset()
	w.goBy(c.d.settings)
	c.d.idle.Push(&c.link)
	c.d.counters.Idle++
	c.state = reading
	c.until = c.d.l.Now() + int64(w.settings.HeaderTimeout)
	return true
}

// leave closes an idle connection, unless a request has just come.
func (c *conn) leave() {
	if c.fill() {
		c.advance()
	} else if c.state == idle {
		c.close(false)
	}
}

// refuse answers a request that broke a rule. What follows on the connection is
// not a request.
func (c *conn) refuse(err *exchange.Error) {
	w := c.w
	if c.state == reading {
		c.busy()
		w.x.Stats.Received = c.d.l.Now()
		c.identify(&w.x.Request)
	}
	c.state = ending
	c.d.counters.Refused++
	w.close, w.linger = true, true
	c.standIn(err.Status, err)
	c.logRefusal(err)
}

func (c *conn) logRefusal(err *exchange.Error) {
	front.LogRefusal(c.d.f.parts.Log, c.peer.String(), &c.w.x.Request, err)
}

// leaveLingering closes our side after the answer. Closing both while the client
// sends, or with octets unread, would have its kernel throw the answer away. A
// client that did not ask for the end may have sent its next request by now.
func (c *conn) leaveLingering() {
	w := c.w
	quiet := !w.linger && w.done && w.buffered() == 0 && !w.parser.KeepAlive
	if quiet || c.eof || c.s.CloseWrite() != nil {
		c.close(false)
		return
	}
	c.d.give(w)
	c.w = nil
	c.state = lingering
	c.full = false
	wait := lingerTime
	if c.draining() {
		wait = min(wait, firstOctets)
	}
	c.until = c.d.l.Now() + wait
	c.want()
	c.arm()
}

// readRest throws away what a client still sends.
func (c *conn) readRest() {
	n, err := c.s.Read(c.d.scratch)
	c.d.counters.OctetsIn += uint64(n)
	c.ignored += uint32(n)
	if err != nil && !errors.Is(err, loop.ErrAgain) || c.ignored > maxLinger {
		c.close(false)
	}
}

// lost ends a connection whose client is gone, or is to be.
func (c *conn) lost(cause error) { c.end(cause, true) }

// failed ends a connection because its answer cannot be had. What there is of it
// still reaches the client if that can tell that it is not all.
func (c *conn) failed(cause error) { c.end(cause, c.w.Framing == wire.ByClose) }

// unwritable ends a connection on which nothing more can be written, and reports
// whether it is one.
func (c *conn) unwritable() bool {
	err := c.w.out.Err()
	switch {
	case err == nil:
		return false
	case errors.Is(err, exchange.ErrClientGone):
		c.lost(err)
	default:
		c.d.f.parts.Log.Error("an answer is cut", "error", err)
		c.failed(err)
	}
	return true
}

// end ends a connection for a cause. A Server that holds the Exchange is told at
// the end of the turn.
func (c *conn) end(cause error, reset bool) {
	if c.state == closed || c.dead {
		return
	}
	switch c.state {
	case serving:
		c.gone = cause
		c.dead = true
		c.w.x.Canceled = true
		c.w.out.Drop()
		c.hangUp(reset)
		if !c.scheduled {
			c.scheduled = true
			c.d.l.Defer(c)
		}
	case ending:
		if c.w.x.Stats.Err == nil {
			c.w.x.Stats.Err = cause
		}
		c.d.counters.Broken++
		c.hangUp(reset)
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
	if w.x.Stats.Err == nil {
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
	if c.state == idle || c.state == reading {
		c.d.counters.Idle--
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
	c.o.gate.closed()
}

// push writes what waits while the Server holds the Exchange, and tells it how
// much has left.
func (c *conn) push() {
	w := c.w
	w.out.Flush()
	if c.unwritable() {
		return
	}
	if w.shut && !w.halved && !w.out.Pending() {
		w.halved = true
		if err := c.s.CloseWrite(); err != nil {
			c.lost(front.ClientGone{Err: err})
			return
		}
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
