package http1

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"rickhouse/internal/exchange"
	"rickhouse/internal/front"
	"rickhouse/internal/listen"
	"rickhouse/internal/loop"
	wire "rickhouse/internal/wire/http1"
)

const (
	// headRead is the most octets read at a time while they may be a head, and
	// the most that wait for a Server that has not demanded them.
	headRead = 16 << 10
	// bulkRead is the most octets of content read at a time.
	bulkRead = 64 << 10
	// maxSpare is how many works a Door keeps for later.
	maxSpare = 256
	// evictions is how many idle connections go when files run out.
	evictions = 8
	// retryAfter is how soon a Door that has paused looks again.
	retryAfter = int64(100 * time.Millisecond)
	// firstOctets is how long, when draining, a new connection may take to send
	// what it has been accepted for, and an answered client to hang up.
	firstOctets = int64(time.Second)
	// lastOnes is how long after Drain began connections are still accepted, and
	// how often it is looked for more while there are others to be answered, for
	// no longer than lastRounds: a slow handshake may have been under way.
	lastOnes   = int64(20 * time.Millisecond)
	lastRounds = int64(time.Second)
)

// Counters are what a Door has seen. Read them on its Loop.
type Counters struct {
	front.Counters
	Idle    int    // connections now that are waiting for a request
	Evicted uint64 // idle connections closed to make room
}

// Door is a Front's part on one Loop. See the package comment: only the Loop may
// call its methods.
type Door struct {
	f        *Front
	l        *loop.Loop
	settings *Settings        // of now
	maxOpen  int64            // by these
	idle     front.List[conn] // no request, or part of a head
	busy     front.List[conn]
	spare    []*work
	scratch  []byte // what is being read
	nobody   exchange.Client
	small    []byte // a piece of framing in the making
	output   front.OutputParts
	reply    wire.Reply
	counters Counters

	gates      []*gate
	paused     bool
	retry      loop.Timer
	nextReport int64
	draining   bool
	drained    func()
}

// Serve accepts connections from a listening socket, which must stay open until
// the Door has drained or is closed. If its address is TLS they are secured
// first.
func (d *Door) Serve(ln *listen.Listener) error {
	return d.ServeBy(ln, d.f.parts.Handler)
}

// ServeBy is Serve with another Handler for the requests that come this way.
func (d *Door) ServeBy(ln *listen.Listener, h exchange.Handler) error {
	g := d.newGate(ln, ln.Addr(), h)
	a, err := d.l.Accept(ln.FD(), loop.AcceptConfig{
		OnConn:  func(fd int, remote netip.AddrPort) { d.accepted(g, fd, remote) },
		OnError: d.refused,
	})
	if err != nil {
		return fmt.Errorf("serve %s: %w", ln.Addr(), err)
	}
	g.acceptor = a
	d.gates = append(d.gates, g)
	return nil
}

// ServeConn serves one connection of any kind, which is the Door's from now on.
// addr is where it came in.
func (d *Door) ServeConn(nc net.Conn, addr listen.Addr) {
	remote, _ := netip.ParseAddrPort(nc.RemoteAddr().String())
	c := d.newConn(d.newGate(nil, addr, d.f.parts.Handler).entrance, netip.AddrPortFrom(remote.Addr().Unmap().WithZone(""), remote.Port()))
	c.opened(d.l.AttachConn(nc, c))
}

func (d *Door) accepted(g *gate, fd int, remote netip.AddrPort) {
	o := g.entrance
	c := d.newConn(o, remote)
	attach := o.attach
	if o.announced(remote) {
		c.announcement = &announcement{}
		attach = attachClear
	}
	s, err := attach(d.l, fd, c)
	if err != nil {
		d.refused(err)
		return
	}
	c.opened(s)
	if d.f.open.Load() > d.maxOpen && !d.evict(c) {
		d.pause()
	}
	if o.Listen.Gateway != "" {
		c.handOff(d.f.parts.Gateway)
	}
}

