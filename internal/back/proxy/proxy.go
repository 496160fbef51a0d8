package proxy

import (
	"context"
	"crypto/sha256"
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
	// Before, if not nil, is the Proxy on the same Loops whose place this one takes: what
	// is known of an address, and connections that can be used, pass to this one; so do
	// answers of DNS. It is not closed yet.
	Before *Proxy
	// Store takes request content that is taken in before it is passed on, where it is
	// more than its Memory. With none it always streams.
	Store *spool.Store

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

	tls       *tls.Config
	tlsFiles  [sha256.Size]byte // the digest of what it was made of
	endpoints *endpoints        // those of all Proxies that follow one another
	number    int               // of this one among them
	resolver  *resolver

	unresolved atomic.Bool     // names have not been looked up yet
	stop       context.Context // of workers
	stopNow    context.CancelFunc
	workers    sync.WaitGroup // looks names up, and checks peers

	window   int   // of answers
	expect   int64 // expectTime
	store    *spool.Store
	sticky   stickiness
	failing  []statuses // fail_status
	measured bool       // an upstream has to be told the length of content

	multiplexed bool // the upstreams speak HTTP/2

	hashKind, hashName string
}

// New makes a Proxy, or says what is wrong with cfg. It does nothing by itself before
// Begin; Close gives back what it has.
func New(cfg Config, parts Parts) (*Proxy, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	p := &Proxy{cfg: cfg.WithDefaults(), log: parts.Log, window: answerWindow, expect: expectTime, store: parts.Store}
	p.stop, p.stopNow = context.WithCancel(context.Background())
	p.endpoints = &endpoints{all: map[link]*endpoint{}}
	if parts.Before != nil {
		p.endpoints = parts.Before.endpoints
	}
	p.number = p.endpoints.number()
	p.sticky = newStickiness(&p.cfg, parts.Before)
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
	if p.tls, p.tlsFiles, err = p.cfg.clientTLS(); err != nil {
		return nil, err
	}
	if parts.lookup == nil {
		var d net.Dialer
		parts.lookup = dialer(d.DialContext).lookUp
	}
	p.resolver = &resolver{p: p, lookup: parts.lookup}
	if err := p.resolver.open(parts.Before); err != nil {
		return nil, err
	}
	return p, nil
}

// Begin has names looked up and upstreams checked, and takes over what rests of the
// Proxy before. It is called once, when requests come or are about to; that Proxy is
// drained after it.
func (p *Proxy) Begin() {
	for _, peer := range *p.peers.Load() {
		p.adopt(peer)
	}
	p.resolver.begin()
	if p.cfg.HealthPath != "" {
		p.workers.Go((&watch{p: p}).run)
	}
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
// when they become free, unless the Proxy that takes its place has use for them, and
// tunnels. Requests go on. It may be called from any goroutine, and returns before
// that is done.
func (p *Proxy) Drain() {
	p.stopNow()
	for _, peer := range *p.peers.Load() {
		p.leave(peer)
	}
	p.each((*shard).drain)
}

// Close ends everything, as Drain does, and what is still under way. Nothing may be
// served after it.
func (p *Proxy) Close() error {
	p.closed.Store(true)
	p.stopNow()
	p.workers.Wait()
	for _, peer := range *p.peers.Load() {
		p.leave(peer)
		if p.endpoints.release(peer.endpoint) && peer.http2 != nil {
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
