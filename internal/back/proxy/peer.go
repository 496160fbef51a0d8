package proxy

import (
	"log/slog"
	"sync/atomic"
	"time"
)

// A peer is one address of an upstream, as one Proxy uses it. It is shared by all
// loops: what changes is atomic, but for the turns, each of which is its shard's.
type peer struct {
	*endpoint
	cfg       *Config
	log       *slog.Logger
	name      string // for logs: the upstream as it was written, and the address if that says more
	weight    int
	backup    bool
	authority []byte
	seed      uint64 // of its place among consistent hashes
	token     []byte // what a client's cookie says of it
	turns     []int  // of round robin, one a loop

	sick    *atomic.Bool // that of health if this Proxy checks it
	removed atomic.Bool  // DNS no longer knows it
	left    atomic.Bool  // it gets no request any more
}

// maxEjection is how many times eject_time an ejection grows to.
const maxEjection = 10

// available reports whether the peer may get a request now. Where that one is to
// find out whether the peer is well again, trial is true.
func (p *peer) available(now int64) (ok, trial bool) {
	if p.sick.Load() || p.removed.Load() {
		return false, false
	}
	until := p.until.Load()
	switch {
	case until == 0 || p.cfg.MaxFails < 0: // another Proxy may leave it alone
		return true, false
	case now < until:
		return false, false
	}
	return !p.trying.Load(), true
}

// share is the weight of the peer now, in 256ths: during its slow start it is less
// than it will be.
func (p *peer) share(now int64) int {
	w := p.weight << 8
	at := p.recovered.Load()
	if at == 0 || p.cfg.SlowStart == 0 {
		return w
	}
	if at == firstUse {
		p.recovered.CompareAndSwap(at, now)
		at = now
	}
	passed := now - at
	if passed >= int64(p.cfg.SlowStart) {
		p.recovered.CompareAndSwap(at, 0)
		return w
	}
	return max(p.weight<<8/10, int(float64(w)*float64(passed)/float64(p.cfg.SlowStart)), 1)
}

// succeeded notes that the peer answered.
func (p *peer) succeeded(now int64) {
	if p.fails.Load() != 0 {
		p.fails.Store(0)
	}
	if until := p.until.Load(); until != 0 && now >= until && p.until.CompareAndSwap(until, 0) {
		p.ejections.Store(0)
		p.recovered.Store(now)
		p.trying.Store(false)
		p.log.Info("an upstream is well again", "upstream", p.name)
	}
}

// failed notes that the peer failed. mayEject says that it is not the last one.
func (p *peer) failed(now int64, mayEject func() bool) {
	fails := p.fails.Add(1)
	until := p.until.Load()
	trial := until != 0 && now >= until
	if p.cfg.MaxFails < 0 || until != 0 && !trial || !trial && int(fails) < p.cfg.MaxFails {
		return
	}
	if !trial && !mayEject() {
		return
	}
	times := min(int64(1)<<min(p.ejections.Load(), 10), maxEjection)
	pause := int64(p.cfg.EjectTime) * times
	if p.until.CompareAndSwap(until, now+pause) {
		p.ejections.Add(1)
		p.trying.Store(false)
		p.log.Warn("an upstream is left alone", "upstream", p.name, "failures", fails, "for", time.Duration(pause))
	}
}
