package proxy

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"rickhouse/internal/exchange"
	"rickhouse/internal/front"
	"rickhouse/internal/loop"
	"rickhouse/internal/testkit/door"
)

// line is an env whose Proxies follow one another.
type line struct {
	*env
	now    atomic.Pointer[Proxy]
	lookup lookup
}

// Serve implements exchange.Handler.
func (l *line) Serve(x *exchange.Exchange) { l.now.Load().Serve(x) }

// begins makes the first Proxy behind a front on a number of loops.
func begins(t *testing.T, loops int, cfg Config) *line {
	t.Helper()
	l := &line{env: &env{t: t, Door: door.Loops(t, loops)}}
	l.follow(cfg)
	l.Open(l, front.Config{}, "")
	t.Cleanup(func() { _ = l.proxy.Close() })
	return l
}

// make makes a Proxy that follows, and does not use it.
func (l *line) make(cfg Config) *Proxy {
	l.t.Helper()
	if cfg.KeepaliveTimeout == 0 {
		cfg.KeepaliveTimeout = time.Hour // however slow the machine is
	}
	p, err := New(cfg, Parts{Loops: l.Loops, Log: l.Logger, Before: l.proxy, lookup: l.lookup})
	if err != nil {
		l.t.Fatal(err)
	}
	return p
}

// follow has another Proxy take the place of the last, and returns that one.
func (l *line) follow(cfg Config) (before *Proxy) {
	l.t.Helper()
	p := l.make(cfg)
	p.Begin()
	before, l.proxy = l.proxy, p
	l.now.Store(p)
	if before != nil {
		before.Drain()
	}
	return before
}

// peer is a peer of the Proxy of now.
func (l *line) peer(i int) *peer { return (*l.proxy.peers.Load())[i] }

// counted answers with the how manieth connection it is.
func counted(c *peerConn) {
	for c.head() != "" {
		c.write(ok(fmt.Sprint(c.n)))
	}
}

// A connection that rests is used again, unless it is spoken to in another way or the
// upstream is no more.
func TestConnectionsOutliveAProxy(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(c *Config, other string)
		kept   bool
	}{
		"nothing":           {func(*Config, string) {}, true},
		"policy":            {func(c *Config, _ string) { c.Balance, c.StickyCookie = "least_connections", "srv" }, true},
		"weight":            {func(c *Config, _ string) { c.Upstreams[0] += " weight=5" }, true},
		"another upstream":  {func(c *Config, other string) { c.Upstreams = append(c.Upstreams, other+" backup") }, true},
		"times":             {func(c *Config, _ string) { c.AnswerTimeout, c.ConnectTimeout = time.Hour, time.Hour }, true},
		"fields":            {func(c *Config, _ string) { c.Host, c.Via, c.Forwarded = "h.test", "none", "both" }, true},
		"checks":            {func(c *Config, _ string) { c.MaxFails, c.Breaker, c.Retries = 7, true, 1 }, true},
		"keepalive":         {func(c *Config, _ string) { c.Keepalive, c.KeepaliveTimeout = 1, 2*time.Hour }, true},
		"bounds":            {func(c *Config, _ string) { c.MaxConnections, c.Queue = 3, 9 }, true},
		"scripts of no use": {func(c *Config, _ string) { c.ScriptRoot = "/srv" }, true},
		"none is kept":      {func(c *Config, _ string) { c.Keepalive = -1 }, false},
		"it goes":           {func(c *Config, other string) { c.Upstreams = []string{other} }, false},
	} {
		t.Run(name, func(t *testing.T) {
			closed := make(chan struct{})
			f := unixFake(t, func(c *peerConn) {
				counted(c)
				if c.n == 1 {
					close(closed)
				}
			})
			other := unixFake(t, counted)
			l := begins(t, 1, Config{Upstreams: []string{f.url}})
			if a := l.get("/"); a.body != "1" {
				t.Fatalf("at first: %q", a.body)
			}
			cfg := Config{Upstreams: []string{f.url}}
			tt.change(&cfg, other.url)
			before := l.follow(cfg)
			if !tt.kept {
				<-closed
			}
			for range 3 {
				l.get("/").wantStatus(t, 200)
			}
			if err := before.Close(); err != nil {
				t.Error(err)
			}
			a := l.get("/")
			if n := f.conns.Load(); tt.kept && (n != 1 || a.body != "1") {
				t.Errorf("%d connections were made, the last answer is from %q: want one", n, a.body)
			}
			if open := l.peer(0).open.Load(); tt.kept && open != 1 {
				t.Errorf("%d are open", open)
			}
		})
	}
}

