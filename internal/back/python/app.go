package python

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"rickhouse/internal/exchange"
	"rickhouse/internal/loop"
	"rickhouse/internal/spool"
	wire "rickhouse/internal/wire/worker"
	"rickhouse/internal/worker"
)

// Parts is what an App is made of besides its Config.
type Parts struct {
	// Name is how logs and routes call the application.
	Name string
	// Server is the product and version, for SERVER_SOFTWARE.
	Server string
	// Loop is the App's home: everything of it runs there.
	Loop    *loop.Loop
	Spawner *worker.Spawner
	Program worker.Program
	Store   *spool.Store
	// Memory is how much request content is kept in memory, in octets; more than
	// maxMemory counts as that, as it has to fit into a frame.
	Memory int
	// Output gets what the application prints.
	Output worker.Output
	Log    *slog.Logger
	// OnReady is called once, on Loop, when the first worker is ready.
	OnReady func(wire.Info)
	// OnFailed is called once, on Loop, instead of OnReady, if the first worker to
	// end does so before any was ready.
	OnFailed func(*StartError)
}

// StartError says why an application could not be started.
type StartError struct {
	Err error
	// Traceback is what Python has to say about it, or empty.
	Traceback string
}

// Error returns the reason in one line.
func (e *StartError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *StartError) Unwrap() error { return e.Err }

// App runs one Python application. Serve may be called on any Executor; all
// else belongs to the home loop.
type App struct {
	cfg   Config
	parts Parts
	log   *slog.Logger

	members []*member
	queue   list
	idle    []*job // for use again
	// estimate is the expected time of one request in nanoseconds, a moving
	// average; 0 before the first.
	estimate int64
	scratch  exchange.Response

	watch  loop.Timer // queue deadline, request and start timeouts
	recall loop.Timer // what was sent ahead and does not start

	settled  bool // OnReady or OnFailed was called
	stopping bool
	closed   bool // nothing is taken any more
	onStop   func(lost int)
	lost     int
	stopAt   int64
}

// New makes an App that is not started. cfg must be valid.
func New(cfg Config, parts Parts) *App {
	parts.Memory = min(parts.Memory, maxMemory)
	a := &App{cfg: cfg.WithDefaults(), parts: parts, log: parts.Log.With("app", parts.Name)}
	a.watch.Task = exchange.TaskFunc(a.watchTurn)
	a.recall.Task = exchange.TaskFunc(a.recallTurn)
	return a
}

// Start starts the workers. Call it on the home loop.
func (a *App) Start() {
	for i := range a.cfg.Workers {
		m := &member{app: a, number: i + 1}
		m.timer.Task = exchange.TaskFunc(m.start)
		a.members = append(a.members, m)
		m.start()
	}
}

// Stop lets the workers finish what they have started and what waits, for no
// longer than bound, and calls done on the home loop with the number of requests
// that were lost. Nothing may be served after it. Call it on the home loop.
func (a *App) Stop(bound time.Duration, done func(lost int)) {
	a.stopping = true
	a.onStop = done
	a.stopAt = a.parts.Loop.Now() + int64(bound)
	a.stopIdle()
	a.armWatch()
	a.stopped()
}

// Kill ends every worker at once. What they held is answered when they are
// gone. Call it on the home loop.
func (a *App) Kill() {
	a.stopping, a.closed = true, true
	a.killAll()
	a.stopped()
}

func (a *App) killAll() {
	a.stopAt = a.parts.Loop.Now()
	for _, m := range a.members {
		if m.w != nil {
			m.w.Kill(exchange.ErrShutdown)
		}
	}
}

// stopIdle ends the workers of a stopping App that have nothing to do.
func (a *App) stopIdle() {
	for _, m := range a.members {
		m.stopIfIdle()
	}
}

// needed reports whether workers are still worth starting: a stopping App wants
// them for what waits only.
func (a *App) needed() bool { return !a.stopping || a.queue.n > 0 && a.inTime() }

