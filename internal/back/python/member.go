package python

import (
	"errors"
	"fmt"
	"os"
	"time"

	"rickhouse/internal/exchange"
	rfc6455 "rickhouse/internal/wire/websocket"
	wire "rickhouse/internal/wire/worker"
	"rickhouse/internal/worker"
)

// member is one worker of an App, and the requests that it holds. It belongs to
// the home loop.
type member struct {
	app    *App
	place  *place
	number int
	w      *worker.Worker
	jobs   []*job // by slot
	held   list   // those that are watched: they wait for the application
	calm   list   // the others, see atLeisure

	began     int64  // when it was started
	loaded    bool   // it has been ready
	answered  bool   // it has said something about a request
	served    int    // requests that it is done with
	enough    int    // requests after which it is recycled; 0: never
	steps     uint64 // requests that it began or ended
	seen      uint64 // steps at the last turn of the recall timer
	idleSince int64  // when it was done with the last of what it held
	last      int64  // when the newest started request began
	slow      bool   // a recall found it so; it is sent nothing ahead until it is done with something
	silent    int64  // since when it does not read what it is sent, or 0; it is sent nothing
	retired   int64  // since when it is to go once it holds nothing, or 0
	stuck     bool   // a request of it timed out; it is to go in any case
	abandoned bool   // what it held was cut
	killAt    int64  // when it is killed, or 0
	killFor   error  // why, then
}

// WorkerReady implements worker.Owner.
func (m *member) WorkerReady(w *worker.Worker) {
	a := m.app
	if asgi := w.Info.Interface == "asgi"; !a.settled {
		a.asgi.Store(asgi)
	} else if asgi != a.asgi.Load() {
		w.Kill(fmt.Errorf("the application speaks %s now; start the server again", w.Info.Interface))
		return
	}
	m.loaded = true
	a.log.Info("worker ready", "worker", m.number, "pid", w.PID(), "took", time.Duration(a.parts.Loop.Now()-m.began).Round(time.Millisecond))
	info := w.Info
	a.settle(&info, nil)
	m.place.ready(m)
	m.stopIfIdle()
	a.dispatch()
}

// WorkerFailed implements worker.Owner.
func (m *member) WorkerFailed(_ *worker.Worker, f wire.Failure) {
	a := m.app
	err := &StartError{Err: errors.New(f.Error), Traceback: f.Traceback}
	if a.settled && !a.failed {
		a.log.Error("a worker cannot load the application", "worker", m.number, "error", f.Error, "traceback", f.Traceback)
	}
	a.settle(nil, err)
}

// WorkerGone implements worker.Owner: what had not started is queued again at
// the front, the rest is decided upon.
func (m *member) WorkerGone(w *worker.Worker, why error) {
	a := m.app
	switch {
	case a.failed: // that is what OnFailed was told
	case m.retired != 0 && !m.stuck:
		a.log.Info("worker ended", "worker", m.number, "pid", w.PID(), "reason", why, "held", m.load())
	case !a.stopping:
		a.log.Error("worker ended", "worker", m.number, "pid", w.PID(), "reason", why, "held", m.load())
	}
	for m.load() > 0 {
		j := m.calm.last
		if j == nil {
			j = m.held.last
		}
		started := w.Started(j.slot, j.slotGeneration)
		m.release(j)
		if started {
			a.lostStarted(j, m.number, why)
		} else {
			a.requeue(j)
		}
	}
	m.place.gone(m)
	if a.needed() && !a.settled {
		a.settle(nil, &StartError{Err: fmt.Errorf("the worker ended before the application was loaded: %w", why)})
	}
	a.dispatch()
	a.stopped()
}

// release takes j from the worker's list, not giving back its slot.
func (m *member) release(j *job) {
	j.leave()
	m.jobs[j.slot] = nil
	j.m = nil
	m.idleSince = m.app.parts.Loop.Now()
}

// requeue puts j where it came from: it is older than all that wait.
func (a *App) requeue(j *job) {
	switch {
	case j.x == nil || j.gone:
		j.abort(exchange.ErrClientGone)
		a.free(j)
	case j.forwarded:
		j.fail(&exchange.Error{Status: 502, Reason: "the worker ended after part of the request content had been given to it"})
		a.free(j)
	default:
		j.since = a.parts.Loop.Now()
		a.queue.pushFront(j)
	}
}

// lostStarted decides about a request whose worker ended while it ran.
func (a *App) lostStarted(j *job, number int, why error) {
	if j.ws != nil && j.ws.accepted {
		j.ws.leaveWorker(rfc6455.CodeRestart)
	}
	if j.x == nil {
		a.free(j)
		return
	}
	j.deaths++
	r := &j.x.Request
	name := fmt.Sprintf("%s %s", r.Method, r.RawPath)
	if a.canRerun(j) {
		a.log.Warn("a request is run again, as its worker ended", "request", name, "worker", number)
		j.rerun()
		j.since = a.parts.Loop.Now()
		a.queue.pushFront(j)
		return
	}
	if a.stopping {
		a.lost++
	}
	if j.deaths > 1 {
		a.log.Error("a request ended two workers and is not run again", "request", name, "worker", number)
	}
	j.fail(&exchange.Error{Status: 502, Reason: "the worker that ran the request ended", Err: why})
	a.free(j)
}

