package proxy

import (
	"rickhouse/internal/exchange"
	"rickhouse/internal/loop"
)

// pool holds the connections of one loop to one endpoint, and the requests that wait
// for one there: those of all shards of the loop that have it.
type pool struct {
	l  *loop.Loop
	at *endpoint
	sh *shard // of the Proxy in use: it has what rests, and the bounds are its

	idle  []*conn // the one used last is the last
	queue []*call // waits, oldest first
}

// take returns an idle connection, or nil. One that is to carry what cannot be sent
// twice is looked at first: an upstream may have closed it just now.
func (p *pool) take(careful bool) *conn {
	for n := len(p.idle); n > 0; n = len(p.idle) {
		c := p.idle[n-1]
		p.idle[n-1] = nil
		p.idle = p.idle[:n-1]
		if careful && !c.alive() {
			c.close(false)
			continue
		}
		return c
	}
	return nil
}

// put takes a connection that has become free: it goes to who waits, or rests.
func (p *pool) put(c *conn) {
	c.paused = false // the client of the last answer may have had enough of it
	c.s.Want(true, false)
	if w := p.nextWaiting(); w != nil {
		w.send(c)
		return
	}
	if p.at.unused.Load() || len(p.idle) >= p.sh.p.cfg.Keepalive || p.at.waiting.Load() > 0 {
		c.close(false)
		return
	}
	c.passTo(p.sh)
	p.idle = append(p.idle, c)
	c.rest()
}

// passTo gives what rests to the shard of another Proxy, as far as that wants it.
func (p *pool) passTo(s *shard) {
	p.sh = s
	for len(p.idle) > max(0, s.p.cfg.Keepalive) {
		p.idle[0].close(false)
	}
	for _, c := range p.idle {
		c.passTo(s)
		c.arm()
	}
}

// remove takes c out of the idle ones.
func (p *pool) remove(c *conn) {
	for i, o := range p.idle {
		if o == c {
			copy(p.idle[i:], p.idle[i+1:])
			p.idle[len(p.idle)-1] = nil
			p.idle = p.idle[:len(p.idle)-1]
			return
		}
	}
}

// reserve takes a place among the connections that the peer may have.
func (p *pool) reserve() bool {
	limit := int64(p.sh.p.cfg.MaxConnections)
	if n := p.at.open.Add(1); limit > 0 && n > limit {
		p.at.open.Add(-1)
		return false
	}
	return true
}

// closed is told that a connection has gone: there is room for another one, which
// somebody may wait for, here or on another loop.
func (p *pool) closed() {
	p.at.open.Add(-1)
	if p.at.waiting.Load() == 0 {
		return
	}
	p.l.Defer(exchange.TaskFunc(p.serveWaiting))
	for i := range p.at.pools {
		if o := &p.at.pools[i]; o != p {
			o.l.Post(exchange.TaskFunc(o.serveWaiting))
		}
	}
}

// serveWaiting makes connections for those that wait, as long as there is room.
func (p *pool) serveWaiting() {
	for len(p.queue) > 0 && p.reserve() {
		w := p.nextWaiting()
		w.dial(p)
	}
}

// wait has w wait for a connection, or reports that too many do.
func (p *pool) wait(w *call) bool {
	if p.at.waiting.Add(1) > int64(p.sh.p.cfg.Queue) {
		p.at.waiting.Add(-1)
		return false
	}
	p.queue = append(p.queue, w)
	p.l.Defer(exchange.TaskFunc(p.serveWaiting)) // one may have gone just before
	for i := range p.at.pools {
		if o := &p.at.pools[i]; o != p {
			o.l.Post(exchange.TaskFunc(o.yield))
		}
	}
	return true
}

// yield closes the connection that has been idle for longest, as somebody waits for
// its place on another loop.
func (p *pool) yield() {
	if len(p.idle) > 0 && p.at.waiting.Load() > int64(len(p.queue)) {
		p.idle[0].close(false)
	}
}

// nextWaiting takes the oldest out of the queue.
func (p *pool) nextWaiting() *call {
	if len(p.queue) == 0 {
		return nil
	}
	w := p.queue[0]
	p.leave(w)
	return w
}

// leave takes w out of the queue.
func (p *pool) leave(w *call) {
	for i, o := range p.queue {
		if o == w {
			copy(p.queue[i:], p.queue[i+1:])
			p.queue[len(p.queue)-1] = nil
			p.queue = p.queue[:len(p.queue)-1]
			p.at.waiting.Add(-1)
			w.queued = false
			p.l.StopTimer(&w.timer)
			return
		}
	}
}

// close closes what is idle.
func (p *pool) close() {
	for len(p.idle) > 0 {
		p.take(false).close(false)
	}
}
