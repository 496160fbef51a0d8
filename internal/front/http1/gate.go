package http1

import (
	"slices"

	"rickhouse/internal/exchange"
	"rickhouse/internal/front"
	"rickhouse/internal/listen"
	"rickhouse/internal/loop"
)

// gate is a listening socket on the Loop of a Door.
type gate struct {
	front.Gate
	d        *Door
	ln       *listen.Listener // nil for a gate that accepts nothing
	addr     listen.Addr
	handler  exchange.Handler
	entrance *entrance      // of the connections that come now
	acceptor *loop.Acceptor // nil when it accepts no more
	conns    int            // its connections, those handed over among them
	timer    loop.Timer
	until    int64 // when the last look for more connections is, at the latest
	shutDown func()
}

func (d *Door) newGate(ln *listen.Listener, addr listen.Addr, h exchange.Handler) *gate {
	g := &gate{d: d, ln: ln, addr: addr, handler: h}
	g.timer.Task = exchange.TaskFunc(g.shut)
	g.open()
	return g
}

// open has what comes go by the Door's settings.
func (g *gate) open() {
	s := g.d.settings
	g.Extra = s.Extra
	if s.HTTP3 {
		g.Extra = append(slices.Clone(g.Extra), altSvc(g.addr.Port))
	}
	g.entrance = g.d.newEntrance(g)
}

// Leave takes in what the kernel has accepted from ln, accepts no more from it, and
// lets the connections that came that way be answered, as Drain does. done is called
// once, on the Loop, when ln is not used any more; connections may still be there.
// Call Quiesce on ln first.
func (d *Door) Leave(ln *listen.Listener, done func()) {
	for _, g := range d.gates {
		if g.ln == ln && !g.Leaving {
			g.shutDown = done
			g.leave()
			d.release(func(c *conn) bool { return c.o.gate == g })
			if d.f.parts.Leave != nil {
				d.f.parts.Leave(d, &g.Gate)
			}
			return
		}
	}
	d.l.Defer(exchange.TaskFunc(done))
}

// leave begins to end accepting.
func (g *gate) leave() {
	if g.Leaving {
		return
	}
	g.Leaving = true
	if g.acceptor == nil {
		return
	}
	g.acceptor.Pause()
	_, _ = g.acceptor.DrainBacklog() // again in shut
	g.until = g.d.l.Now() + lastRounds
	g.d.l.SetTimer(&g.timer, g.d.l.Now()+lastOnes)
}

// shut takes in what has come since, and ends accepting once there is nothing
// else to wait for.
func (g *gate) shut() {
	d := g.d
	_, err := g.acceptor.DrainBacklog()
	waits := g.conns > 0 || d.draining && d.counters.Open > 0
	if now := d.l.Now(); waits && now < g.until {
		d.l.SetTimer(&g.timer, now+lastOnes)
		return
	}
	if err != nil {
		d.f.parts.Log.Warn("some connections that the kernel had accepted are lost", "error", err)
	}
	g.close()
	if g.shutDown != nil {
		d.gates = slices.DeleteFunc(d.gates, func(other *gate) bool { return other == g })
		d.l.Defer(exchange.TaskFunc(g.shutDown))
	}
	d.checkDrained()
}

// close ends accepting at once.
func (g *gate) close() {
	g.Leaving = true
	g.d.l.StopTimer(&g.timer)
	if g.acceptor != nil {
		g.acceptor.Close()
		g.acceptor = nil
	}
}

// closed is told of each of its connections that is gone.
func (g *gate) closed() {
	g.conns--
	g.d.closed()
}
