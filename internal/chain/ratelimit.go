package chain

import (
	"errors"
	"fmt"
	"hash/maphash"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"rickhouse/internal/exchange"
	wire "rickhouse/internal/wire/http1"
)

// RateConfig bounds how many requests come in a time. The zero value does not.
type RateConfig struct {
	Limit   string `toml:"rate_limit" default:"none" help:"How many requests one client may make, as 10/s, 300/m, 5000/h or 100/10s. More are answered 429, with Retry-After. A client is an address, with IPv6 a network of 64 bits."`
	Burst   int    `toml:"rate_burst" default:"the number in rate_limit" help:"How many requests may come at once. With 10/s and a burst of 30 a client that was quiet may make 30, and then one every tenth of a second."`
	Key     string `toml:"rate_key" default:"client" help:"Who is one client: client for the address, or header:NAME for the value of a request header, as header:Authorization; requests without it count by address."`
	Entries int    `toml:"rate_entries" default:"65536" help:"How many clients are remembered, in 24 bytes each. Of more, those that have made the fewest requests of late are forgotten."`
}

// The bounds of what can be asked for.
const (
	maxRate        = 1_000_000_000
	maxRatePeriod  = 24 * time.Hour
	maxBurst       = 1_000_000
	minRateEntries = 64
	maxRateEntries = 1 << 26
	maxRefill      = 30 * maxRatePeriod
)

// parseRate reads "10/s" or "100/10s": a number of requests in a time.
func parseRate(s string) (n int, period time.Duration, err error) {
	number, unit, ok := strings.Cut(s, "/")
	if n, err = strconv.Atoi(strings.TrimSpace(number)); !ok || err != nil || n < 1 || n > maxRate {
		return 0, 0, fmt.Errorf("%q is not a rate: write a number of requests and a time, as 10/s, 300/m or 100/10s", s)
	}
	unit = strings.TrimSpace(unit)
	if unit != "" && (unit[0] < '0' || unit[0] > '9') {
		unit = "1" + unit
	}
	period, err = time.ParseDuration(unit)
	if err != nil || period <= 0 || period > maxRatePeriod || period < time.Duration(n) {
		return 0, 0, fmt.Errorf("%q is not a rate: its time is to be between a nanosecond a request and %v in all, as in 10/s, 300/m or 100/10s", s, maxRatePeriod)
	}
	return n, period, nil
}

// WithDefaults returns c with its zero fields replaced, if there is a limit.
func (c RateConfig) WithDefaults() RateConfig {
	if c.Limit == "" {
		return c
	}
	if c.Burst == 0 {
		c.Burst, _, _ = parseRate(c.Limit)
		c.Burst = min(c.Burst, maxBurst)
	}
	if c.Key == "" {
		c.Key = rateByClient
	}
	if c.Entries == 0 {
		c.Entries = 65536
	}
	return c
}

// The forms of rate_key.
const (
	rateByClient = "client"
	rateByHeader = "header:"
)

// Validate reports every mistake in c, each as "key: what is wrong".
func (c RateConfig) Validate() error {
	if c.Limit == "" {
		return needs("rate_limit", map[string]bool{"rate_burst": c.Burst != 0, "rate_key": c.Key != "", "rate_entries": c.Entries != 0})
	}
	var errs []error
	wrong := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	n, period, err := parseRate(c.Limit)
	wrong(err != nil, "rate_limit: %w", err)
	name, byHeader := strings.CutPrefix(c.Key, rateByHeader)
	wrong(c.Burst < 0 || c.Burst > maxBurst, "rate_burst: %d is not between 1 and %d", c.Burst, maxBurst)
	wrong(err == nil && float64(c.Burst)*float64(period)/float64(n) > float64(maxRefill),
		"rate_burst: at the rate of rate_limit (%s) a burst of %d takes longer than %v to come back", c.Limit, c.Burst, maxRefill)
	wrong(c.Key != "" && c.Key != rateByClient && !byHeader, "rate_key: %q is not client or header:NAME", c.Key)
	wrong(byHeader && !wire.ValidName([]byte(name)), "rate_key: %q is not the name of a header", name)
	wrong(c.Entries != 0 && (c.Entries < minRateEntries || c.Entries > maxRateEntries), "rate_entries: %d is not between %d and %d", c.Entries, minRateEntries, maxRateEntries)
	return errors.Join(errs...)
}

