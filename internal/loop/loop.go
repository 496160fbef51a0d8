package loop

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"rickhouse/internal/exchange"
)

// Config is what a Loop can be told. The zero value is usable.
type Config struct {
	// OnPanic is told, on the Loop, of a panic in anything that the Loop called.
	// The rest of that turn is put off to the next. If the panic came from a
	// Stream's Handler, that Handler's Hup is called with a *PanicError, and the
	// Stream is reset if Hup did not close it: whoever is served by a broken
	// Handler gets nothing more from it. If OnPanic is nil the panic goes on and
	// ends the process.
	OnPanic func(value any, stack []byte)
}

// PanicError is what Hup gets after the Handler has panicked.
type PanicError struct{ Value any }

// Error says what the panic's value was.
func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Value) }

// A Loop runs Streams, timers and tasks on the goroutine that calls Run. A turn
// is: the events of sockets, posted tasks, due timers, deferred tasks.
type Loop struct {
	cfg    Config
	clock  clock
	timers timers
	poll   poller
	inbox  inbox
	posted queue // what this turn took from the inbox
	later  queue // what was deferred
	pumps  map[*pump]struct{}
	doors  map[*Acceptor]struct{}

	shaking map[*secure]struct{} // TLS Streams whose handshake is not done
	scratch secureScratch

	// current is the Stream whose Handler is being called, and broken one whose
	// Handler has panicked.
	current, broken attached
	panicked        any
	stop            atomic.Bool
}

// attached is a Stream as the Loop sees it.
type attached interface {
	Stream
	handler() Handler
	open() bool
}

// inbox is the part of a Loop that other goroutines touch.
type inbox struct {
	mu     sync.Mutex
	tasks  []exchange.Task
	asleep bool // the Loop waits and whoever clears this must wake it
	closed bool
	filled atomic.Bool  // tasks is not empty
	wakers atomic.Int32 // goroutines that are about to wake the Loop
}

// queue is a list of tasks with a place in it, so that a panic loses none.
type queue struct {
	tasks []exchange.Task
	at    int
}

// keep is how many tasks' room a queue keeps after a burst.
const keep = 4096

// New makes a Loop. Run must be called, once, to free what it holds, even if
// only after Stop.
func New(cfg Config) (*Loop, error) {
	l := &Loop{
		cfg: cfg, clock: newClock(),
		pumps: map[*pump]struct{}{}, doors: map[*Acceptor]struct{}{}, shaking: map[*secure]struct{}{},
	}
	if err := l.poll.init(); err != nil {
		return nil, fmt.Errorf("start an event loop: %w", err)
	}
	return l, nil
}

// Run runs the Loop on the calling goroutine until Stop. It returns the error
// that kept it from waiting for events, or nil. Streams that are still attached
// are closed, without an event.
func (l *Loop) Run() error {
	defer l.close()
	for !l.stop.Load() {
		if err := l.turns(); err != nil {
			return fmt.Errorf("wait for events: %w", err)
		}
	}
	return nil
}

// Stop makes Run return after its current turn. Any goroutine may call it.
func (l *Loop) Stop() {
	l.stop.Store(true)
	l.Post(exchange.TaskFunc(func() {}))
}

// Post runs t on the Loop. Any goroutine may call it; tasks of one goroutine run
// in the order posted. Once Run has returned, tasks are dropped.
func (l *Loop) Post(t exchange.Task) {
	in := &l.inbox
	in.mu.Lock()
	if in.closed {
		in.mu.Unlock()
		return
	}
	in.tasks = append(in.tasks, t)
	in.filled.Store(true)
	wake := in.asleep
	if wake {
		in.asleep = false
		in.wakers.Add(1)
	}
	in.mu.Unlock()
	if wake {
		l.poll.wake()
		in.wakers.Add(-1)
	}
}

// Defer runs t at the end of this turn, before the Loop waits. Only the Loop may
// call it. A deferred task may defer again: that runs in the same turn too,
// unless it goes on and on.
func (l *Loop) Defer(t exchange.Task) { l.later.tasks = append(l.later.tasks, t) }

// turns runs turns until Stop or a panic. Recovering here and not at each call
// keeps events cheap.
func (l *Loop) turns() error {
	if l.cfg.OnPanic != nil {
		defer func() {
			if v := recover(); v != nil {
				l.broken, l.current, l.panicked = l.current, nil, v
				l.cfg.OnPanic(v, debug.Stack())
			}
		}()
	}
	for !l.stop.Load() {
		if l.broken != nil {
			l.dropBroken()
		}
		if err := l.poll.wait(l); err != nil {
			return err
		}
		l.clock.tick()
		l.poll.dispatch()
		l.current = nil
		l.runPosted()
		l.runTimers()
		l.runDeferred()
	}
	return nil
}

// dropBroken ends a Stream whose Handler has panicked.
func (l *Loop) dropBroken() {
	s := l.broken
	l.broken = nil
	if !s.open() {
		return
	}
	defer s.Close(true)
	s.handler().Hup(&PanicError{l.panicked})
}

func (l *Loop) runPosted() {
	q := &l.posted
	if q.at == len(q.tasks) {
		if !l.inbox.filled.Load() {
			return
		}
		q.reset()
		in := &l.inbox
		in.mu.Lock()
		q.tasks, in.tasks = in.tasks, q.tasks
		in.filled.Store(false)
		in.mu.Unlock()
	}
	q.run(len(q.tasks))
}

// runDeferred runs until nothing is deferred, within a few rounds: a task that
// keeps deferring itself must not keep the sockets waiting.
func (l *Loop) runDeferred() {
	q := &l.later
	for round := 0; round < 16 && q.at < len(q.tasks); round++ {
		q.run(len(q.tasks))
	}
	switch {
	case q.at == len(q.tasks):
		q.reset()
	case q.at > keep:
		q.tasks = append(q.tasks[:0], q.tasks[q.at:]...)
		q.at = 0
	}
}

// run runs the tasks before end.
func (q *queue) run(end int) {
	for q.at < end {
		t := q.tasks[q.at]
		q.tasks[q.at] = nil
		q.at++
		t.Run()
	}
}

func (q *queue) reset() {
	q.at = 0
	q.tasks = q.tasks[:0]
	if cap(q.tasks) > keep {
		q.tasks = nil
	}
}

// busy reports whether there is work that needs no waiting.
func (l *Loop) busy() bool {
	return l.inbox.filled.Load() || l.later.at < len(l.later.tasks) ||
		l.posted.at < len(l.posted.tasks) || l.stop.Load()
}

// sleep reports whether the Loop may wait: from then on a Post wakes it.
func (l *Loop) sleep() bool {
	in := &l.inbox
	in.mu.Lock()
	in.asleep = len(in.tasks) == 0 && !l.stop.Load()
	ok := in.asleep
	in.mu.Unlock()
	return ok
}

// awake ends sleep.
func (l *Loop) awake() {
	in := &l.inbox
	in.mu.Lock()
	in.asleep = false
	in.mu.Unlock()
}

// close frees everything. The descriptor that wakes the Loop must not be closed
// under somebody who is about to write to it.
func (l *Loop) close() {
	in := &l.inbox
	in.mu.Lock()
	in.closed = true
	in.tasks = nil
	in.mu.Unlock()
	for in.wakers.Load() != 0 {
		runtime.Gosched()
	}
	for a := range l.doors {
		a.Close()
	}
	for s := range l.shaking {
		s.Close(false)
	}
	for p := range l.pumps {
		p.Close(false)
	}
	l.poll.close()
}
