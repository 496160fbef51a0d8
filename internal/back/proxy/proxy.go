package proxy

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"

	"rickhouse/internal/exchange"
	"rickhouse/internal/loop"
	"rickhouse/internal/spool"
)

// Parts is what a Proxy works with.
type Parts struct {
	// Loops are all event loops that serve. Its connections live on them.
	Loops []*loop.Loop
	Log   *slog.Logger
	// Store takes request content that is taken in before it is passed on, Memory
	// octets of which stay in memory. With none it always streams.
	Store  *spool.Store
	Memory int

	lookup lookup // of a test; nil for the system's
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
	tls    *tls.Config

	unresolved atomic.Bool     // names have not been looked up yet
	stop       context.Context // of workers
	stopNow    context.CancelFunc
	workers    sync.WaitGroup // looks names up, and checks peers

	window   int   // of answers
	expect   int64 // expectTime
	store    *spool.Store
	memory   int
	sticky   stickiness
	failing  []statuses // fail_status
	measured bool       // an upstream has to be told the length of content

	multiplexed bool // the upstreams speak HTTP/2

	hashKind, hashName string
}

// New makes a Proxy, or says what is wrong with cfg.
func New(cfg Config, parts Parts) (*Proxy, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	p := &Proxy{cfg: cfg.WithDefaults(), log: parts.Log, window: answerWindow, expect: expectTime, store: parts.Store, memory: min(parts.Memory, maxReplay)}
	p.stop, p.stopNow = context.WithCancel(context.Background())
	p.sticky = newStickiness(&p.cfg)
	if p.cfg.NoAnswerBuffer {
		p.window = directWindow
	}
	p.hashKind, p.hashName, _ = strings.Cut(p.cfg.HashBy, ":")
	if p.hashKind == "header" {
		p.hashName = strings.ToLower(p.hashName)
	}
	for _, text := range p.cfg.FailStatus {
		s, err := parseStatuses(text)
		if err != nil {
			return nil, fmt.Errorf("fail_status: %w", err)
		}
		p.failing = append(p.failing, s)
	}
	for i, l := range parts.Loops {
		p.shards = append(p.shards, p.newShard(l, i))
	}
	var err error
	if p.tls, err = p.cfg.clientTLS(); err != nil {
		return nil, err
	}
	if parts.lookup == nil {
		var d net.Dialer
		parts.lookup = dialer(d.DialContext).lookUp
	}
	if err := p.openPeers(parts.lookup); err != nil {
		return nil, err
	}
	if p.cfg.HealthPath != "" {
		p.workers.Go((&watch{p: p}).run)
	}
	return p, nil
}

func (p *Proxy) newPeer(u *upstream, r record, name string) *peer {
	peer := &peer{
		cfg: &p.cfg, log: p.log, name: name, addr: r.addr, weight: r.weight, backup: r.backup,
		protocol: p.protocolOf(u.scheme), authority: []byte(u.authority()), seed: hashOf([]byte(r.addr.String())),
	}
	if u.scheme == "https" {
		peer.tls = p.tlsFor(u)
	}
	peer.http2 = p.openHTTP2(u, r.addr)
	peer.token = p.sticky.token(r.addr)
	peer.pools = make([]pool, len(p.shards))
	for i, s := range p.shards {
		peer.pools[i].sh, peer.pools[i].peer = s, peer
	}
	return peer
}

// Serve implements exchange.Handler.
func (p *Proxy) Serve(x *exchange.Exchange) {
	if answersItself(x) {
		return
	}
	if p.multiplexed && isCall(&x.Request) {
		x.Route.MaxPause = int64(p.cfg.TunnelTimeout)
	}
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
func (p *Proxy) Drain() {
	p.stopNow()
	p.each((*shard).drain)
}

// Close ends everything, as Drain does, and what is still under way. Nothing may be
// served after it.
func (p *Proxy) Close() error {
	p.closed.Store(true)
	p.stopNow()
	p.workers.Wait()
	for _, peer := range *p.peers.Load() {
		if peer.http2 != nil {
			peer.http2.close()
		}
	}
	p.each((*shard).close)
	return nil
}

func (p *Proxy) each(f func(*shard)) {
	for _, s := range p.shards {
		s.l.Post(exchange.TaskFunc(func() { f(s) }))
	}
}
