package http3

import (
	"time"

	"rickhouse/internal/loop"
)

// alarm is a timer that has been set. It is over once the stream's timers have
// another one, or none, for the same loop.Timer.
type alarm struct {
	s     *stream
	t     *loop.Timer
	clock *time.Timer
}

// Run implements exchange.Task.
func (a *alarm) Run() {
	if a.s.timers[a.t] == a {
		delete(a.s.timers, a.t)
		a.t.Task.Run()
	}
}

// SetTimer has t.Task run at a time on the scale of Now, as a Loop does; t.Active
// does not tell of it. WebSockets need timers.
func (s *stream) SetTimer(t *loop.Timer, at int64) {
	s.StopTimer(t)
	if s.timers == nil {
		s.timers = map[*loop.Timer]*alarm{}
	}
	a := &alarm{s: s, t: t}
	s.timers[t] = a
	a.clock = time.AfterFunc(time.Duration(at-s.f.now()), func() { s.Post(a) })
}

// StopTimer has t.Task not run.
func (s *stream) StopTimer(t *loop.Timer) {
	if a := s.timers[t]; a != nil {
		a.clock.Stop()
		delete(s.timers, t)
	}
}

// stopTimers stops all.
func (s *stream) stopTimers() {
	for t := range s.timers {
		s.StopTimer(t)
	}
}