// rate is the wrapper that bounds how many requests come.
type rate struct {
	next   exchange.Handler
	header string    // in lower case; empty to count by address
	policy []byte    // the value of RateLimit-Policy
	taps   sync.Pool // of *rateTap
	*rateCounts
}

// rateCounts are what clients have asked for.
type rateCounts struct {
	table *rateTable
	seeds [2]maphash.Seed // of keys
}

// newRate returns nil if there is no limit.
func newRate(c RateConfig, keep Keep) wrapper {
	if c.Limit == "" {
		return nil
	}
	n, period, _ := parseRate(c.Limit)
	name, _ := strings.CutPrefix(c.Key, rateByHeader)
	if c.Key == rateByClient {
		name = ""
	}
	counts := kept(keep, c, func() *rateCounts {
		return &rateCounts{
			seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()},
			table: newRateTable(c.Entries, int64(period)/int64(n), int64(c.Burst)),
		}
	})
	return func(next exchange.Handler) exchange.Handler {
		r := &rate{next: next, header: strings.ToLower(name), rateCounts: counts}
		r.policy = []byte(`"default";q=` + strconv.Itoa(c.Burst) + ";w=" + strconv.FormatInt(ceilSeconds(r.table.interval*r.table.burst), 10))
		return r
	}
}

func ceilSeconds(ns int64) int64 { return (ns + int64(time.Second) - 1) / int64(time.Second) }

// Serve implements exchange.Handler.
func (r *rate) Serve(x *exchange.Exchange) {
	t, ok := r.taps.Get().(*rateTap)
	if !ok {
		t = &rateTap{r: r}
		t.tap = tap{self: t, pool: &r.taps}
	}
	v := r.table.take(r.key(&x.Request))
	t.text = append(strconv.AppendInt(append(t.text[:0], `"default";r=`...), v.left, 10), ";t="...)
	t.text = strconv.AppendInt(t.text, ceilSeconds(v.reset), 10)
	t.put(x)
	if v.wait > 0 {
		x.Fail(&exchange.Error{
			Status: http.StatusTooManyRequests, Reason: "the client makes too many requests (rate_limit)", RetryAfter: time.Duration(v.wait),
		})
		return
	}
	r.next.Serve(x)
}

// key says who the client is. What clients choose is hashed with a secret, so that
// none can be taken for another.
func (r *rate) key(req *exchange.Request) (k rateKey) {
	if r.header != "" {
		if value := req.Get(r.header); value != nil {
			for i, seed := range r.seeds {
				h := maphash.Bytes(seed, value)
				for j := range 8 {
					k[8*i+j] = byte(h >> (8 * j))
				}
			}
			return k
		}
	}
	a, ok := clientAddr(req)
	switch {
	case !ok:
	case a.Is4():
		k = a.As16()
	default:
		k = a.As16()
		clear(k[8:])
	}
	return k
}

// rateTap says in one answer how much is left (draft-ietf-httpapi-ratelimit-headers).
type rateTap struct {
	tap
	r    *rate
	text []byte
}

// Head implements exchange.Client.
func (t *rateTap) Head(x *exchange.Exchange) {
	if final(x) && !x.HeadSent {
		x.Response.Fields = append(x.Response.Fields,
			exchange.Field{Name: []byte("RateLimit-Policy"), Value: t.r.policy}, exchange.Field{Name: []byte("RateLimit"), Value: t.text})
	}
	t.client.Head(x)
}
