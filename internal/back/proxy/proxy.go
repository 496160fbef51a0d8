package proxy

import (
	"log/slog"
	"strings"
	"sync/atomic"

	"rickhouse/internal/exchange"
	"rickhouse/internal/loop"
)

// Parts is what a Proxy works with.
type Parts struct {
	// Loops are all event loops that serve. Its connections live on them.
	Loops []*loop.Loop
	Log   *slog.Logger
}

// Proxy is an exchange.Handler that passes requests to upstreams. Serve may be called
// on any Executor.
type Proxy struct {
	cfg    Config
	log    *slog.Logger
	peers  atomic.Pointer[[]*peer]
	shards []*shard
	next   atomic.Uint32 // shard for an Exchange whose Executor is no loop
	closed atomic.Bool

	window             int // of answers
	hashKind, hashName string
}

// New makes a Proxy, or says what is wrong with cfg.
func New(cfg Config, parts Parts) (*Proxy, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	p := &Proxy{cfg: cfg.WithDefaults(), log: parts.Log, window: answerWindow}
	p.hashKind, p.hashName, _ = strings.Cut(p.cfg.HashBy, ":")
	if p.hashKind == "header" {
		p.hashName = strings.ToLower(p.hashName)
	}
	for i, l := range parts.Loops {
		p.shards = append(p.shards, p.newShard(l, i))
	}
	if err := p.openPeers(); err != nil {
		return nil, err
	}
	return p, nil
}

// openPeers makes the peers that need no looking up.
func (p *Proxy) openPeers() error {
	var peers []*peer
	for _, text := range p.cfg.Upstreams {
		u, err := parseUpstream(text)
		if err != nil {
			return err
		}
		addr, ok := u.fixed()
		if !ok {
			continue
		}
		peers = append(peers, p.newPeer(&u, addr, u.text))
	}
	p.peers.Store(&peers)
	return nil
}

func (p *Proxy) newPeer(u *upstream, addr address, name string) *peer {
	peer := &peer{
		cfg: &p.cfg, log: p.log, name: name, addr: addr, weight: u.weight, backup: u.backup,
		protocol: newHTTP1(), authority: []byte(u.authority()), seed: hashOf([]byte(addr.String())),
	}
	peer.pools = make([]pool, len(p.shards))
	for i, s := range p.shards {
		peer.pools[i].sh, peer.pools[i].peer = s, peer
	}
	return peer
}

// Serve implements exchange.Handler.
func (p *Proxy) Serve(x *exchange.Exchange) {
	for _, s := range p.shards {
		if x.Executor == exchange.Executor(s.l) {
			s.serve(x)
			return
		}
	}
	p.serveFar(x)
}

// Drain ends what would not end by itself: connections that rest are closed, now and
// when they become free, and tunnels. Requests go on. It may be called from any
// goroutine, and returns before that is done.
func (p *Proxy) Drain() { p.each((*shard).drain) }

// Close ends everything, as Drain does, and what is still under way. Nothing may be
// served after it.
func (p *Proxy) Close() error {
	p.closed.Store(true)
	p.each((*shard).close)
	return nil
}

func (p *Proxy) each(f func(*shard)) {
	for _, s := range p.shards {
		s.l.Post(exchange.TaskFunc(func() { f(s) }))
	}
}
