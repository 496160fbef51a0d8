package python

import (
	"fmt"
	"time"

	"rickhouse/internal/exchange"
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
			a.killAll()
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
	if m.w == nil {
		return false
	}
	if !m.loaded && now-m.began > int64(a.cfg.StartTimeout) {
		m.w.Kill(fmt.Errorf("the application was not imported within %v (start_timeout)", a.cfg.StartTimeout))
	}
	var overdue []*job
	for j := m.held.first; j != nil; j = j.next {
		if m.overdue(j, now) {
			overdue = append(overdue, j)
		}
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
	if m.stuck && (now >= m.killAt || m.hopeless(now)) {
		m.w.Kill(errTimeout)
	}
	return m.held.n > 0 || m.stuck || !m.loaded
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

// timeout answers for an application that does not, and has its worker
// replaced: nothing can end the request within it.
func (m *member) timeout(j *job) {
	a := m.app
	j.timedOut = true
	name := "(nobody waits for it)"
	if j.x != nil {
		name = fmt.Sprintf("%s %s", j.x.Request.Method, j.x.Request.RawPath)
	}
	a.log.Error("a request made no progress in time; its worker is replaced",
		"request", name, "worker", m.number, "timeout", a.cfg.RequestTimeout)
	m.w.Cancel(j.slot, j.slotGeneration)
	m.replace()
	j.fail(&exchange.Error{Status: 504, Reason: "the application did not answer in time", Err: errTimeout})
}

// replace has the worker ended as soon as nothing that it runs is worth waiting
// for, or its grace is over. What it has not started goes elsewhere.
func (m *member) replace() {
	if m.stuck {
		return
	}
	m.stuck = true
	m.killAt = m.app.parts.Loop.Now() + int64(m.app.cfg.RequestGrace)
	m.w.Retire()
	if m.takeBack() > 0 {
		m.app.dispatch()
	}
}

// hopeless reports whether nothing that the worker holds is worth waiting for.
func (m *member) hopeless(now int64) bool {
	for j := m.held.first; j != nil; j = j.next {
		if !j.timedOut && (j.running || !m.overdue(j, now)) {
			return false
		}
	}
	return true
}
