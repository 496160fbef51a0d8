package http2

import (
	"time"

	"rickhouse/internal/exchange"
	"rickhouse/internal/front"
	"rickhouse/internal/loop"
	semantics "rickhouse/internal/wire/http1"
)

const (
	// readSize is the most octets read at a time.
	readSize = 64 << 10
	// maxSpare is how many streams a Door keeps for later, and maxBuffers how many
	// buffers of either kind.
	maxSpare   = 256
	maxBuffers = 64
	// drainPatience is how long a client may take to have read that no new
	// streams are wanted, before those it opens are refused.
	drainPatience = int64(time.Second)
)

// Counters are what a Door has seen. Read them on its Loop.
type Counters struct {
	front.Counters
	Resets uint64 // streams that clients have reset
	Closed uint64 // connections closed for a mistake of the client's
}

// Door is a Front's part on one Loop. See the package comment: only the Loop may
// call its methods.
type Door struct {
	f        *Front
	l        *loop.Loop
	settings *Settings        // of now
	conns    front.List[conn] // oldest first
	spare    []*stream
	small    pool   // for what comes in pieces
	large    pool   // for what is to be written
	scratch  []byte // what is being read
	block    []byte // a head in the making
	nobody   exchange.Client
	reply    semantics.Reply
	counters Counters
	draining bool
}

// Serve serves a connection, which is the Door's from now on.
func (d *Door) Serve(h front.Handoff) {
	c := d.newConn(h)
	h.Stream.SetHandler(c)
	d.conns.Push(&c.link)
	d.counters.Accepted++
	d.counters.Open++
	c.open()
	d.counters.OctetsIn += uint64(len(h.Read))
	c.received(h.Read)
}

// Use has d go by other settings from now on: connections that come, and requests
// that begin.
func (d *Door) Use(s *Settings) { d.settings = s }

// Counters returns what the Door has seen.
func (d *Door) Counters() Counters { return d.counters }

// Evict closes the connection that has been without a request for longest, if
// there is one, and reports whether there was. It does not wait for the client.
func (d *Door) Evict() bool {
	var oldest *conn
	d.conns.Each(func(c *conn) {
		if c.state == serving && c.idleBy != 0 && (oldest == nil || c.idleBy < oldest.idleBy) {
			oldest = c
		}
	})
	if oldest == nil {
		return false
	}
	oldest.evict()
	return true
}

// Drain has every connection finish the requests that have come, and close. The
// clients are told in two steps (RFC 9113 §6.8), so that what they sent before
// they knew is answered too.
func (d *Door) Drain() {
	d.draining = true
	d.conns.Each((*conn).drain)
}

// Leave does so for the connections of one Gate.
func (d *Door) Leave(g *front.Gate) {
	d.conns.Each(func(c *conn) {
		if c.gate == g {
			c.drain()
		}
	})
}

// Close cuts every connection at once. Servers that hold an Exchange are told by
// Gone with exchange.ErrShutdown at the end of the turn.
func (d *Door) Close() {
	d.draining = true
	d.conns.Each(func(c *conn) { c.lost(exchange.ErrShutdown) })
}

// pool keeps buffers of up to so many octets for later.
type pool struct {
	most int
	list [][]byte
}

// get returns an empty buffer, or nil.
func (p *pool) get() []byte {
	n := len(p.list)
	if n == 0 {
		return nil
	}
	b := p.list[n-1]
	p.list = p.list[:n-1]
	return b
}

// put takes a buffer back.
func (p *pool) put(b []byte) {
	if cap(b) > 0 && cap(b) <= p.most && len(p.list) < maxBuffers {
		p.list = append(p.list, b[:0])
	}
}
