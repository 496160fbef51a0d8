package proxy

import (
	"bytes"
	"math"
	"math/rand/v2"

	"rickhouse/internal/exchange"
)

// A chooser chooses among peers. candidate reports whether one may be taken.
type chooser struct {
	sh    *shard
	x     *exchange.Exchange
	now   int64
	tried []*peer
	// desperate takes what has failed as well, if there is nothing else.
	desperate bool
	backup    bool
}

// pick chooses a peer for x, of those that were not tried, or returns nil. Where its
// request is a trial the peer is marked as being tried.
func (s *shard) pick(x *exchange.Exchange, tried []*peer) (p *peer, trial bool) {
	peers := *s.p.peers.Load()
	c := chooser{sh: s, x: x, now: s.l.Now(), tried: tried}
	if s.p.sticky.name != "" {
		if p := c.stuck(peers); p != nil {
			if _, trial := p.available(c.now); !trial {
				return p, false
			} else if p.trying.CompareAndSwap(false, true) {
				return p, true
			}
		}
	}
	for _, level := range [...]struct{ backup, desperate bool }{{false, false}, {true, false}, {false, true}, {true, true}} {
		if level.desperate && s.p.cfg.Breaker {
			break
		}
		c.backup, c.desperate = level.backup, level.desperate
		p := c.choose(peers)
		if p == nil {
			continue
		}
		if _, trial := p.available(c.now); !trial || c.desperate {
			return p, false
		}
		if p.trying.CompareAndSwap(false, true) {
			return p, true
		}
	}
	return nil, false
}

func (c *chooser) candidate(p *peer) bool {
	if p.backup != c.backup || p.sick.Load() || p.removed.Load() {
		return false
	}
	for _, t := range c.tried {
		if t == p {
			return false
		}
	}
	if c.desperate {
		return true
	}
	ok, _ := p.available(c.now)
	return ok
}

func (c *chooser) choose(peers []*peer) *peer {
	if len(peers) == 1 {
		if c.candidate(peers[0]) {
			return peers[0]
		}
		return nil
	}
	switch c.sh.p.cfg.Balance {
	case "least_connections":
		return c.least(peers)
	case "random_two":
		return c.randomTwo(peers)
	case "hash":
		return c.hash(peers)
	}
	return c.roundRobin(peers)
}

// roundRobin spreads the turns of each peer evenly, by weight: everyone gains its
// share, and who has most goes first and pays for all.
func (c *chooser) roundRobin(peers []*peer) *peer {
	var best *peer
	i, total := c.sh.index, 0
	for _, p := range peers {
		if !c.candidate(p) {
			continue
		}
		share := p.share(c.now)
		total += share
		p.turns[i] += share
		if best == nil || p.turns[i] > best.turns[i] {
			best = p
		}
	}
	if best != nil {
		best.turns[i] -= total
	}
	return best
}

// load compares peers by their requests under way, this one included.
func (c *chooser) load(p *peer) float64 {
	return float64(p.active.Load()+1) / float64(p.share(c.now))
}

// least takes the peer with the least load; among equals it begins anywhere, so
// that no two loops favour the same.
func (c *chooser) least(peers []*peer) *peer {
	var best *peer
	lowest := 0.0
	for i, n := 0, rand.IntN(len(peers)); i < len(peers); i++ {
		p := peers[(n+i)%len(peers)]
		if !c.candidate(p) {
			continue
		}
		if load := c.load(p); best == nil || load < lowest {
			best, lowest = p, load
		}
	}
	return best
}

// randomTwo takes the better of two peers at random.
func (c *chooser) randomTwo(peers []*peer) *peer {
	a := c.random(peers, nil)
	if a == nil {
		return nil
	}
	if b := c.random(peers, a); b != nil && c.load(b) < c.load(a) {
		return b
	}
	return a
}

// random takes a candidate other than not.
func (c *chooser) random(peers []*peer, not *peer) *peer {
	n := 0
	for _, p := range peers {
		if p != not && c.candidate(p) {
			n++
		}
	}
	if n == 0 {
		return nil
	}
	n = rand.IntN(n)
	for _, p := range peers {
		if p != not && c.candidate(p) {
			if n == 0 {
				return p
			}
			n--
		}
	}
	return nil
}

// hash takes the peer whose own hash of the key is the highest, by weight
// (rendezvous hashing): when one goes, only its keys move.
func (c *chooser) hash(peers []*peer) *peer {
	key := hashOf(c.sh.p.key(c.x))
	var best *peer
	highest := math.Inf(-1)
	for _, p := range peers {
		if !c.candidate(p) {
			continue
		}
		unit := (float64(mix(key^p.seed)>>11) + 0.5) / (1 << 53) // between 0 and 1
		if score := -float64(p.weight) / math.Log(unit); score > highest {
			best, highest = p, score
		}
	}
	return best
}

// key is what decides about x with balance = "hash".
func (p *Proxy) key(x *exchange.Exchange) []byte {
	switch p.hashKind {
	case "path":
		return x.Request.Path
	case "header":
		return x.Request.Get(p.hashName)
	case "cookie":
		return cookie(&x.Request, p.hashName)
	}
	return x.Request.ClientAddr
}

// cookie returns the value of a cookie (RFC 6265 §4.2), or nil.
func cookie(r *exchange.Request, name string) []byte {
	for i := range r.Fields {
		if string(r.Fields[i].Name) != "cookie" {
			continue
		}
		for rest := r.Fields[i].Value; len(rest) > 0; {
			var pair []byte
			pair, rest, _ = bytes.Cut(rest, []byte(";"))
			key, value, found := bytes.Cut(bytes.TrimLeft(pair, " \t"), []byte("="))
			if found && string(key) == name {
				return value
			}
		}
	}
	return nil
}

// hashOf is FNV-1a, the same in every process: several servers send a key to one
// upstream.
func hashOf(b []byte) uint64 {
	h := uint64(14695981039346656037)
	for _, c := range b {
		h = (h ^ uint64(c)) * 1099511628211
	}
	return mix(h)
}

// mix spreads the bits of h.
func mix(h uint64) uint64 {
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}
