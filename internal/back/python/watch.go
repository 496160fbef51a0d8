package python

import (
	"fmt"
	"time"

	"rickhouse/internal/exchange"
	rfc6455 "rickhouse/internal/wire/websocket"
	wire "rickhouse/internal/wire/worker"
)

// armWatch lets the watch run while there is something to watch.
func (a *App) armWatch() {
	if !a.watch.Active() {
		a.parts.Loop.SetTimer(&a.watch, a.parts.Loop.Now()+a.period())
	}
}

// period is how often the watch looks: often enough for the shortest bound.
func (a *App) period() int64 {
	shortest := min(a.cfg.RequestTimeout, a.cfg.QueueDeadline, a.cfg.StartTimeout)
	return int64(min(250*time.Millisecond, max(10*time.Millisecond, shortest/8)))
}

func (a *App) watchTurn() {
	now := a.parts.Loop.Now()
	a.expire(now)
	again := a.queue.n > 0 || a.stopping
	for _, m := range a.members {
		again = m.watchTurn(now) || again
	}
	if a.stopping {
		a.stopIdle()
		if now >= a.stopAt {
			a.cutAll()
		}
		a.stopped()
	}
	if again && !a.closed {
		a.armWatch()
	}
	a.dispatch()
}

// expire answers for what has waited too long. They are set apart first, as an
// answer may bring the next request at once.
func (a *App) expire(now int64) {
	var late list
	for j := a.queue.first; j != nil; {
		next := j.next
		if now-j.since > int64(a.cfg.QueueDeadline) {
			j.leave()
			late.pushBack(j)
		}
		j = next
	}
	for late.first != nil {
		j := late.first
		j.leave()
		j.fail(a.overload("no worker was free in time"))
		a.free(j)
	}
}

// watchTurn looks after one worker; it reports whether there is more to watch.
func (m *member) watchTurn(now int64) bool {
	a := m.app
	if !m.loaded && now-m.began > int64(a.cfg.StartTimeout) {
		m.w.Kill(fmt.Errorf("the application was not imported within %v (start_timeout)", a.cfg.StartTimeout))
	}
	m.heed(now)
	var overdue []*job
	hung := false
	for j := m.held.first; j != nil; j = j.next {
		hung = hung || j.timedOut && now >= j.killAt
		if m.overdue(j, now) {
			overdue = append(overdue, j)
		}
	}
	if hung && !m.stuck {
		a.log.Error("a request did not end when it was cancelled; its worker is replaced",
			"worker", m.number, "grace", a.cfg.RequestGrace)
		m.replace()
	}
	for _, j := range overdue {
		switch {
		case j.m != m || m.stuck && !j.running:
		case j.running:
			m.timeout(j)
		default:
			a.log.Error("a worker does not begin with what it was sent; it is replaced",
				"worker", m.number, "timeout", a.cfg.RequestTimeout)
			m.replace()
		}
	}
	switch {
	case m.stuck && m.hopeless(now):
		m.w.Kill(errTimeout)
	case m.killAt != 0 && now >= m.killAt:
		m.w.Kill(m.killFor)
	}
	return m.held.n > 0 || m.stuck || !m.loaded || m.silent != 0 || m.killAt != 0
}

// overdue reports whether the application shows no progress with j, or does not
// begin with it. Time in which it waits for the client, to send or to take
// octets, does not count: the front bounds that.
func (m *member) overdue(j *job, now int64) bool {
	switch {
	case j.timedOut:
		return false
	case !j.running && m.w.Started(j.slot, j.slotGeneration):
		j.running = true
		j.progress = now
	case j.running && j.waits():
		j.progress = now
	}
	return now-j.progress > int64(m.app.cfg.RequestTimeout)
}

// waits reports whether it is the client that has to do something.
func (j *job) waits() bool {
	if j.x == nil {
		return false
	}
	return j.window < wire.MaxContent || j.streamed && j.demanded && j.contentEnd == 0 && j.unread < contentCredit
}

