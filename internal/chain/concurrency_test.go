package chain

import (
	"testing"
	"testing/synctest"
	"time"

	"rickhouse/internal/exchange"
)

func TestConcurrencyIsBounded(t *testing.T) {
	a := &application{}
	h := one(t, Config{Concurrency: ConcurrencyConfig{Max: 2}}, a)
	var peers []*peer
	for range 3 {
		x, p := ask(t, "GET", "/")
		h.Serve(x)
		peers = append(peers, p)
	}
	if a.served != 2 || peers[2].status != 503 || peers[2].get("Retry-After") != "1" {
		t.Errorf("%d are served, the third gets %d", a.served, peers[2].status)
	}
	peers[0].x.Answer(200, "ok")
	peers[1].x.Abort(exchange.ErrClientGone)
	for range 2 {
		x, _ := ask(t, "GET", "/")
		h.Serve(x)
	}
	if a.served != 4 {
		t.Errorf("%d were served, want 4: places were not given back", a.served)
	}
}

// bounded is a route that serves one at a time, and holds one.
func bounded(t *testing.T) (*application, exchange.Handler, *peer) {
	a := &application{}
	h := one(t, Config{Concurrency: ConcurrencyConfig{Max: 1, Queue: 2, Wait: time.Second}}, a)
	x, p := ask(t, "GET", "/first")
	h.Serve(x)
	return a, h, p
}

func TestRequestsWaitForTheirTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, h, first := bounded(t)
		var peers []*peer
		for _, path := range []string{"/second", "/third", "/fourth"} {
			x, p := ask(t, "POST", path)
			x.HasContent = true
			h.Serve(x)
			peers = append(peers, p)
		}
		if a.served != 1 || peers[2].status != 503 {
			t.Fatalf("%d are served, the last gets %d", a.served, peers[2].status)
		}
		peers[0].x.Server.ContentEnd(peers[0].x, nil)
		first.x.Answer(200, "")
		peers[0].settle()
		if a.served != 2 || a.x != peers[0].x || a.x.HasContent {
			t.Errorf("%d are served: it is the turn of the second, whose content turned out to be none", a.served)
		}
		peers[0].x.Answer(200, "")
		peers[1].settle()
		if a.served != 3 || a.x != peers[1].x {
			t.Error("the third is not served")
		}
		peers[1].x.Answer(200, "")
		time.Sleep(time.Minute)
		synctest.Wait()
		if x, _ := ask(t, "GET", "/"); true {
			h.Serve(x)
		}
		if a.served != 4 {
			t.Error("a place was lost")
		}
	})
}

func TestRequestsThatDoNotGetTheirTurn(t *testing.T) {
	for name, tt := range map[string]struct {
		do     func(p *peer, first *peer)
		status int
	}{
		"too late": {func(p, _ *peer) {
			time.Sleep(time.Second)
			synctest.Wait()
			p.settle()
		}, 503},
		"gone":                   {func(p, _ *peer) { p.gone() }, 0},
		"gone as its turn comes": {func(p, first *peer) { first.x.Answer(200, ""); p.gone(); p.settle() }, 0},
		"content that is cut": {func(p, first *peer) {
			p.x.Server.ContentEnd(p.x, &exchange.Error{Status: 400})
			first.x.Answer(200, "")
			p.settle()
		}, 400},
		"late as its turn comes": {func(p, first *peer) {
			time.Sleep(time.Second)
			synctest.Wait() // the alarm is posted
			first.x.Answer(200, "")
			p.gone()
			p.settle()
		}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, h, first := bounded(t)
				x, p := ask(t, "POST", "/second")
				h.Serve(x)
				tt.do(p, first)
				if !p.over() || p.status != tt.status || a.served != 1 {
					t.Errorf("over %v, status %d, %d served", p.over(), p.status, a.served)
				}
				if !first.over() {
					first.x.Answer(200, "")
				}
				x, _ = ask(t, "GET", "/third")
				if h.Serve(x); a.served != 2 {
					t.Error("a place was lost")
				}
			})
		})
	}
}

func TestConcurrencyThatCannotBe(t *testing.T) {
	for _, tt := range []struct {
		c    ConcurrencyConfig
		want string
	}{
		{ConcurrencyConfig{Queue: 1}, "concurrent_queue: it needs max_concurrent beside it"},
		{ConcurrencyConfig{Max: -1}, "max_concurrent: -1 is not between 1 and 10000000"},
		{ConcurrencyConfig{Max: 1, Queue: -1}, "concurrent_queue: -1 is not between 0 and 10000000"},
		{ConcurrencyConfig{Max: 1, Queue: 1, Wait: -1}, "concurrent_wait: -1ns is less than 0"},
		{ConcurrencyConfig{Max: 1, Wait: 1}, "concurrent_wait: it needs concurrent_queue beside it"},
	} {
		if err := tt.c.Validate(); err == nil || err.Error() != tt.want {
			t.Errorf("%+v: %v, want %s", tt.c, err, tt.want)
		}
	}
}
