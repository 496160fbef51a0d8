package python

import (
	"time"

	"rickhouse/internal/exchange"
)

const (
	// maxAhead bounds what one worker is sent ahead, in requests; time bounds it
	// first wherever a request takes more than a few microseconds.
	maxAhead = 64
	// maxBacklog is how much a worker may leave unread before it gets no more, in
	// octets.
	maxBacklog = 512 << 10
	// recallAfter is how long a worker may show no progress before what it was
	// sent ahead is taken back.
	recallAfter = int64(time.Millisecond)
)

// dispatch sends what waits to whoever can take it.
func (a *App) dispatch() {
	for a.queue.first != nil {
		m := a.pick()
		if m == nil {
			return
		}
		j := a.queue.first
		j.leave()
		m.send(j)
	}
}

// pick chooses the worker for the next request: one that has room, and of these
// the one with the least to do, else a busy one that can be sent something ahead;
// nil if the request has to wait.
func (a *App) pick() *member {
	limit := a.limit()
	if best := a.pickBelow(limit, false); best != nil || a.asgi.Load() || a.queue.first.streamed {
		return best
	}
	if extra := a.presend(); extra > 0 {
		return a.pickBelow(limit+extra, true)
	}
	return nil
}

// pickBelow chooses among the workers that hold less than limit.
func (a *App) pickBelow(limit int, ahead bool) *member {
	var best *member
	for _, m := range a.members {
		switch {
		case m.load() >= limit || best != nil && m.load() >= best.load() || !m.ready():
		case m.w.Backlog() > maxBacklog:
		case ahead && (m.slow || !m.w.Info.Recall):
		default:
			best = m
		}
	}
	return best
}

// presend is how many requests a busy worker may be sent ahead.
func (a *App) presend() int {
	if a.estimate == 0 {
		return 0
	}
	return int(min(maxAhead, int64(a.cfg.PresendTime)/a.estimate))
}

// sample takes a service time into the estimate.
func (a *App) sample(d int64) {
	d = max(d, int64(time.Microsecond))
	if a.estimate == 0 {
		a.estimate = d
		return
	}
	a.estimate += (d - a.estimate) / 8
}

// send gives the request to the worker.
func (m *member) send(j *job) {
	a := m.app
	call, file, err := j.call()
	var ok bool
	if err == nil {
		j.slot, j.slotGeneration, ok, err = m.w.Send(&j.x.Request, call, file)
	}
	if err != nil || !ok {
		j.fail(&exchange.Error{Status: 500, Reason: "the request cannot be given to the worker", Err: err})
		a.free(j)
		return
	}
	j.m = m
	for len(m.jobs) <= int(j.slot) {
		m.jobs = append(m.jobs, nil)
	}
	m.jobs[j.slot] = j
	j.behind = m.load() > 0 && !a.asgi.Load()
	m.held.pushBack(j)
	j.window = answerCredit
	j.sent = a.parts.Loop.Now()
	j.progress = j.sent
	j.x.Stats.Queued = j.queued
	j.x.Stats.Worker = m.number
	if m.load() > a.limit() {
		a.armRecall()
	}
	if j.streamed {
		j.stream()
	}
}

// takeBack recalls what the worker has not started; it is queued again in its
// old order, before all that came later.
func (m *member) takeBack() int {
	n := 0
	for j := m.held.last; j != nil; {
		older := j.prev
		if !j.running && !j.forwarded && m.w.Recall(j.slot, j.slotGeneration) {
			m.release(j)
			m.app.queue.pushFront(j)
			n++
		}
		j = older
	}
	return n
}

func (a *App) armRecall() {
	if !a.recall.Active() {
		a.parts.Loop.SetTimer(&a.recall, a.parts.Loop.Now()+recallAfter)
	}
}

// recallTurn runs every millisecond while something was sent ahead: a worker
// that showed no progress since the last turn loses what it has not started.
func (a *App) recallTurn() {
	again, took, limit := false, 0, a.limit()
	for _, m := range a.members {
		if m.load() <= limit {
			continue
		}
		if m.steps == m.seen {
			m.slow = true
			took += m.takeBack()
		}
		m.seen = m.steps
		again = again || m.load() > limit
	}
	if again {
		a.armRecall()
	}
	if took > 0 {
		a.dispatch()
	}
}