// One connection of HTTP/2 carries the requests of both Proxies, unless the times that
// belong to it change.
func TestConnectionsOfHTTP2OutliveAProxy(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*Config)
		same   bool
	}{
		"policy": {func(c *Config) { c.Balance = "hash" }, true},
		"times":  {func(c *Config) { c.AnswerTimeout = time.Hour }, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := speaksHTTP2(t, func(w http.ResponseWriter, r *http.Request) { _, _ = fmt.Fprint(w, r.RemoteAddr) })
			cfg := Config{Upstreams: []string{"h2c://" + s.Listener.Addr().String()}}
			l := begins(t, 1, cfg)
			first := l.get("/").body
			tt.change(&cfg)
			before := l.follow(cfg)
			second := l.get("/").body
			if err := before.Close(); err != nil {
				t.Error(err)
			}
			if third := l.get("/").body; first == "" || (second == first) != tt.same || third != second {
				t.Errorf("the connections are from %q, %q and %q", first, second, third)
			}
		})
	}
}

// What is under way when another Proxy comes ends as it began, and leaves its
// connection to that one. The bound of connections is that of both.
func TestRequestsUnderWayLeaveTheirConnections(t *testing.T) {
	asked, gate := make(chan struct{}, 1), make(chan struct{})
	f := unixFake(t, func(c *peerConn) {
		for head := c.head(); head != ""; head = c.head() {
			if strings.HasPrefix(head, "GET /slow") {
				asked <- struct{}{}
				<-gate
			}
			c.write(ok(fmt.Sprint(c.n)))
		}
	})
	l := begins(t, 1, Config{Upstreams: []string{f.url}, MaxConnections: 1})
	slow := l.client().send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
	<-asked
	before := l.follow(Config{Upstreams: []string{f.url}, MaxConnections: 1, Balance: "hash"})
	next := l.client().send("GET /next HTTP/1.1\r\nHost: a\r\n\r\n")
	until(t, "the next one waits", func() bool { return l.peer(0).waiting.Load() == 1 })
	close(gate)
	if a := slow.read("GET"); a.body != "1" {
		t.Errorf("the slow one gets %d %q", a.StatusCode, a.body)
	}
	if a := next.read("GET"); a.body != "1" {
		t.Errorf("the next one gets %d %q", a.StatusCode, a.body)
	}
	if err := before.Close(); err != nil {
		t.Error(err)
	}
	if a := l.get("/"); a.body != "1" || f.conns.Load() != 1 {
		t.Errorf("then: %q, by %d connections", a.body, f.conns.Load())
	}
}

// An upstream that is no more gets no request; what it has is finished, and nothing
// rests there.
func TestRemovedUpstreamsAreDrained(t *testing.T) {
	asked, gate, closed := make(chan struct{}, 1), make(chan struct{}), make(chan struct{}, 2)
	f := unixFake(t, func(c *peerConn) {
		for head := c.head(); head != ""; head = c.head() {
			if strings.HasPrefix(head, "GET /slow") {
				asked <- struct{}{}
				<-gate
			}
			c.write(ok("removed"))
		}
		closed <- struct{}{}
	})
	stays := unixFake(t, named("stays"))
	l := begins(t, 1, Config{Upstreams: []string{f.url}})
	slow := l.client().send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
	<-asked
	l.get("/").wantStatus(t, 200)
	before := l.follow(Config{Upstreams: []string{stays.url}})
	<-closed
	if a := l.get("/"); a.body != "stays" {
		t.Errorf("got %q", a.body)
	}
	close(gate)
	if a := slow.read("GET"); a.body != "removed" {
		t.Errorf("the one under way gets %d %q", a.StatusCode, a.body)
	}
	<-closed
	if err := before.Close(); err != nil {
		t.Error(err)
	}
	if n := len(l.proxy.endpoints.all); n != 1 {
		t.Errorf("%d endpoints are known", n)
	}
}

