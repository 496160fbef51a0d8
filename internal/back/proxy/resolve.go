package proxy

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// A record is an address that a name stands for.
type record struct {
	addr   address
	weight int
	backup bool
}

// lookup asks where u is, and how long the answer holds: 0 if that is not known. Where
// part of it takes long it gives some what it has found so far, on its own goroutine. It
// is a dialer's, or a test's.
type lookup func(ctx context.Context, u *upstream, some func([]record)) (records []record, ttl time.Duration, err error)

// resolveTimeout bounds one look-up.
const resolveTimeout = 5 * time.Second

// place is an upstream with the peers it has. It is its follower's.
type place struct {
	u      upstream
	fixed  bool      // there is nothing to look up
	asked  bool      // it has been looked up, or need not be
	peers  []*peer   // mu guards it against others
	found  []record  // the last answer
	due    time.Time // when it is looked up next
	failed string    // the last error, or ""
}

// resolver keeps the peers of names as DNS has them. Each name has a goroutine, so that
// none waits for another.
type resolver struct {
	p       *Proxy
	lookup  lookup
	follows bool         // another Proxy
	places  []*place     // in the order of the upstreams
	unasked atomic.Int64 // how many of them have not been asked for

	mu      sync.Mutex
	answers map[string]resolved // by the upstream as it was written
}

// resolved is what DNS has said last of a name, and until when it holds.
type resolved struct {
	u       upstream
	records []record
	due     time.Time
}

// open makes the peers of addresses, and those of names that the Proxy before, which
// may be nil, has looked up.
func (r *resolver) open(before *Proxy) error {
	p := r.p
	r.follows, r.answers = before != nil, map[string]resolved{}
	for _, text := range p.cfg.Upstreams {
		u, err := parseUpstream(text)
		if err != nil {
			return err
		}
		p.multiplexed = u.multiplexed()
		p.measured = p.measured || p.protocolOf(u.scheme).needsLength()
		of := &place{u: u, asked: true}
		if addr, ok := u.fixed(); ok {
			of.fixed = true
			of.peers = append(of.peers, p.newPeer(&of.u, record{addr, u.weight, u.backup}, u.text, r.follows))
		} else if before == nil || !r.inherit(of, before.resolver) {
			of.asked = false
			r.unasked.Add(1)
			p.unresolved.Store(true)
		}
		r.places = append(r.places, of)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.publish()
	return nil
}

// inherit gives a name the peers that another resolver knows, and reports whether it
// knows any. They hold as long as they would have there.
func (r *resolver) inherit(of *place, from *resolver) bool {
	from.mu.Lock()
	known, ok := from.answers[of.u.text]
	from.mu.Unlock()
	if !ok || of.u.srv && of.u.backup != known.u.backup {
		return false // of a service DNS tells weights and backups
	}
	for _, rec := range known.records {
		if !of.u.srv {
			rec.weight, rec.backup = of.u.weight, of.u.backup
		}
		of.found = append(of.found, rec)
	}
	of.peers, of.due = r.peersOf(of, of.found), known.due
	r.note(of)
	return true
}

// note keeps what DNS has said of a name for a Proxy to come.
func (r *resolver) note(of *place) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answers[of.u.text] = resolved{of.u, of.found, of.due}
}

// publish makes the peers known to all loops. Its caller holds mu.
func (r *resolver) publish() {
	var peers []*peer
	for _, of := range r.places {
		peers = append(peers, of.peers...)
	}
	r.p.peers.Store(&peers)
}

// begin has names looked up.
func (r *resolver) begin() {
	for _, of := range r.places {
		if !of.fixed {
			r.p.workers.Go(func() { r.follow(of) })
		}
	}
}

// follow looks a name up whenever the answer about it no longer holds.
func (r *resolver) follow(of *place) {
	for {
		r.look(of)
		select {
		case <-r.p.stop.Done():
			return
		case <-time.After(time.Until(of.due)):
		}
	}
}

// look looks a name up if that is due, and notes when it will be.
func (r *resolver) look(of *place) {
	if of.due.After(time.Now()) {
		return
	}
	ttl, known := r.resolve(of)
	if ttl == 0 {
		ttl = r.p.cfg.ResolveInterval
	}
	of.due = time.Now().Add(ttl)
	if known {
		r.note(of)
	}
	if !of.asked {
		if of.asked = true; r.unasked.Add(-1) == 0 {
			r.p.unresolved.Store(false)
		}
	}
}

// resolve brings the peers of a name up to date, and returns how long they hold, or 0.
// Where it cannot be looked up they stay, and known is false.
func (r *resolver) resolve(of *place) (ttl time.Duration, known bool) {
	ctx, cancel := context.WithTimeout(r.p.stop, resolveTimeout)
	defer cancel()
	records, ttl, err := r.lookup(ctx, &of.u, func(some []record) { r.add(of, some) })
	if err == nil && len(records) == 0 {
		err = errors.New("there is no address")
	}
	if err != nil {
		if text := err.Error(); of.failed != text && r.p.stop.Err() == nil {
			of.failed = text
			r.p.log.Warn("an upstream's name cannot be looked up", "upstream", of.u.text, "error", err)
		}
		return 0, false
	}
	of.failed, of.found = "", records
	r.update(of)
	return ttl, true
}

// add gives a name peers that were found, beside those it has.
func (r *resolver) add(of *place, records []record) {
	all := slices.Clone(of.found)
	for _, rec := range records {
		if !slices.Contains(all, rec) {
			all = append(all, rec)
		}
	}
	if len(all) > len(of.found) {
		of.found = all
		r.update(of)
	}
}

// peersOf returns the peers that records are about: those of before, and new ones.
func (r *resolver) peersOf(of *place, records []record) []*peer {
	var now []*peer
	for _, rec := range records {
		if find(now, rec) != nil {
			continue
		}
		peer := find(of.peers, rec)
		if peer == nil {
			peer = r.p.newPeer(&of.u, rec, of.u.text+" ("+rec.addr.String()+")", r.follows || len(of.peers) > 0)
		}
		now = append(now, peer)
	}
	return now
}

// update gives a name the peers that were found.
func (r *resolver) update(of *place) {
	before, now := of.peers, r.peersOf(of, of.found)
	changed := len(now) != len(before)
	for _, peer := range now {
		if !slices.Contains(before, peer) {
			changed = true
			r.p.adopt(peer)
		}
	}
	if !changed {
		return
	}
	r.mu.Lock()
	of.peers = now
	r.publish()
	r.mu.Unlock()
	r.p.log.Info("an upstream's addresses have changed", "upstream", of.u.text, "addresses", len(now))
	for _, peer := range before {
		if !slices.Contains(now, peer) {
			peer.removed.Store(true)
			r.p.leave(peer)
		}
	}
}

// find returns the peer that a record is about, or nil.
func find(peers []*peer, rec record) *peer {
	for _, p := range peers {
		if p.addr == rec.addr && p.weight == rec.weight && p.backup == rec.backup {
			return p
		}
	}
	return nil
}
