package python

import (
	"math/rand/v2"
	"slices"
	"time"

	"rickhouse/internal/exchange"
	"rickhouse/internal/loop"
	wire "rickhouse/internal/wire/worker"
	"rickhouse/internal/worker"
)

// place is one of an App's places for a worker. A worker that is to go may still
// be there while the next one starts and serves: the App's members are all that
// there are. It belongs to the home loop.
type place struct {
	app    *App
	number int // from 1; workers of one place have the same

	current *member    // takes requests, or starts; nil between two
	coming  *member    // starts, to take current's place once it is ready
	next    loop.Timer // starts the next worker
	futile  int        // ends in a row without an answer
	notNow  int64      // current is not to be recycled before
	idle    loop.Timer // looks whether current has been idle for long
}

// newPlace makes a place without a worker.
func (a *App) newPlace(number int) *place {
	p := &place{app: a, number: number}
	p.next.Task = exchange.TaskFunc(p.start)
	p.idle.Task = exchange.TaskFunc(p.lookIdle)
	return p
}

// start starts a worker to be the current one.
func (p *place) start() {
	a := p.app
	if !a.needed() {
		a.stopped()
		return
	}
	p.current = p.spawn()
}

func (p *place) spawn() *member {
	a := p.app
	m := &member{app: a, place: p, number: p.number, began: a.parts.Loop.Now()}
	if n := a.cfg.MaxRequests; n > 0 {
		m.enough = n + rand.IntN(a.cfg.MaxRequestsJitter+1)
	}
	a.members = append(a.members, m)
	m.w = worker.Start(a.parts.Loop, a.parts.Spawner, a.parts.Program, wire.Settings{
		Target: a.cfg.Target(), Static: a.cfg.Static == "auto", Directory: a.parts.Program.Directory, Interface: a.cfg.Interface,
		Threads: a.cfg.Threads, Concurrency: a.cfg.Concurrency, Slots: a.slots(),
		Workers: a.cfg.Workers, Worker: p.number, Name: a.parts.Name,
		StreamInput: a.cfg.StreamInput, Twin: a.cfg.Twin, Server: a.parts.Server,
		PythonPath: a.cfg.PythonPath, Umask: a.cfg.Umask, DisplayName: a.cfg.DisplayName,
	}, m, a.parts.Output, a.log)
	a.armWatch()
	return m
}

// slots is how many requests a worker can be sent: those that it holds at once,
// and what is sent ahead or was given up and is not over.
func (a *App) slots() int {
	if a.cfg.Interface == "wsgi" {
		return moreSlots
	}
	return a.cfg.Concurrency + moreSlots
}

// follow gives m's place to the next worker while m is still there: the one that
// is coming, or one that is started now. There is one that leaves at most; if
// there are more the next one has to wait for the end of one of them.
func (p *place) follow(m *member) {
	if p.current != m {
		return
	}
	p.current, p.coming = p.coming, nil
	if p.current == nil && p.count() == 1 {
		p.start()
	}
}

// count is how many workers of the place there are.
func (p *place) count() int {
	n := 0
	for _, m := range p.app.members {
		if m.place == p {
			n++
		}
	}
	return n
}

// gone is told that m has ended.
func (p *place) gone(m *member) {
	a := p.app
	a.members = slices.DeleteFunc(a.members, func(o *member) bool { return o == m })
	switch {
	case p.coming == m:
		p.coming = nil
		p.notNow = a.parts.Loop.Now() + int64(a.cfg.MaxRestartDelay)
	case p.current == m:
		p.current, p.coming = p.coming, nil
		if p.current == nil && a.needed() && a.settled {
			p.restart(m)
		}
	case p.current == nil && !p.next.Active():
		p.start()
	}
}

// restart starts the worker that follows m: at once after one that answered
// something or lived long, else after a pause that doubles from 100 ms.
func (p *place) restart(m *member) {
	a := p.app
	if m.answered || a.parts.Loop.Now()-m.began > longLife {
		p.futile = 0
		p.start()
		return
	}
	delay := min(a.cfg.MaxRestartDelay, 100*time.Millisecond<<min(p.futile, 20))
	p.futile++
	a.log.Warn("a worker is started again after a pause", "worker", p.number, "pause", delay)
	a.parts.Loop.SetTimer(&p.next, a.parts.Loop.Now()+int64(delay))
}

// longLife is how long a worker has to live for its end to be no start that
// failed.
const longLife = int64(10 * time.Second)

// recycle starts the worker that is to take the place of the current one, which
// has served enough and goes on until then. Workers start one at a time: it may
// have to be called again.
func (p *place) recycle(now int64) {
	if m := p.current; m != nil && m.enough != 0 && m.served >= m.enough {
		p.renew(now, "a worker has served enough and is replaced")
	}
}

// renew starts the worker that is to take the place of the current one, if that
// can be now.
func (p *place) renew(now int64, why string) {
	a, m := p.app, p.current
	if p.coming != nil || a.stopping || now < p.notNow {
		return
	}
	for _, o := range a.members {
		if o.place == p && o != m {
			o.outstay(now)
			return
		}
		if !o.loaded {
			return
		}
	}
	a.log.Info(why, "worker", p.number, "requests", m.served)
	p.coming = p.spawn()
}

// ready is told that m, which was started, takes requests from now on.
func (p *place) ready(m *member) {
	p.watchIdle(m.app.parts.Loop.Now())
	if p.coming == m {
		old := p.current
		p.current, p.coming = m, nil
		old.retire()
	}
}

// watchIdle looks again, inactivity_timeout from a time on, if there is one.
func (p *place) watchIdle(from int64) {
	a := p.app
	if d := a.cfg.InactivityTimeout; d > 0 && !a.stopping && !p.idle.Active() {
		a.parts.Loop.SetTimer(&p.idle, from+int64(d))
	}
}

// lookIdle replaces a worker that has served something, and then nothing for
// inactivity_timeout: one that has served nothing would follow itself.
func (p *place) lookIdle() {
	a, m := p.app, p.current
	now := a.parts.Loop.Now()
	from := now
	if m != nil && m.served > 0 && m.load() == 0 {
		if now-m.idleSince >= int64(a.cfg.InactivityTimeout) {
			p.renew(now, "a worker has been idle for long and is replaced")
		} else {
			from = m.idleSince
		}
	}
	p.watchIdle(from)
}