// An upstream that is left alone stays so, whatever else changes.
func TestEjectionOutlivesAProxy(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(c *Config, more string)
		asked  int64
	}{
		"nothing":          {func(*Config, string) {}, 2},
		"policy":           {func(c *Config, _ string) { c.Balance = "random_two" }, 2},
		"weights":          {func(c *Config, _ string) { c.Upstreams[0] += " weight=9"; c.Upstreams[1] += " weight=3" }, 2},
		"order":            {func(c *Config, _ string) { slices.Reverse(c.Upstreams) }, 2},
		"another upstream": {func(c *Config, more string) { c.Upstreams = append(c.Upstreams, more) }, 2},
		"times":            {func(c *Config, _ string) { c.EjectTime, c.AnswerTimeout = time.Minute, time.Hour }, 2},
		"never alone":      {func(c *Config, _ string) { c.MaxFails = -1 }, 3},
	} {
		t.Run(name, func(t *testing.T) {
			dead, alive, more := unixFake(t, dies), unixFake(t, named("alive")), unixFake(t, named("more"))
			cfg := Config{Upstreams: []string{dead.url, alive.url}, MaxFails: 2, EjectTime: time.Hour, Retries: 1}
			l := begins(t, 1, cfg)
			for range 8 {
				l.get("/").wantStatus(t, 200)
			}
			if n := dead.conns.Load(); n != 2 {
				t.Fatalf("it was asked %d times", n)
			}
			tt.change(&cfg, more.url)
			before := l.follow(cfg)
			for range 8 {
				l.get("/").wantStatus(t, 200)
			}
			if n := dead.conns.Load(); (n > 2) != (tt.asked > 2) {
				t.Errorf("it was asked %d times in all, want %d", n, tt.asked)
			}
			if err := before.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// What DNS has said holds until its TTL is over, for who follows as well.
func TestAnswersOfDNSOutliveAProxy(t *testing.T) {
	f := tcpFake(t, counted)
	var mu sync.Mutex
	looked := 0
	l := &line{env: &env{t: t, Door: door.Loops(t, 1)}}
	l.lookup = func(_ context.Context, u *upstream, _ func([]record)) ([]record, time.Duration, error) {
		mu.Lock()
		defer mu.Unlock()
		looked++
		return []record{{address{ip: netip.MustParseAddrPort(f.l.Addr().String())}, u.weight, u.backup}}, time.Hour, nil
	}
	lookups := func() int {
		mu.Lock()
		defer mu.Unlock()
		return looked
	}
	cfg := Config{Upstreams: []string{"http://shop.test"}}
	l.proxy = l.make(cfg)
	l.proxy.resolver.look(l.proxy.resolver.places[0])
	due := l.proxy.resolver.places[0].due
	for name, tt := range map[string]struct {
		change func(*Config)
		weight int
	}{
		"policy": {func(c *Config) { c.Balance = "hash" }, 1},
		"weight": {func(c *Config) { c.Upstreams = []string{"http://shop.test weight=4"} }, 4},
	} {
		next := cfg
		tt.change(&next)
		p := l.make(next)
		peers := *p.peers.Load()
		if p.unresolved.Load() || len(peers) != 1 || peers[0].weight != tt.weight {
			t.Fatalf("%s: %d peers are known", name, len(peers))
		}
		of := p.resolver.places[0]
		if p.resolver.look(of); !of.due.Equal(due) || lookups() != 1 {
			t.Errorf("%s: it was looked up %d times, next at %v, want once, and %v", name, lookups(), of.due, due)
		}
		of.due = time.Now()
		if p.resolver.look(of); lookups() != 2 || (*p.peers.Load())[0] != peers[0] {
			t.Errorf("%s: it was looked up %d times after its TTL", name, lookups())
		}
		looked = 1
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := l.proxy.Close(); err != nil {
		t.Error(err)
	}
}

// A Proxy that is never used changes nothing of the one before.
func TestAProxyThatIsNotUsed(t *testing.T) {
	f, other := unixFake(t, counted), unixFake(t, counted)
	l := begins(t, 1, Config{Upstreams: []string{f.url}})
	l.get("/").wantStatus(t, 200)
	for _, upstreams := range [][]string{{f.url}, {f.url, other.url}, {other.url}} {
		p := l.make(Config{Upstreams: upstreams, Keepalive: 1, HealthPath: "/", Balance: "hash"})
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}
	if a := l.get("/"); a.body != "1" || f.conns.Load() != 1 || other.conns.Load() != 0 {
		t.Errorf("%q by %d connections, %d elsewhere", a.body, f.conns.Load(), other.conns.Load())
	}
	if e := l.peer(0).endpoint; e.users != 1 || e.holders != 1 || len(l.proxy.endpoints.all) != 1 {
		t.Errorf("%d users, %d holders, of %d endpoints", e.users, e.holders, len(l.proxy.endpoints.all))
	}
}

// Clients stay at their upstream without a sticky_secret, too.
func TestTheSecretOutlivesAProxy(t *testing.T) {
	cfg := Config{Upstreams: []string{"unix:/a"}, StickyCookie: "srv"}
	p := bench(t, cfg)
	for name, tt := range map[string]struct {
		change func(*Config)
		same   bool
	}{
		"none":  {func(c *Config) { c.Balance = "hash" }, true},
		"a new": {func(c *Config) { c.StickySecret = "0123456789abcdef" }, false},
	} {
		next := cfg
		tt.change(&next)
		n, err := New(next, Parts{Loops: []*loop.Loop{p.shards[0].l}, Log: p.log, Before: p})
		if err != nil {
			t.Fatal(err)
		}
		if got := string((*n.peers.Load())[0].token) == string((*p.peers.Load())[0].token); got != tt.same {
			t.Errorf("%s: the same token: %v", name, got)
		}
	}
}

// Many Proxies follow one another while requests go on: none fails, and in the end
// there is what one of them has.
func TestManyProxiesFollowUnderLoad(t *testing.T) {
	a, b := unixFake(t, echo), unixFake(t, echo)
	l := begins(t, 2, Config{Upstreams: []string{a.url, b.url}, MaxConnections: 4, QueueTimeout: door.Patience})
	var clients sync.WaitGroup
	var stop atomic.Bool
	var answered atomic.Int64
	for range 8 {
		c := l.client()
		clients.Go(func() {
			for !stop.Load() {
				if got := c.send("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello").read("POST"); got.StatusCode != 200 || !strings.HasSuffix(got.body, "hello") {
					t.Errorf("%d %q", got.StatusCode, got.body)
					return
				}
				answered.Add(1)
			}
		})
	}
	changes := []Config{
		{Upstreams: []string{a.url, b.url}, Balance: "least_connections"},
		{Upstreams: []string{b.url + " weight=3", a.url}},
		{Upstreams: []string{a.url}},
		{Upstreams: []string{a.url, b.url + " backup"}, Keepalive: 2},
		{Upstreams: []string{b.url}, Keepalive: -1},
	}
	var olds []*Proxy
	for i := range 60 {
		cfg := changes[i%len(changes)]
		cfg.MaxConnections, cfg.QueueTimeout = 4, door.Patience
		olds = append(olds, l.follow(cfg))
		from := answered.Load()
		until(t, "more is answered", func() bool { return answered.Load() > from+5 || t.Failed() })
	}
	stop.Store(true)
	clients.Wait()
	for _, p := range append(olds, l.follow(Config{Upstreams: []string{a.url, b.url}})) {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}
	if n := len(l.proxy.endpoints.all); n != 2 {
		t.Errorf("%d endpoints are known", n)
	}
	until(t, "no connection is lost", func() bool {
		open, conns := int64(0), 0
		for _, p := range *l.proxy.peers.Load() {
			open += p.open.Load()
		}
		for i, s := range l.proxy.shards {
			l.On(l.Loops[i], func() { conns += len(s.conns) })
		}
		return open == int64(conns)
	})
	for _, p := range *l.proxy.peers.Load() {
		if p.active.Load() != 0 || p.waiting.Load() != 0 || p.open.Load() > 4 {
			t.Errorf("%s: %d under way, %d wait, %d open", p.name, p.active.Load(), p.waiting.Load(), p.open.Load())
		}
	}
}

// A request of HTTP/2 goes on until its own Proxy is closed, whichever others have
// used its connection and are.
func TestRequestsOfHTTP2OutliveOtherProxies(t *testing.T) {
	asked, gate := make(chan struct{}), make(chan struct{})
	s := speaksHTTP2(t, func(w http.ResponseWriter, _ *http.Request) {
		close(asked)
		<-gate
		_, _ = fmt.Fprint(w, "whole")
	})
	other := unixFake(t, counted)
	cfg := Config{Upstreams: []string{"h2c://" + s.Listener.Addr().String()}}
	l := begins(t, 1, cfg)
	cfg.Balance = "hash"
	first := l.follow(cfg)
	slow := l.client().send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	<-asked
	second := l.follow(Config{Upstreams: []string{other.url}})
	if err := first.Close(); err != nil {
		t.Error(err)
	}
	close(gate)
	if a := slow.read("GET"); a.StatusCode != 200 || a.body != "whole" {
		t.Errorf("got %d %q, %v", a.StatusCode, a.body, a.err)
	}
	if err := second.Close(); err != nil {
		t.Error(err)
	}
}
