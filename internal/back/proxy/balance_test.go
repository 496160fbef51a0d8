package proxy

import (
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"rickhouse/internal/exchange"
	"rickhouse/internal/loop"
)

// bench is a Proxy whose peers are never asked.
func bench(t *testing.T, cfg Config) *Proxy {
	t.Helper()
	l, err := loop.New(loop.Config{}) // it runs at the end, so that the test may act for it
	if err != nil {
		t.Fatal(err)
	}
	p, err := New(cfg, Parts{Loops: []*loop.Loop{l}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		l.Stop()
		if err := l.Run(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// picks counts which peers are picked for so many requests, and returns them in order.
func picks(p *Proxy, n int, x func(i int) *exchange.Exchange) (counts map[string]int, order string) {
	counts = map[string]int{}
	for i := range n {
		peer, _ := p.shards[0].pick(x(i), nil)
		if peer == nil {
			counts[""]++
			continue
		}
		name := strings.TrimPrefix(peer.name, "unix:/")
		counts[name]++
		order += name
	}
	return counts, order
}

func plainRequest(int) *exchange.Exchange { return &exchange.Exchange{} }

func TestRoundRobin(t *testing.T) {
	p := bench(t, Config{Upstreams: []string{"unix:/a weight=3", "unix:/b", "unix:/c", "unix:/d backup"}})
	if _, order := picks(p, 10, plainRequest); order != "abacaabaca" {
		t.Errorf("the turns are %s", order)
	}
}

func TestLeastConnections(t *testing.T) {
	p := bench(t, Config{Upstreams: []string{"unix:/a", "unix:/b weight=2"}, Balance: "least_connections"})
	peers := *p.peers.Load()
	peers[0].active.Store(2)
	peers[1].active.Store(4)
	if counts, _ := picks(p, 20, plainRequest); counts["b"] != 20 {
		t.Errorf("got %v: b has 2.5 requests for each of its weight, a 3", counts)
	}
	peers[1].active.Store(6)
	if counts, _ := picks(p, 20, plainRequest); counts["a"] != 20 {
		t.Errorf("got %v: a has 3, b 3.5", counts)
	}
}

func TestRandomTwo(t *testing.T) {
	p := bench(t, Config{Upstreams: []string{"unix:/a", "unix:/b", "unix:/c"}, Balance: "random_two"})
	(*p.peers.Load())[0].active.Store(100)
	counts, _ := picks(p, 300, plainRequest)
	if counts["a"] != 0 || counts["b"] < 50 || counts["c"] < 50 {
		t.Errorf("got %v: the busiest is never the better of two", counts)
	}
}

func TestConsistentHash(t *testing.T) {
	field := func(name, value string) func(int) *exchange.Exchange {
		return func(i int) *exchange.Exchange {
			x := &exchange.Exchange{}
			x.Request.Path = []byte(fmt.Sprint("/", i))
			x.Request.ClientAddr = []byte(fmt.Sprint("10.0.0.", i))
			x.Request.Fields = []exchange.Field{{Name: []byte(name), Value: []byte(fmt.Sprintf(value, i))}}
			return x
		}
	}
	for by, x := range map[string]func(int) *exchange.Exchange{
		"address": field("a", "%d"), "path": field("a", "%d"), "header:X-Key": field("x-key", "%d"), "cookie:sid": field("cookie", "a=b; sid=%d; c=d"),
	} {
		t.Run(by, func(t *testing.T) {
			urls := []string{"unix:/a", "unix:/b weight=2", "unix:/c"}
			p := bench(t, Config{Upstreams: urls, Balance: "hash", HashBy: by})
			counts, before := picks(p, 4000, x)
			if counts["a"] < 800 || counts["a"] > 1200 || counts["b"] < 1750 || counts["b"] > 2250 {
				t.Errorf("the shares are %v", counts)
			}
			if _, again := picks(p, 4000, x); again != before {
				t.Error("a key moves by itself")
			}
			(*p.peers.Load())[2].sick.Store(true)
			_, after := picks(p, 4000, x)
			for i := range before {
				if before[i] != 'c' && before[i] != after[i] {
					t.Fatalf("key %d moves from %c to %c, as c has gone", i, before[i], after[i])
				}
			}
		})
	}
}

func TestBackups(t *testing.T) {
	p := bench(t, Config{Upstreams: []string{"unix:/a", "unix:/b", "unix:/c backup"}, Breaker: true})
	peers := *p.peers.Load()
	peers[0].sick.Store(true)
	if counts, _ := picks(p, 5, plainRequest); counts["b"] != 5 {
		t.Errorf("got %v", counts)
	}
	peers[1].removed.Store(true)
	if counts, _ := picks(p, 5, plainRequest); counts["c"] != 5 {
		t.Errorf("got %v", counts)
	}
	peers[2].sick.Store(true)
	if counts, _ := picks(p, 5, plainRequest); counts[""] != 5 {
		t.Errorf("got %v", counts)
	}
}

// TestEjection goes through the life of a peer that fails.
func TestEjection(t *testing.T) {
	cfg := Config{Upstreams: []string{"unix:/a", "unix:/b"}, MaxFails: 3, EjectTime: 10 * time.Second, SlowStart: 100 * time.Second}
	p := bench(t, cfg)
	peers := *p.peers.Load()
	a, b := peers[0], peers[1]
	yes, now := func() bool { return true }, int64(time.Hour)
	available := func(want, wantTrial bool) {
		t.Helper()
		if ok, trial := a.available(now); ok != want || trial != wantTrial && ok {
			t.Fatalf("available: %t, trial %t, want %t, %t", ok, trial, want, wantTrial)
		}
	}
	a.failed(now, yes)
	a.failed(now, yes)
	a.succeeded(now)
	a.failed(now, yes)
	a.failed(now, yes)
	available(true, false)
	a.failed(now, yes)
	available(false, false)
	now += int64(9 * time.Second)
	available(false, false)
	now += int64(time.Second)
	available(true, true)
	a.trying.Store(true) // one request finds out
	available(false, false)
	a.failed(now, yes) // twice as long
	now += int64(19 * time.Second)
	available(false, false)
	now += int64(time.Second)
	available(true, true)
	a.trying.Store(true)
	a.succeeded(now)
	available(true, false)
	if share := a.share(now); share != 25 {
		t.Errorf("its share is %d/256 at first", share)
	}
	t.Run("the last one stays", func(t *testing.T) {
		for range 10 {
			b.failed(now, func() bool { return false })
		}
		if ok, _ := b.available(now); !ok {
			t.Error("it is left alone")
		}
	})
}

// TestSlowStart: who has come back gets a tenth of its share, and more by and by.
func TestSlowStart(t *testing.T) {
	const second = int64(time.Second)
	for _, c := range []struct {
		slow  time.Duration
		after int64 // seconds since it came back
		share int   // in 256ths of one weight
		turns int   // of 300, beside another of the same weight
	}{
		{100 * time.Second, 0, 51, 27},
		{100 * time.Second, 5, 51, 27},
		{100 * time.Second, 25, 128, 60},
		{100 * time.Second, 50, 256, 100},
		{100 * time.Second, 75, 384, 128},
		{100 * time.Second, 100, 512, 150},
		{100 * time.Second, 1000, 512, 150},
		{0, 0, 512, 150},
	} {
		p := bench(t, Config{Upstreams: []string{"unix:/a weight=2", "unix:/b weight=2"}, SlowStart: c.slow})
		now := p.shards[0].l.Now()
		a := (*p.peers.Load())[0]
		a.recovered.Store(now - c.after*second)
		if share := a.share(now); share != c.share {
			t.Errorf("%v, after %d s: its share is %d/256, want %d", c.slow, c.after, share, c.share)
		}
		a.recovered.Store(now - c.after*second)
		if counts, _ := picks(p, 300, plainRequest); counts["a"] < c.turns-1 || counts["a"] > c.turns+1 {
			t.Errorf("%v, after %d s: it has %d of 300 turns, want about %d", c.slow, c.after, counts["a"], c.turns)
		}
	}
}

// TestPassiveHealth: an upstream that fails gets no requests for a while.
func TestPassiveHealth(t *testing.T) {
	dead, alive := unixFake(t, dies), unixFake(t, named("alive"))
	e := start(t, Config{Upstreams: []string{dead.url, alive.url}, MaxFails: 2, EjectTime: time.Hour}, 1)
	for range 50 {
		e.get("/").wantStatus(t, 200)
	}
	if n := dead.conns.Load(); n != 2 {
		t.Errorf("it was asked %d times, want max_fails", n)
	}
	e.wantLog("an upstream is left alone.*" + dead.url)
}

// TestStatusesThatAreFailures: with fail_status an upstream is left alone for what it
// answers, which passes all the same; without, any answer is one.
func TestStatusesThatAreFailures(t *testing.T) {
	answers := func(status int) func(c *peerConn) {
		return func(c *peerConn) {
			for c.head() != "" {
				c.write(fmt.Sprintf("HTTP/1.1 %d Sorry\r\nContent-Length: 4\r\n\r\nsick", status))
			}
		}
	}
	for _, c := range []struct {
		name   string
		status int
		of     []string
		left   bool
	}{
		{"one of them", 503, []string{"429", "502-504"}, true},
		{"the last of a range", 504, []string{"502-504"}, true},
		{"another", 500, []string{"429", "502-504"}, false},
		{"by default", 503, nil, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			sick, well := unixFake(t, answers(c.status)), unixFake(t, named("well"))
			e := start(t, Config{Upstreams: []string{sick.url, well.url}, MaxFails: 2, EjectTime: time.Hour, FailStatus: c.of}, 1)
			statuses := map[int]int{}
			for range 20 {
				a := e.get("/")
				statuses[a.StatusCode]++
				if a.StatusCode == c.status && a.body != "sick" {
					t.Errorf("got %q", a.body)
				}
			}
			want := 10
			if c.left {
				want = 2 // max_fails
				e.wantLog("an upstream is left alone.*" + sick.url)
			}
			if statuses[c.status] != want || statuses[200] != 20-want {
				t.Errorf("got %v, want %d of status %d", statuses, want, c.status)
			}
		})
	}
}

// TestCircuitBreaker: while all upstreams are left alone nobody is asked, then one
// request tries it.
func TestCircuitBreaker(t *testing.T) {
	var well atomic.Bool
	f := unixFake(t, func(c *peerConn) {
		for c.head() != "" {
			if !well.Load() {
				return
			}
			c.write(ok("well"))
		}
	})
	e := start(t, Config{Upstreams: []string{f.url}, MaxFails: 1, EjectTime: time.Hour, Breaker: true, NoRetry: true}, 1)
	e.get("/").wantStatus(t, 502)
	for range 20 {
		if a := e.get("/"); a.StatusCode != 503 || a.Header.Get("Retry-After") != "3600" {
			t.Errorf("got %d, %v", a.StatusCode, a.Header)
		}
	}
	if n := f.conns.Load(); n != 1 {
		t.Errorf("it was asked %d times", n)
	}
	well.Store(true)
	e.On(e.Loops[0], func() { (*e.proxy.peers.Load())[0].until.Store(1) })
	e.get("/").wantStatus(t, 200)
	e.wantLog("an upstream is well again")
	e.get("/").wantStatus(t, 200)
}