// Use has d go by other settings from now on: connections that come, and requests
// that begin. Where there are more connections than may be, idle ones are closed,
// then accepting pauses.
func (d *Door) Use(s *Settings) {
	d.settings, d.maxOpen = s, s.maxOpen()
	for _, g := range d.gates {
		g.open()
	}
	for d.f.open.Load() > d.maxOpen && d.evict(nil) {
		continue
	}
	if d.f.open.Load() > d.maxOpen {
		d.pause()
	} else {
		d.unpause()
	}
}

// refused is told that the kernel has no file for a connection, or no room to
// watch it.
func (d *Door) refused(err error) {
	for range evictions {
		d.evict(nil)
	}
	if now := d.l.Now(); now >= d.nextReport {
		d.nextReport = now + int64(time.Second)
		d.f.parts.Log.Error("cannot accept connections: raise the limits of the system (ulimit -n, fs.epoll.max_user_watches) or lower max_connections",
			"error", err, "connections", d.f.open.Load())
	}
}

// evict closes the connection that has been idle for longest, if there is one
// besides c: one of those handed over where there is no other.
func (d *Door) evict(besides *conn) bool {
	c := d.idle.Oldest()
	if c == nil || c == besides {
		handed := d.f.parts.Evict != nil && d.f.parts.Evict(d)
		if handed {
			d.counters.Evicted++
		}
		return handed
	}
	d.counters.Evicted++
	c.close(false)
	return true
}

// pause stops accepting until a connection is gone.
func (d *Door) pause() {
	if d.paused || d.draining {
		return
	}
	d.paused = true
	for _, g := range d.gates {
		if g.acceptor != nil {
			g.acceptor.Pause()
		}
	}
	d.l.SetTimer(&d.retry, d.l.Now()+retryAfter)
}

// unpause goes on accepting if there is room, or makes some. Other Doors'
// connections count too, so that it looks again and again.
func (d *Door) unpause() {
	if !d.paused {
		return
	}
	if d.f.open.Load() >= d.maxOpen && !d.evict(nil) {
		d.l.SetTimer(&d.retry, d.l.Now()+retryAfter)
		return
	}
	d.paused = false
	d.l.StopTimer(&d.retry)
	for _, g := range d.gates {
		if !g.Leaving {
			g.acceptor.Resume()
		}
	}
}

// closed is told of each connection that is gone.
func (d *Door) closed() {
	d.f.open.Add(-1)
	d.counters.Open--
	if d.paused && d.f.open.Load() < d.maxOpen {
		d.unpause()
	}
	d.checkDrained()
}

// Drain takes in what the kernel has accepted, accepts no more, and lets what is
// there be answered: answers say "Connection: close", idle connections are
// closed. done is called once, on the Loop, when no connection is left. Call
// Quiesce on the listening sockets first, and Close when waiting has to end.
func (d *Door) Drain(done func()) {
	d.drained = done
	d.draining, d.paused = true, false
	d.l.StopTimer(&d.retry)
	for _, g := range d.gates {
		g.leave()
	}
	d.release(func(*conn) bool { return true })
	d.checkDrained()
}

// release closes the idle ones of some connections, but for those on which nothing
// has come yet.
func (d *Door) release(some func(c *conn) bool) {
	d.idle.Each(func(c *conn) {
		switch {
		case c.state != idle || !some(c):
		case c.requests == 0:
			c.until = min(c.until, d.l.Now()+firstOctets)
			c.arm()
		default:
			c.leave()
		}
	})
}

func (d *Door) checkDrained() {
	accepting := func(g *gate) bool { return g.acceptor != nil }
	if d.draining && d.drained != nil && d.counters.Open == 0 && !slices.ContainsFunc(d.gates, accepting) {
		d.l.Defer(exchange.TaskFunc(d.drained))
		d.drained = nil
	}
}

// Close cuts every connection at once and accepts no more. Servers that hold an
// Exchange are told by Gone with exchange.ErrShutdown at the end of the turn.
func (d *Door) Close() {
	d.draining, d.paused = true, false
	for _, g := range d.gates {
		g.close()
	}
	d.l.StopTimer(&d.retry)
	cut := func(c *conn) { c.lost(exchange.ErrShutdown) }
	d.idle.Each(cut)
	d.busy.Each(cut)
	d.checkDrained()
}

// Counters returns what the Door has seen.
func (d *Door) Counters() Counters { return d.counters }