// timeout answers for an application that does not. An ASGI application can end
// the request; else its worker is replaced, as nothing can end it within.
func (m *member) timeout(j *job) {
	a := m.app
	j.timedOut = true
	name := "(nobody waits for it)"
	if j.x != nil {
		name = fmt.Sprintf("%s %s", j.x.Request.Method, j.x.Request.RawPath)
	}
	m.w.Cancel(j.slot, j.slotGeneration, wire.Cut)
	if a.asgi.Load() {
		a.log.Error("a request made no progress in time; it is cancelled",
			"request", name, "worker", m.number, "timeout", a.cfg.RequestTimeout)
		j.killAt = a.parts.Loop.Now() + int64(a.cfg.RequestGrace)
	} else {
		a.log.Error("a request made no progress in time; its worker is replaced",
			"request", name, "worker", m.number, "timeout", a.cfg.RequestTimeout)
		m.replace()
	}
	j.fail(&exchange.Error{Status: 504, Reason: "the application did not answer in time", Err: errTimeout})
}

// replace has the worker ended as soon as nothing that it runs is worth waiting
// for, or its grace is over. What it has not started goes elsewhere, and the next
// worker starts at once.
func (m *member) replace() {
	if m.stuck {
		return
	}
	m.stuck = true
	m.endWithin(m.app.cfg.RequestGrace, errTimeout)
	m.w.Retire()
	m.closeSockets(rfc6455.CodeRestart)
	m.place.follow(m)
	if m.takeBack() > 0 {
		m.app.dispatch()
	}
}

// hopeless reports whether nothing that the worker holds is worth waiting for.
func (m *member) hopeless(now int64) bool {
	if m.calm.n > 0 {
		return false
	}
	for j := m.held.first; j != nil; j = j.next {
		if !j.timedOut && (j.running || !m.overdue(j, now)) {
			return false
		}
	}
	return true
}

const (
	// beginsWithin is how long a worker may take to begin with what it has room
	// for if another one has room, too, and readsWithin if none has.
	beginsWithin = int64(100 * time.Millisecond)
	readsWithin  = int64(time.Second)
)

// heed takes from a worker what it does not begin with, although it has room for
// it, while there are others that may: it is stopped, or starved, or in the hands
// of one request that lets nothing else run. It gets nothing more until it says
// something, or has read what was written to it and a while is over.
func (m *member) heed(now int64) {
	a := m.app
	if m.silent != 0 {
		switch {
		case now-m.silent > readsWithin && m.w.Unread() == 0:
			m.silent = 0
		case now-m.silent > int64(a.cfg.RequestTimeout) && !m.stuck:
			a.log.Error("a worker does not read what it is sent; it is replaced", "worker", m.number, "timeout", a.cfg.RequestTimeout)
			m.replace()
		}
		return
	}
	if !m.loaded || m.stuck || !m.w.Info.Recall {
		return
	}
	var oldest int64
	for j := m.held.first; j != nil; j = j.next {
		if !j.running && !j.behind && !j.forwarded && !m.w.Started(j.slot, j.slotGeneration) {
			oldest = max(oldest, now-j.sent)
		}
	}
	other := a.besides(m)
	if oldest < beginsWithin || other == nil || oldest < readsWithin && other.load() >= a.limit() {
		return
	}
	a.log.Warn("a worker does not begin with what it was sent; others get it", "worker", m.number,
		"after", time.Duration(oldest).Round(time.Millisecond))
	m.silent = now
	if m.takeBack() > 0 {
		a.dispatch()
	}
}

// besides returns the worker, m apart, that takes requests and holds least, or
// nil.
func (a *App) besides(m *member) *member {
	var best *member
	for _, o := range a.members {
		if o != m && o.ready() && (best == nil || o.load() < best.load()) {
			best = o
		}
	}
	return best
}
