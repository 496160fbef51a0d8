package python

import (
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"rickhouse/internal/exchange"
	"rickhouse/internal/loop"
	"rickhouse/internal/spool"
	"rickhouse/internal/websocket"
	rfc6455 "rickhouse/internal/wire/websocket"
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
	// Store takes request content that is more than its Memory, or than maxMemory, as
	// it has to fit into a frame.
	Store *spool.Store
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

	places  []*place
	members []*member // the workers that are there, oldest first
	queue   list
	// asgi is whether the application speaks ASGI: known from the start, or once
	// a worker was ready.
	asgi     atomic.Bool
	acceptor *websocket.Acceptor
	idle     []*job // for use again
	// estimate is the expected time of one request in nanoseconds, a moving
	// average; 0 before the first.
	estimate int64
	scratch  exchange.Response

	watch  loop.Timer // queue deadline, request and start timeouts
	recall loop.Timer // what was sent ahead and does not start

	settled  bool // OnReady or OnFailed was called
	failed   bool // OnFailed was: no worker is started any more
	stopping bool
	draining bool // WebSockets are closed
	closed   bool // nothing is taken any more
	onStop   func(lost int)
	lost     int
	stopAt   int64
}

// New makes an App that is not started, or says what is wrong with cfg.
func New(cfg Config, parts Parts) (*App, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	a := &App{cfg: cfg.WithDefaults(), parts: parts, log: parts.Log.With("app", parts.Name)}
	a.watch.Task = exchange.TaskFunc(a.watchTurn)
	a.recall.Task = exchange.TaskFunc(a.recallTurn)
	a.asgi.Store(a.cfg.Interface == "asgi")
	var err error
	if a.acceptor, err = websocket.New(a.cfg.WebSocket); err != nil {
		return nil, err
	}
	return a, nil
}

// Start starts the workers. Call it on the home loop.
func (a *App) Start() {
	for i := range a.cfg.Workers {
		a.places = append(a.places, a.newPlace(i+1))
	}
	for _, p := range a.places {
		p.start()
	}
}

// Stop lets the workers finish what they have started and what waits, for no
// longer than bound, and calls done on the home loop with the number of requests
// that were lost. ASGI workers may take three seconds more for their lifespan's
// shutdown. Nothing may be served after it. Call it on the home loop.
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

// cutAll ends what the workers hold when the time of Stop is over.
func (a *App) cutAll() {
	for _, m := range a.members {
		m.abandon(lastWords, errShutdown())
	}
}

// lastWords is how long an ASGI application may take to shut down after the time
// of Stop is over.
const lastWords = 3 * time.Second

func (a *App) killAll() {
	a.stopAt = a.parts.Loop.Now()
	for _, m := range a.members {
		m.w.Kill(exchange.ErrShutdown)
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
func (a *App) needed() bool {
	return !a.failed && (!a.stopping || a.queue.n > 0 && a.inTime())
}

// inTime reports whether a request may still be run.
func (a *App) inTime() bool {
	return !a.closed && (!a.stopping || a.parts.Loop.Now() < a.stopAt)
}

// stopped ends a stopping App once no worker is left or to come.
func (a *App) stopped() {
	if !a.stopping {
		return
	}
	if len(a.members) > 0 {
		return
	}
	for _, p := range a.places {
		if p.next.Active() && a.needed() {
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
	for _, p := range a.places {
		a.parts.Loop.StopTimer(&p.next)
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
	case a.asgi.Load() && rfc6455.Requested(&x.Request):
		j.serveWebSocket(x)
	case !x.HasContent:
		j.submit()
	case a.streams(x):
		j.streamed = true
		j.submit()
	case near && a.full():
		j.fail(a.overload("the queue is full"))
		a.free(j)
	default:
		j.collect()
	}
}

// streams reports whether request content is passed on as it comes. An ASGI
// application gets what fits into one frame at once, and the rest as it comes: it
// can wait for it without keeping anybody else waiting.
func (a *App) streams(x *exchange.Exchange) bool {
	if !a.asgi.Load() {
		return a.cfg.StreamInput
	}
	length := x.Request.ContentLength
	return length < 0 || length > a.memory()
}

// memory is how many octets of request content are kept in memory.
func (a *App) memory() int64 { return min(a.parts.Store.Memory(), maxMemory) }

// limit is how many requests a worker runs at once.
func (a *App) limit() int {
	if a.asgi.Load() {
		return a.cfg.Concurrency
	}
	return a.cfg.Threads
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
		Reason: fmt.Sprintf("%s: %d requests wait for %d workers", why, a.queue.n, len(a.places)),
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
		a.failed = true
		a.parts.OnFailed(failure)
	}
}

var errTimeout = errors.New("the request timed out")
