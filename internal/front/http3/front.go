package http3

import (
	"crypto/tls"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"rickhouse/internal/exchange"
	"rickhouse/internal/front"
	"rickhouse/internal/loop"
	"rickhouse/internal/spool"
	semantics "rickhouse/internal/wire/http1"
)

// Parts are what a Front works with.
type Parts struct {
	// Handler answers every Exchange. Serve is called on the goroutine of the
	// request, which is the Exchange's Executor.
	Handler exchange.Handler
	// TLS says which certificates are shown and whom to believe. Its NextProtos
	// and versions are set here: HTTP/3 is "h3" over TLS 1.3.
	TLS *tls.Config
	// Describe returns what applications are told of a connection's TLS, as
	// exchange.Request has it; nil tells nothing.
	Describe func(tls.ConnectionState) []byte
	// Extra are fields for every answer that has none of that name.
	Extra []exchange.Field
	// Log gets a line for each client that breaks a rule.
	Log *slog.Logger
	// Store takes what slow clients have not taken; nil for none. Spool says how
	// much stays in memory before, and how much the Store takes of one answer.
	Store *spool.Store
	Spool spool.Config
	// Observe, if not nil, is called once for every Exchange, on its Executor,
	// when its answer is with quic-go or cut, while its Request is still valid.
	// It is called as well for what was refused before any Handler saw it.
	Observe func(x *exchange.Exchange)
}

// Front serves HTTP/3. It is safe for concurrent use.
type Front struct {
	cfg     Config
	common  front.Config
	parts   Parts
	limits  semantics.Limits
	server  string
	proxies front.Proxies

	memory    int   // octets of an answer in memory
	maxAnswer int64 // octets of an answer in the spool

	start time.Time
	base  int64     // the Loops' clock at start
	heads sync.Pool // of *front.Head
	bulk  sync.Pool // of *[]byte

	open     atomic.Int64
	counters counters
}

// counters are what a Front has seen.
type counters struct{ requests, refused, broken, resets, retries atomic.Uint64 }

// Counters are what a Front has seen.
type Counters struct {
	Open     int64  // connections now
	Requests uint64 // heads that were understood
	Refused  uint64 // requests that broke a rule or a limit, or came too slowly
	Broken   uint64 // answers that were cut
	Resets   uint64 // requests that the client gave up
	Retries  uint64 // connections whose address was validated first
}

// New makes a Front, or says what is wrong with its settings.
func New(common front.Config, cfg Config, p Parts) (*Front, error) {
	if err := common.Validate(); err != nil {
		return nil, err
	}
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if p.TLS == nil {
		return nil, errors.New("http3: HTTP/3 needs TLS: set tls, or leave http3 out")
	}
	common, cfg = common.WithDefaults(), cfg.WithDefaults()
	f := &Front{
		cfg: cfg, common: common, parts: p, limits: common.Limits(), proxies: front.NewProxies(common.TrustedProxies),
		start: time.Now(), base: loop.Monotonic(),
	}
	if common.ServerHeader != "none" {
		f.server = common.ServerHeader
	}
	s := p.Spool.WithDefaults()
	f.memory, f.maxAnswer = int(s.Memory), int64(s.MaxAnswer)
	f.heads.New = func() any { return front.NewHead(&f.limits) }
	f.bulk.New = func() any {
		b := make([]byte, bulkSize)
		return &b
	}
	return f, nil
}

// bulkSize is how much content is read, or of a file written, at a time.
const bulkSize = 32 << 10

// now is the time on the scale of the event loops.
func (f *Front) now() int64 { return f.base + int64(time.Since(f.start)) }

// at is the time that now has been or will be.
func (f *Front) at(now int64) time.Time { return f.start.Add(time.Duration(now - f.base)) }

// Counters returns what the Front has seen.
func (f *Front) Counters() Counters {
	c := &f.counters
	return Counters{
		Open: f.open.Load(), Requests: c.requests.Load(), Refused: c.refused.Load(), Broken: c.broken.Load(),
		Resets: c.resets.Load(), Retries: c.retries.Load(),
	}
}

// Open is the number of connections there are now.
func (f *Front) Open() int64 { return f.open.Load() }
