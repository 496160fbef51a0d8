package proxy

import (
	"context"
	"errors"
	"net"
	"net/netip"
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

// lookup asks DNS where u is. It is net.Resolver's, or a test's.
type lookup func(ctx context.Context, u *upstream) ([]record, error)

// resolveTimeout bounds one look-up.
const resolveTimeout = 5 * time.Second

// lookUp asks the resolver of the system. It does not tell how long its answers
// hold, which is why it is asked again after resolve_interval.
func lookUp(ctx context.Context, u *upstream) ([]record, error) {
	if u.srv {
		return lookUpService(ctx, u)
	}
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", u.host)
	if err != nil {
		return nil, err
	}
	var all []record
	for _, ip := range ips {
		all = append(all, record{address{ip: netip.AddrPortFrom(ip.Unmap(), u.port)}, u.weight, u.backup})
	}
	return all, nil
}

// lookUpService asks for a service (RFC 2782): what has the best priority serves,
// the others are backups.
func lookUpService(ctx context.Context, u *upstream) ([]record, error) {
	_, targets, err := net.DefaultResolver.LookupSRV(ctx, "", "", u.host)
	if err != nil {
		return nil, err
	}
	var all []record
	var errs []error
	for _, t := range targets { // by priority
		ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", t.Target)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		for _, ip := range ips {
			all = append(all, record{
				address{ip: netip.AddrPortFrom(ip.Unmap(), t.Port)},
				min(max(1, int(t.Weight)), maxWeight),
				u.backup || t.Priority > targets[0].Priority,
			})
		}
	}
	if len(all) > 0 {
		return all, nil
	}
	return nil, errors.Join(errs...)
}

// resolver keeps the peers of names as DNS has them. It is one goroutine's.
type resolver struct {
	p         *Proxy
	lookup    lookup
	upstreams []*upstream
	known     [][]*peer // of each upstream
	failed    []string  // the last error of each, or ""
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
		p.measured = p.measured || p.protocolOf(u.scheme).needsLength()
		var known []*peer
		if addr, ok := u.fixed(); ok {
			known = append(known, p.newPeer(&u, record{addr, u.weight, u.backup}, u.text))
		} else {
			names++
		}
		r.upstreams, r.known, r.failed = append(r.upstreams, &u), append(r.known, known), append(r.failed, "")
	}
	p.publish(r.known)
	if names > 0 {
		p.unresolved.Store(true)
		p.workers.Go(r.run)
	}
	return nil
}

// publish makes the peers known to all loops.
func (p *Proxy) publish(known [][]*peer) {
	var peers []*peer
	for _, of := range known {
		peers = append(peers, of...)
	}
	p.peers.Store(&peers)
}

// run looks names up, again and again.
func (r *resolver) run() {
	for {
		for i, u := range r.upstreams {
			if _, fixed := u.fixed(); !fixed {
				r.resolve(i, u)
			}
		}
		r.p.unresolved.Store(false)
		select {
		case <-r.p.stop.Done():
			return
		case <-time.After(r.p.cfg.ResolveInterval):
		}
	}
}

// resolve brings the peers of u up to date. Where it cannot be looked up they stay.
func (r *resolver) resolve(i int, u *upstream) {
	ctx, cancel := context.WithTimeout(r.p.stop, resolveTimeout)
	defer cancel()
	records, err := r.lookup(ctx, u)
	if err == nil && len(records) == 0 {
		err = errors.New("there is no address")
	}
	if err != nil {
		if text := err.Error(); r.failed[i] != text && r.p.stop.Err() == nil {
			r.failed[i] = text
			r.p.log.Warn("an upstream's name cannot be looked up", "upstream", u.text, "error", err)
		}
		return
	}
	r.failed[i] = ""
	before := r.known[i]
	var now []*peer
	changed := len(records) != len(before)
	for _, rec := range records {
		peer := find(before, rec)
		if peer == nil {
			changed = true
			peer = r.p.newPeer(u, rec, u.text+" ("+rec.addr.String()+")")
			if len(before) > 0 {
				peer.recovered.Store(loop.Monotonic())
			}
		}
		now = append(now, peer)
	}
	if !changed {
		return
	}
	r.known[i] = now
	r.p.publish(r.known)
	r.p.log.Info("an upstream's addresses have changed", "upstream", u.text, "addresses", len(now))
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