// canRerun: only what is safe by its method (RFC 9110 §9.2.1), of which nothing
// was sent, once, and where the route allows it.
func (a *App) canRerun(j *job) bool {
	r := &j.x.Request
	safe := string(r.Method) == "GET" || r.IsHead()
	return safe && !j.answering && !j.forwarded && !j.gone && j.deaths < 2 && !j.x.Route.NoRerun && a.inTime()
}

// ready reports whether the worker takes requests.
func (m *member) ready() bool {
	return m.w.State() == worker.Ready && !m.stuck && m.silent == 0
}

// load is how many requests the worker holds.
func (m *member) load() int { return m.held.n + m.calm.n }

// sort puts j into the list it belongs to.
func (m *member) sort(j *job) {
	to := &m.held
	if j.atLeisure() {
		to = &m.calm
	}
	if j.in != to {
		j.leave()
		to.pushBack(j)
	}
}

// atLeisure reports whether an ASGI application may take its time with j: it has
// answered, or begun to while the client is there. A stream of events may be quiet
// for hours, and what goes on behind an answer that is complete keeps nobody
// waiting.
func (j *job) atLeisure() bool {
	switch {
	case j.ended:
	case j.ws != nil && j.ws.accepted:
		return j.ws.open
	case !j.answering || j.x == nil || j.halfClosed:
		return false
	}
	return j.app.asgi.Load()
}

// retire has the worker end as soon as it holds nothing. What it has not started
// goes elsewhere.
func (m *member) retire() {
	if m.retired != 0 {
		return
	}
	m.retired = m.app.parts.Loop.Now()
	m.w.Retire()
	m.closeSockets(rfc6455.CodeRestart)
	m.takeBack()
	m.stopIfIdle()
}

// stopIfIdle ends a worker that holds nothing, if it is to go and there is
// nothing to come.
func (m *member) stopIfIdle() {
	a := m.app
	switch {
	case m.load() > 0 || m.retired == 0 && !a.stopping:
	case m.retired == 0 && a.queue.n > 0 && a.inTime():
	case m.w.State() == worker.Starting:
		m.w.Kill(exchange.ErrShutdown)
	default:
		m.w.Stop()
		if m.retired != 0 {
			m.endWithin(a.cfg.RequestGrace, errNoEnd)
		}
	}
}

// endWithin bounds what is left of the worker's life, if it is not yet.
func (m *member) endWithin(d time.Duration, why error) {
	if m.killAt == 0 {
		m.killAt, m.killFor = m.app.parts.Loop.Now()+int64(d), why
		m.app.armWatch()
	}
}

// outstay gives up what a recycled worker still holds, as the next worker of its
// place is to be recycled, too.
func (m *member) outstay(now int64) {
	if m.retired != 0 && m.killAt == 0 && now-m.retired > int64(m.app.cfg.RequestTimeout) {
		m.app.log.Warn("what a recycled worker still runs is cut", "worker", m.number, "held", m.load())
		m.abandon(m.app.cfg.RequestGrace, &exchange.Error{Status: 503, Reason: "the worker was replaced long ago"})
	}
}

// abandon cuts what the worker holds, and ends it. An ASGI application is let
// know, and runs its lifespan's shutdown if it takes no longer than bound.
func (m *member) abandon(bound time.Duration, why error) {
	a := m.app
	if !a.asgi.Load() || m.stuck || m.silent != 0 || m.w.State() == worker.Starting {
		m.w.Kill(why)
		return
	}
	if m.abandoned {
		return
	}
	m.abandoned = true
	m.retire()
	if at := a.parts.Loop.Now() + int64(bound); m.killAt == 0 || m.killAt > at {
		m.killAt, m.killFor = at, why
	}
	for _, l := range []*list{&m.held, &m.calm} {
		var all []*job
		for j := l.first; j != nil; j = j.next {
			all = append(all, j)
		}
		for _, j := range all {
			m.w.Cancel(j.slot, j.slotGeneration, wire.Cut)
			if a.stopping && j.x != nil {
				a.lost++
			}
			j.fail(why)
			m.sort(j)
		}
	}
}

var errNoEnd = errors.New("the worker did not end when it was stopped")

// WorkerFrame implements worker.Owner.
func (m *member) WorkerFrame(_ *worker.Worker, h wire.Header, payload []byte, file *os.File) error {
	j := m.jobs[h.Slot]
	m.answered, m.silent = true, 0
	j.progress = m.app.parts.Loop.Now()
	return m.app.answer(m, j, h, payload, file)
}
