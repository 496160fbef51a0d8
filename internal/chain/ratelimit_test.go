package chain

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"rickhouse/internal/exchange"
)

// asks makes a request and returns the status and what is said of the rate.
func asks(t *testing.T, h exchange.Handler, client string, fields ...string) string {
	t.Helper()
	x, p := ask(t, "GET", "/", fields...)
	x.Request.ClientAddr = []byte(client)
	h.Serve(x)
	p.finish()
	return fmt.Sprintf("%d %s %s", p.status, p.get("RateLimit"), p.get("Retry-After"))
}

func TestRateLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := one(t, Config{Rate: RateConfig{Limit: "2/s", Burst: 3}}, text(200, "ok"))
		x, p := ask(t, "GET", "/")
		x.Request.ClientAddr = []byte("198.51.100.1")
		h.Serve(x)
		if p.finish(); p.get("RateLimit-Policy") != `"default";q=3;w=2` {
			t.Errorf("the policy is %s", p.get("RateLimit-Policy"))
		}
		for i, tt := range []struct {
			after  time.Duration
			client string
			want   string
		}{
			{0, "192.0.2.1", `200 "default";r=2;t=1 `},
			{0, "192.0.2.1", `200 "default";r=1;t=1 `},
			{0, "192.0.2.1", `200 "default";r=0;t=2 `},
			{0, "192.0.2.1", `429 "default";r=0;t=1 1`},
			{0, "192.0.2.2", `200 "default";r=2;t=1 `},
			{499 * time.Millisecond, "192.0.2.1", `429 "default";r=0;t=1 1`},
			{time.Millisecond, "192.0.2.1", `200 "default";r=0;t=2 `},
			{time.Millisecond, "192.0.2.1", `429 "default";r=0;t=1 1`},
			{time.Hour, "192.0.2.1", `200 "default";r=2;t=1 `},

			// A client with IPv6 has 64 bits of addresses; one without an address is one.
			{0, "2001:db8::1", `200 "default";r=2;t=1 `},
			{0, "2001:db8::ffff:1", `200 "default";r=1;t=1 `},
			{0, "2001:db8:0:1::1", `200 "default";r=2;t=1 `},
			{0, "::ffff:192.0.2.1", `200 "default";r=1;t=1 `},
			{0, "", `200 "default";r=2;t=1 `},
			{0, "", `200 "default";r=1;t=1 `},
		} {
			time.Sleep(tt.after)
			if got := asks(t, h, tt.client); got != tt.want {
				t.Errorf("%d: %s: %s, want %s", i, tt.client, got, tt.want)
			}
		}
	})
}

func TestRateLimitByHeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := one(t, Config{Rate: RateConfig{Limit: "1/m", Key: "header:X-Key"}}, text(200, "ok"))
		for i, tt := range []struct {
			client, key, want string
		}{
			{"192.0.2.1", "X-Key: a", `200 "default";r=0;t=60 `},
			{"192.0.2.2", "X-Key: a", `429 "default";r=0;t=60 60`},
			{"192.0.2.2", "X-Key: b", `200 "default";r=0;t=60 `},
			{"192.0.2.2", "Y: b", `200 "default";r=0;t=60 `},
			{"192.0.2.2", "Y: b", `429 "default";r=0;t=60 60`},
		} {
			if got := asks(t, h, tt.client, tt.key); got != tt.want {
				t.Errorf("%d: %s, want %s", i, got, tt.want)
			}
		}
	})
}

// However many clients there are, the table does not grow, and one that has used
// up its requests is the last to be forgotten.
func TestRateTableIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := newRateTable(rateWidth, int64(time.Second), 100)
		busy := rateKey{1}
		for range 100 {
			table.take(busy)
		}
		for i := range 1000 {
			if v := table.take(rateKey{2, byte(i), byte(i >> 8)}); v.wait > 0 {
				t.Fatalf("client %d is refused", i)
			}
		}
		if v := table.take(busy); v.wait == 0 {
			t.Error("the busy client was forgotten")
		}
	})
}

func TestRateTableLosesNoRequest(t *testing.T) {
	table := newRateTable(64, int64(24*time.Hour), 1000)
	var passed [4]int
	var wait sync.WaitGroup
	for i := range passed {
		wait.Go(func() {
			for range 500 {
				if table.take(rateKey{1}).wait == 0 {
					passed[i]++
				}
			}
		})
	}
	wait.Wait()
	if n := passed[0] + passed[1] + passed[2] + passed[3]; n != 1000 {
		t.Errorf("%d requests passed, want 1000", n)
	}
}

func TestRateLimitAllocatesNothing(t *testing.T) {
	h := one(t, Config{Rate: RateConfig{Limit: "1000000/s"}}, exchange.HandlerFunc(func(x *exchange.Exchange) { x.End() }))
	x, _ := ask(t, "GET", "/")
	addr := []byte("192.0.2.1")
	if n := testing.AllocsPerRun(100, func() {
		x.Reset()
		x.Client, x.Request.ClientAddr = &quiet, addr
		h.Serve(x)
	}); n != 0 && !raceEnabled {
		t.Errorf("%v allocations, want 0", n)
	}
}

func TestRatesThatCannotBe(t *testing.T) {
	for _, tt := range []struct {
		c    RateConfig
		want string
	}{
		{RateConfig{Burst: 1}, "rate_burst: it needs rate_limit beside it"},
		{RateConfig{Limit: "10"}, `rate_limit: "10" is not a rate: write a number of requests and a time, as 10/s, 300/m or 100/10s`},
		{RateConfig{Limit: "0/s"}, `rate_limit: "0/s" is not a rate: write a number of requests and a time, as 10/s, 300/m or 100/10s`},
		{RateConfig{Limit: "1/week"}, `rate_limit: "1/week" is not a rate: its time is to be between a nanosecond a request and 24h0m0s in all, as in 10/s, 300/m or 100/10s`},
		{RateConfig{Limit: "1/24h", Burst: 100}, `rate_burst: at the rate of rate_limit (1/24h) a burst of 100 takes longer than 720h0m0s to come back`},
		{RateConfig{Limit: "1/s", Burst: -1}, "rate_burst: -1 is not between 1 and 1000000"},
		{RateConfig{Limit: "1/s", Key: "cookie"}, `rate_key: "cookie" is not client or header:NAME`},
		{RateConfig{Limit: "1/s", Key: "header:X Y"}, `rate_key: "X Y" is not the name of a header`},
		{RateConfig{Limit: "1/s", Entries: 1}, "rate_entries: 1 is not between 64 and 67108864"},
	} {
		if err := tt.c.Validate(); err == nil || err.Error() != tt.want {
			t.Errorf("%+v: %v, want %s", tt.c, err, tt.want)
		}
	}
}

// A rate is read, or there is an error; what is read can be kept to.
func FuzzRate(f *testing.F) {
	for _, s := range []string{"10/s", "100/10s", "1/ m", "9/1h30m", "/", "1/-1s", "1000000000/s"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, period, err := parseRate(s)
		if err == nil && (n < 1 || period <= 0 || int64(period)/int64(n) < 1) {
			t.Errorf("%q is %d in %v", s, n, period)
		}
	})
}
