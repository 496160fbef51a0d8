package gateway

import (
	"time"

	"rickhouse/internal/exchange"
	"rickhouse/internal/front"
	"rickhouse/internal/loop"
)

const (
	// bulkRead is the most octets read at a time, and smallRead the most that wait
	// for a Server that has not demanded them.
	bulkRead  = 64 << 10
	smallRead = 16 << 10
	// maxSpare is how many works a Door keeps for later, and maxKept how large a
	// buffer of one may be.
	maxSpare = 64
	maxKept  = 80 << 10
	// firstOctets is how long, when draining, a new connection may take to send what
	// it has been accepted for, and an answered peer to hang up.
	firstOctets = int64(time.Second)
)

// Counters are what a Door has seen. Read them on its Loop.
type Counters struct {
	front.Counters
	Strangers uint64 // connections of peers that are not trusted
}

// Door is a Front's part on one Loop. See the package comment: only the Loop may
// call its methods.
type Door struct {
	f          *Front
	l          *loop.Loop
	settings   *Settings        // of now
	conns      front.List[conn] // in the order in which they last came to rest
	spare      []*work
	scratch    []byte // what is being read; nil before the first connection
	frame      []byte // a piece of an answer in the making
	output     front.OutputParts
	nobody     exchange.Client
	counters   Counters
	nextReport int64
	draining   bool
}

// Serve serves a connection, which is the Door's from now on. What it speaks is
// the Gateway of its address.
func (d *Door) Serve(h front.Handoff) {
	d.counters.Accepted++
	if !d.settings.trusts(h.Remote.Addr()) {
		d.stranger(h)
		return
	}
	if d.scratch == nil {
		d.scratch = make([]byte, bulkRead)
	}
	c := d.newConn(h)
	h.Stream.SetHandler(c)
	d.conns.Push(&c.link)
	d.counters.Open++
	c.await(c.patience(int64(d.settings.HeaderTimeout)))
	if len(h.Read) > 0 {
		c.w = d.take(c)
		c.w.in = append(c.w.in, h.Read...)
		c.advance()
	}
}

// Use has d go by other settings: connections that come, and requests that begin,
// from now on.
func (d *Door) Use(s *Settings) { d.settings = s }

// stranger closes a connection of a peer that is not trusted.
func (d *Door) stranger(h front.Handoff) {
	d.counters.Strangers++
	if now := d.l.Now(); now >= d.nextReport {
		d.nextReport = now + int64(time.Second)
		d.f.parts.Log.Warn("closed a connection: the peer may not speak "+h.Origin.Listen.Gateway+" to us; if it is a gateway of yours, add it to gateway_peers",
			"peer", h.Remote.Addr().String(), "address", h.Origin.Listen.String(), "closed", d.counters.Strangers)
	}
	h.Stream.Close(false)
	h.Closed()
}

// draining reports whether c is to end as soon as what has come is answered.
func (c *conn) draining() bool { return c.d.draining || c.gate != nil && c.gate.Leaving }

// patience is how long is waited at most.
func (c *conn) patience(wait int64) int64 {
	if c.draining() {
		return min(wait, firstOctets)
	}
	return wait
}

// Counters returns what the Door has seen.
func (d *Door) Counters() Counters { return d.counters }

// Evict closes the connection that has been without a request for longest, if
// there is one, and reports whether there was.
func (d *Door) Evict() bool {
	var oldest *conn
	d.conns.Each(func(c *conn) {
		if oldest == nil && (c.state == idle || c.state == lingering) {
			oldest = c
		}
	})
	if oldest == nil {
		return false
	}
	oldest.close(false)
	return true
}

// Drain has every connection finish the request that has come, and close.
func (d *Door) Drain() {
	d.draining = true
	d.release(func(*conn) bool { return true })
}

// Leave does so for the connections of one Gate.
func (d *Door) Leave(g *front.Gate) {
	d.release(func(c *conn) bool { return c.gate == g })
}

func (d *Door) release(some func(c *conn) bool) {
	d.conns.Each(func(c *conn) {
		switch {
		case c.state != idle || !some(c):
		case c.requests == 0:
			c.await(firstOctets)
		default:
			c.leave()
		}
	})
}

// Close cuts every connection at once. Servers that hold an Exchange are told by
// Gone with exchange.ErrShutdown at the end of the turn.
func (d *Door) Close() {
	d.draining = true
	d.conns.Each(func(c *conn) { c.lost(exchange.ErrShutdown) })
}
