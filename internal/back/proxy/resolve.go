package proxy

import (
	"context"
	"errors"
	"time"

	"rickhouse/internal/exchange"
	"rickhouse/internal/loop"
)

// A record is an address that a name stands for.
type record struct {
	addr   address
	weight int
	backup bool
}

// lookup asks where u is, and how long the answer holds: 0 if that is not known. It
// is a dialer's, or a test's.
type lookup func(ctx context.Context, u *upstream) (records []record, ttl time.Duration, err error)

// resolveTimeout bounds one look-up.
const resolveTimeout = 5 * time.Second

// place is an upstream with the peers it has.
type place struct {
	u      upstream
	fixed  bool // there is nothing to look up
	peers  []*peer
	due    time.Time // when it is looked up next
	failed string    // the last error, or ""
}

// resolver keeps the peers of names as DNS has them. It is one goroutine's.
type resolver struct {
	p      *Proxy
	lookup lookup
	places []*place // in the order of the upstreams
}

// openPeers makes the peers of addresses, and has names looked up.
func (p *Proxy) openPeers(find lookup) error {
	r := &resolver{p: p, lookup: find}
	names := 0
	for _, text := range p.cfg.Upstreams {
		u, err := parseUpstream(text)
		if err != nil {
			return err
		}
		p.multiplexed = u.multiplexed()
		p.measured = p.measured || p.protocolOf(u.scheme).needsLength()
		of := &place{u: u}
		if addr, ok := u.fixed(); ok {
			of.fixed = true
			of.peers = append(of.peers, p.newPeer(&of.u, record{addr, u.weight, u.backup}, u.text))
		} else {
			names++
		}
		r.places = append(r.places, of)
	}
	r.publish()
	if names > 0 {
		p.unresolved.Store(true)
		p.workers.Go(r.run)
	}
	return nil
}

// publish makes the peers known to all loops.
func (r *resolver) publish() {
	var peers []*peer
	for _, of := range r.places {
		peers = append(peers, of.peers...)
	}
	r.p.peers.Store(&peers)
}

// run looks names up, each when the answer about it no longer holds.
func (r *resolver) run() {
	for {
		next := r.round()
		r.p.unresolved.Store(false)
		select {
		case <-r.p.stop.Done():
			return
		case <-time.After(time.Until(next)):
		}
	}
}

// round looks up the names that are due, and returns when the next will be.
func (r *resolver) round() (next time.Time) {
	for _, of := range r.places {
		if of.fixed {
			continue
		}
		if !of.due.After(time.Now()) {
			ttl := r.resolve(of)
			if ttl == 0 {
				ttl = r.p.cfg.ResolveInterval
			}
			of.due = time.Now().Add(ttl)
		}
		if next.IsZero() || of.due.Before(next) {
			next = of.due
		}
	}
	return next
}

// resolve brings the peers of a name up to date, and returns how long they hold, or 0.
// Where it cannot be looked up they stay.
func (r *resolver) resolve(of *place) time.Duration {
	ctx, cancel := context.WithTimeout(r.p.stop, resolveTimeout)
	defer cancel()
	records, ttl, err := r.lookup(ctx, &of.u)
	if err == nil && len(records) == 0 {
		err = errors.New("there is no address")
	}
	if err != nil {
		if text := err.Error(); of.failed != text && r.p.stop.Err() == nil {
			of.failed = text
			r.p.log.Warn("an upstream's name cannot be looked up", "upstream", of.u.text, "error", err)
		}
		return 0
	}
	of.failed = ""
	r.update(of, records)
	return ttl
}

// update gives a name the peers that records are about.
func (r *resolver) update(of *place, records []record) {
	before := of.peers
	var now []*peer
	changed := false
	for _, rec := range records {
		if find(now, rec) != nil {
			continue
		}
		peer := find(before, rec)
		if peer == nil {
			changed = true
			peer = r.p.newPeer(&of.u, rec, of.u.text+" ("+rec.addr.String()+")")
			if len(before) > 0 {
				peer.recovered.Store(loop.Monotonic())
			}
		}
		now = append(now, peer)
	}
	if !changed && len(now) == len(before) {
		return
	}
	of.peers = now
	r.publish()
	r.p.log.Info("an upstream's addresses have changed", "upstream", of.u.text, "addresses", len(now))
	for _, peer := range before {
		if find(now, record{peer.addr, peer.weight, peer.backup}) == nil {
			r.p.forget(peer)
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

// forget ends the use of a peer: what is under way goes on.
func (p *Proxy) forget(peer *peer) {
	peer.removed.Store(true)
	if peer.http2 != nil {
		peer.http2.trip.CloseIdleConnections()
	}
	for i, s := range p.shards {
		s.l.Post(exchange.TaskFunc(func() { peer.pools[i].close() }))
	}
}