// inTime reports whether a request may still be run.
func (a *App) inTime() bool {
	return !a.closed && (!a.stopping || a.parts.Loop.Now() < a.stopAt)
}

// stopped ends a stopping App once no worker is left or to come.
func (a *App) stopped() {
	if !a.stopping {
		return
	}
	for _, m := range a.members {
		if m.w != nil || m.timer.Active() && a.needed() {
			return
		}
	}
	a.closed = true
	for a.queue.first != nil {
		j := a.queue.first
		j.leave()
		a.lost++
		j.fail(errShutdown())
		a.free(j)
	}
	for _, m := range a.members {
		a.parts.Loop.StopTimer(&m.timer)
	}
	a.parts.Loop.StopTimer(&a.watch)
	a.parts.Loop.StopTimer(&a.recall)
	if done := a.onStop; done != nil {
		a.onStop = nil
		done(a.lost)
	}
}

func errShutdown() error {
	return &exchange.Error{Status: 503, Reason: "the server is shutting down", Err: exchange.ErrShutdown}
}

// Serve implements exchange.Handler: it takes the request content in, unless
// the application wants it as it comes, and queues the request.
func (a *App) Serve(x *exchange.Exchange) {
	near := x.Executor == exchange.Executor(a.parts.Loop)
	var j *job
	if near {
		j = a.newJob()
	} else {
		j = &job{app: a}
	}
	j.x, j.near, j.received = x, near, x.Executor.Now()
	j.generation = x.Generation
	x.Server = j
	switch {
	case !x.HasContent:
		j.submit()
	case a.cfg.StreamInput:
		j.streamed = true
		j.submit()
	case near && a.full():
		j.fail(a.overload("the queue is full"))
		a.free(j)
	default:
		j.collect()
	}
}

// enqueue takes a job whose request can be sent. It runs on the home loop.
func (a *App) enqueue(j *job) {
	switch {
	case j.gone:
		j.abort(exchange.ErrClientGone)
		a.free(j)
		return
	case a.closed:
		j.fail(errShutdown())
		a.free(j)
		return
	case a.full():
		j.fail(a.overload("the queue is full"))
		a.free(j)
		return
	}
	j.queued = a.parts.Loop.Now()
	j.since = j.queued
	a.queue.pushBack(j)
	a.armWatch()
	a.dispatch()
}

// full reports whether the queue takes no more.
func (a *App) full() bool { return a.queue.n >= a.cfg.QueueLimit }

func (a *App) overload(why string) error {
	return &exchange.Error{
		Status: 503, RetryAfter: time.Second,
		Reason: fmt.Sprintf("%s: %d requests wait for %d workers", why, a.queue.n, len(a.members)),
	}
}

func (a *App) newJob() *job {
	if n := len(a.idle); n > 0 {
		j := a.idle[n-1]
		a.idle = a.idle[:n-1]
		return j
	}
	return &job{app: a}
}

const (
	// maxIdle bounds the jobs that are kept for use again, maxIdleContent the
	// octets of content that each keeps room for.
	maxIdle        = 256
	maxIdleContent = 16 << 10
	maxMemory      = wire.MaxPayload / 2
)

// free ends a job's life. Jobs of other loops are left to the collector, as a
// message about them may still be on its way.
func (a *App) free(j *job) {
	j.leave()
	j.closeContent()
	if !j.near {
		return
	}
	content := j.content[:0]
	if cap(content) > maxIdleContent {
		content = nil
	}
	*j = job{app: a, content: content}
	if len(a.idle) < maxIdle {
		a.idle = append(a.idle, j)
	}
}

// settle tells how starting went, once.
func (a *App) settle(info *wire.Info, failure *StartError) {
	if a.settled {
		return
	}
	a.settled = true
	if info != nil {
		a.parts.OnReady(*info)
	} else {
		a.parts.OnFailed(failure)
	}
}

var errTimeout = errors.New("the request timed out")
