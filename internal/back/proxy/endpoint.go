package proxy

import (
	"crypto/sha256"
	"crypto/tls"
	"sync"
	"sync/atomic"
	"time"

	"rickhouse/internal/exchange"
	"rickhouse/internal/wire/cgi"
)

// endpoint is one address, the connections there, and what is known of how it does.
// Proxies that follow one another share it, so that a connection and a bad name outlive
// a configuration. What changes is atomic, but for the pools, each of which belongs to
// its loop.
type endpoint struct {
	link
	protocol protocol
	tls      *tls.Config  // nil for none
	http2    *multiplexed // what speaks in place of protocol; nil for none
	pools    []pool       // one a loop

	active  atomic.Int64 // requests under way
	open    atomic.Int64 // connections, and those that are being made
	waiting atomic.Int64 // requests that wait for a connection
	*health

	users   int         // peers that may get requests; endpoints.mu guards it
	holders int         // peers of Proxies that are not closed; likewise
	unused  atomic.Bool // there are no users, nor will there be any: nothing rests any more
}

// link is an address and all that decides how it is spoken to: a connection can be
// used by whoever has an equal one.
type link struct {
	addr   address
	scheme string
	secure secureLink // zero without TLS
	script cgi.Script // zero but for gateway protocols
	keep   bool       // connections of FastCGI
	shared sharedLink // zero but for HTTP/2
}

// secureLink is how TLS is spoken.
type secureLink struct {
	name     string // of the upstream's certificate
	noVerify bool
	files    [sha256.Size]byte // the digest of what is shown and what is believed
}

// sharedLink is what belongs to a connection of HTTP/2, not to its requests.
type sharedLink struct {
	authority                    string
	connect, answer, stall, keep time.Duration
}

// health is what is known of how well an address does. Times are on the loops' clock.
type health struct {
	fails     atomic.Int32 // failures in a row
	ejections atomic.Int32 // in a row
	until     atomic.Int64 // left alone until then; 0 if it is not
	trying    atomic.Bool  // one request finds out how it does now
	recovered atomic.Int64 // when it came back, for the slow start; 0 for long ago, or firstUse
	sick      atomic.Bool  // by active checks
}

// firstUse stands for the time of the first request.
const firstUse = -1

// endpoints are those of Proxies that follow one another. Any goroutine may use them.
type endpoints struct {
	mu      sync.Mutex
	all     map[link]*endpoint // but for those that are unused
	proxies int                // that there were
}

// number is the place of a further Proxy in their order.
func (t *endpoints) number() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.proxies++
	return t.proxies
}

// take returns the endpoint of l for one more peer: the one that there is, else what
// make makes. If nothing is known of its address it is new.
func (t *endpoints) take(l link, make func() *endpoint) (e *endpoint, isNew bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if e = t.all[l]; e == nil {
		e = make()
		for _, o := range t.all {
			if o.addr == l.addr {
				e.health = o.health
			}
		}
		if isNew = e.health == nil; isNew {
			e.health = &health{}
		}
		e.link, t.all[l] = l, e
	}
	e.users++
	e.holders++
	return e, isNew
}

// leave notes that a peer gets no request any more, and reports whether it was the
// last one.
func (t *endpoints) leave(e *endpoint) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if e.users--; e.users > 0 {
		return false
	}
	delete(t.all, e.link)
	e.unused.Store(true)
	return true
}

// release notes that the Proxy of a peer is closed, and reports whether it was the
// last one.
func (t *endpoints) release(e *endpoint) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	e.holders--
	return e.holders == 0
}

// linkOf is how the address of an upstream is spoken to.
func (p *Proxy) linkOf(u *upstream, addr address) link {
	l := link{addr: addr, scheme: u.scheme}
	switch u.scheme {
	case "https", "h2":
		l.secure = secureLink{p.tlsFor(u).ServerName, p.cfg.NoVerify, p.tlsFiles}
	case "uwsgi", "fastcgi", "scgi":
		l.script, l.keep = p.script(), p.cfg.FastCGIKeepConn
	}
	if u.multiplexed() {
		l.shared = sharedLink{u.authority(), p.cfg.ConnectTimeout, p.cfg.AnswerTimeout, p.cfg.StallTimeout, p.cfg.KeepaliveTimeout}
	}
	return l
}

// newEndpoint makes what speaks to an address of u. Nothing is known of it yet.
func (p *Proxy) newEndpoint(u *upstream, addr address) *endpoint {
	e := &endpoint{protocol: p.protocolOf(u.scheme), http2: p.openHTTP2(u, addr), pools: make([]pool, len(p.shards))}
	if u.scheme == "https" {
		e.tls = p.tlsFor(u)
	}
	for i, s := range p.shards {
		e.pools[i] = pool{l: s.l, at: e, sh: s}
	}
	return e
}

// newPeer makes a peer of an address of u; new addresses start slowly if that is
// asked for.
func (p *Proxy) newPeer(u *upstream, r record, name string, slowly bool) *peer {
	e, isNew := p.endpoints.take(p.linkOf(u, r.addr), func() *endpoint { return p.newEndpoint(u, r.addr) })
	if isNew && slowly && p.cfg.SlowStart > 0 {
		e.recovered.Store(firstUse)
	}
	peer := &peer{
		endpoint: e, cfg: &p.cfg, log: p.log, name: name, weight: r.weight, backup: r.backup,
		authority: []byte(u.authority()), seed: hashOf([]byte(r.addr.String())), token: p.sticky.token(r.addr),
		turns: make([]int, len(p.shards)), sick: &e.sick,
	}
	if p.cfg.HealthPath == "" {
		peer.sick = &atomic.Bool{} // what another Proxy has found out
	}
	return peer
}

// adopt makes what rests at a peer that of p, unless there is a later Proxy.
func (p *Proxy) adopt(peer *peer) {
	for i, s := range p.shards {
		s.l.Post(exchange.TaskFunc(func() {
			if pool := &peer.pools[i]; pool.sh.p.number < p.number {
				pool.passTo(s)
			}
		}))
	}
}

// leave ends the use of a peer: what is under way goes on. Where nobody else uses its
// endpoint, what rests there is closed, now and later.
func (p *Proxy) leave(peer *peer) {
	if !peer.left.CompareAndSwap(false, true) || !p.endpoints.leave(peer.endpoint) {
		return
	}
	if peer.http2 != nil {
		peer.http2.trip.CloseIdleConnections()
	}
	for i, s := range p.shards {
		s.l.Post(exchange.TaskFunc(func() { peer.pools[i].close() }))
	}
}
