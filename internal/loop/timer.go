package loop

import (
	"math"
	"time"

	"rickhouse/internal/exchange"
)

// A Timer runs its Task once, at a time. It is made to be embedded; the zero
// value is a stopped Timer. Only the Loop touches it. It must stay where it is
// while it is set.
type Timer struct {
	// Task is run when the time has come; the Timer is stopped by then.
	Task exchange.Task
	at   int64 // what it was set to last
	pos  int32 // place in the heap, from 1; 0 when stopped
}

// Active reports whether the Timer is set.
func (t *Timer) Active() bool { return t.pos != 0 }

// timers is a binary heap by time. The times lie in the heap itself, so that
// sifting touches no Timer but those it moves.
type timers []timerEntry

type timerEntry struct {
	at int64
	t  *Timer
}

// SetTimer sets or moves t to the time at, on the scale of Now. It is run at the
// end of the first turn that begins then or later, in order of time, within
// about a millisecond. It takes O(log n) and allocates nothing.
func (l *Loop) SetTimer(t *Timer, at int64) {
	t.at = at
	if t.pos == 0 {
		l.timers = append(l.timers, timerEntry{at, t})
		t.pos = int32(len(l.timers))
		l.timers.up(len(l.timers) - 1)
		return
	}
	i := int(t.pos - 1)
	old := l.timers[i].at
	l.timers[i].at = at
	if at < old {
		l.timers.up(i)
	} else {
		l.timers.down(i)
	}
}

// Hasten has t run at the time at, or before if it is set to that; 0 changes nothing.
// It is for a deadline that often moves away: a timer that comes too early can be
// set again then, which is cheaper than to move it each time.
func (l *Loop) Hasten(t *Timer, at int64) {
	if at != 0 && (!t.Active() || at < t.at) {
		l.SetTimer(t, at)
	}
}

// StopTimer stops t, if it is set.
func (l *Loop) StopTimer(t *Timer) {
	if t.pos != 0 {
		l.timers.remove(int(t.pos - 1))
	}
}

func (h *timers) remove(i int) {
	s := *h
	s[i].t.pos = 0
	last := len(s) - 1
	moved := s[last]
	s[last] = timerEntry{}
	*h = s[:last]
	if i == last {
		return
	}
	s[i] = moved
	moved.t.pos = int32(i + 1)
	h.down(i)
	h.up(int(moved.t.pos - 1))
}

func (h timers) up(i int) {
	e := h[i]
	for i > 0 {
		parent := (i - 1) / 2
		if h[parent].at <= e.at {
			break
		}
		h.put(i, h[parent])
		i = parent
	}
	h.put(i, e)
}

func (h timers) down(i int) {
	e := h[i]
	for {
		child := 2*i + 1
		if child >= len(h) {
			break
		}
		if child+1 < len(h) && h[child+1].at < h[child].at {
			child++
		}
		if e.at <= h[child].at {
			break
		}
		h.put(i, h[child])
		i = child
	}
	h.put(i, e)
}

func (h timers) put(i int, e timerEntry) {
	h[i] = e
	e.t.pos = int32(i + 1)
}

// runTimers runs what is due. What a Task sets anew waits for the next turn at
// the earliest once everything that was set before has had its chance.
func (l *Loop) runTimers() {
	for n := len(l.timers); n > 0 && len(l.timers) > 0 && l.timers[0].at <= l.clock.now; n-- {
		t := l.timers[0].t
		l.timers.remove(0)
		t.Task.Run()
	}
}

// untilTimer is the time to the earliest timer in whole milliseconds, rounded
// up so that waking finds it due; -1 if there is none.
func (l *Loop) untilTimer() int {
	if len(l.timers) == 0 {
		return -1
	}
	d := l.timers[0].at - l.clock.now
	if d <= 0 {
		return 0
	}
	const ms = int64(time.Millisecond)
	return int(min((d-1)/ms+1, math.MaxInt32))
}
