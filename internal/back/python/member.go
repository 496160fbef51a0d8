package python

import (
	"errors"
	"fmt"
	"os"
	"time"

	"rickhouse/internal/exchange"
	"rickhouse/internal/loop"
	wire "rickhouse/internal/wire/worker"
	"rickhouse/internal/worker"
)

// member is one of an App's places for a worker: the worker that has it now and
// the requests that it holds. It belongs to the home loop.
type member struct {
	app    *App
	number int
	w      *worker.Worker // nil between a worker's end and the next one's start
	jobs   [worker.Slots]*job
	held   list

	timer  loop.Timer // starts the next worker
	began  int64      // when w was started
	futile int        // ends in a row without an answer
	served bool       // w has answered something
	steps  uint64     // requests that w began or ended
	seen   uint64     // steps at the last turn of the recall timer
	slow   bool       // a recall found it so; it is sent nothing ahead until it is done with something
	loaded bool       // w has been ready
	stuck  bool       // a request of it timed out; it is to be replaced
	killAt int64      // when its grace ends, if stuck
	last   int64      // when the newest started request began
}

func (m *member) start() {
	a := m.app
	if !a.needed() {
		a.stopped()
		return
	}
	m.began = a.parts.Loop.Now()
	m.slow, m.loaded, m.stuck, m.served, m.steps, m.seen, m.last = false, false, false, false, 0, 0, 0
	m.w = worker.Start(a.parts.Loop, a.parts.Spawner, a.parts.Program, wire.Settings{
		Target: a.cfg.Target(), Directory: a.parts.Program.Directory, Interface: a.iface(),
		Threads: a.cfg.Threads, Workers: a.cfg.Workers, Worker: m.number, Name: a.parts.Name,
		StreamInput: a.cfg.StreamInput, Twin: a.cfg.Twin, Server: a.parts.Server,
	}, m, a.parts.Output, a.log)
	a.armWatch()
}

func (a *App) iface() string {
	if a.cfg.Interface == "auto" && a.cfg.WSGI != "" && a.cfg.ASGI == "" {
		return "auto"
	}
	return a.cfg.Interface
}

// WorkerReady implements worker.Owner.
func (m *member) WorkerReady(w *worker.Worker) {
	a := m.app
	m.loaded = true
	a.log.Info("worker ready", "worker", m.number, "pid", w.PID(), "took", time.Duration(a.parts.Loop.Now()-m.began).Round(time.Millisecond))
	info := w.Info
	a.settle(&info, nil)
	m.stopIfIdle()
	a.dispatch()
}

// WorkerFailed implements worker.Owner.
func (m *member) WorkerFailed(_ *worker.Worker, f wire.Failure) {
	a := m.app
	err := &StartError{Err: errors.New(f.Error), Traceback: f.Traceback}
	if a.settled {
		a.log.Error("a worker cannot load the application", "worker", m.number, "error", f.Error, "traceback", f.Traceback)
	}
	a.settle(nil, err)
}

// WorkerGone implements worker.Owner: what had not started is queued again at
// the front, the rest is decided upon.
func (m *member) WorkerGone(w *worker.Worker, why error) {
	a := m.app
	if !a.stopping {
		a.log.Error("worker ended", "worker", m.number, "pid", w.PID(), "reason", why, "held", m.held.n)
	}
	for m.held.last != nil {
		j := m.held.last
		started := w.Started(j.slot, j.slotGeneration)
		m.release(j)
		if started {
			a.lostStarted(j, m.number, why)
		} else {
			a.requeue(j)
		}
	}
	m.w = nil
	switch {
	case !a.needed():
	case !a.settled:
		a.settle(nil, &StartError{Err: fmt.Errorf("the worker ended before the application was loaded: %w", why)})
	default:
		m.restart()
		a.dispatch()
	}
	a.stopped()
}

// restart starts the next worker: at once after one that answered something or
// lived long, else after a pause that doubles from 100 ms.
func (m *member) restart() {
	if m.served || m.app.parts.Loop.Now()-m.began > longLife {
		m.futile = 0
		m.start()
		return
	}
	delay := min(m.app.cfg.MaxRestartDelay, 100*time.Millisecond<<min(m.futile, 20))
	m.futile++
	m.app.log.Warn("a worker is started again after a pause", "worker", m.number, "pause", delay)
	m.app.parts.Loop.SetTimer(&m.timer, m.app.parts.Loop.Now()+int64(delay))
}

// longLife is how long a worker has to live for its end to be no start that
// failed.
const longLife = int64(10 * time.Second)

// release takes j from the worker's list, not giving back its slot.
func (m *member) release(j *job) {
	j.leave()
	m.jobs[j.slot] = nil
	j.m = nil
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
	return m.w != nil && m.w.State() == worker.Ready && !m.stuck
}

// stopIfIdle ends the worker of a stopping App that holds nothing, if there is
// nothing to come.
func (m *member) stopIfIdle() {
	a := m.app
	if !a.stopping || m.w == nil || m.held.n > 0 || a.queue.n > 0 && a.inTime() {
		return
	}
	if m.w.State() == worker.Starting {
		m.w.Kill(exchange.ErrShutdown)
	} else {
		m.w.Stop()
	}
}

// WorkerFrame implements worker.Owner.
func (m *member) WorkerFrame(w *worker.Worker, h wire.Header, payload []byte, file *os.File) error {
	j := m.jobs[h.Slot]
	m.served = true
	j.progress = m.app.parts.Loop.Now()
	return m.app.answer(m, j, h, payload, file)
}
