package http3

import (
	"crypto/tls"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"rickhouse/internal/exchange"
	"rickhouse/internal/front"
	"rickhouse/internal/loop"
)

// Parts are what a Front works with.
type Parts struct {
	// Serve of its Handler is called on the goroutine of the request, which is the
	// Exchange's Executor. No Disk is needed.
	front.Parts
	// TLS says which certificates are shown and whom to believe. Its NextProtos
	// and versions are set here: HTTP/3 is "h3" over TLS 1.3.
	TLS *tls.Config
	// Describe returns what applications are told of a connection's TLS, as
	// exchange.Request has it; nil tells nothing.
	Describe func(tls.ConnectionState) []byte
}

// Settings are what a Front goes by until it is given others. They do not change.
type Settings struct {
	*front.Settings
	own   Config
	extra []exchange.Field
}

// NewSettings makes Settings, or says what is wrong with cfg. extra are fields for
// every answer that has none of that name.
func NewSettings(common *front.Settings, cfg Config, extra []exchange.Field) (*Settings, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return &Settings{Settings: common, own: cfg.WithDefaults(), extra: extra}, nil
}

// Front serves HTTP/3. It is safe for concurrent use.
type Front struct {
	parts    Parts
	settings atomic.Pointer[Settings] // of now

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

// New makes a Front that goes by s, or says what is wrong with p.
func New(s *Settings, p Parts) (*Front, error) {
	if p.TLS == nil {
		return nil, errors.New("http3: HTTP/3 needs TLS: set tls, or leave http3 out")
	}
	f := &Front{parts: p, start: time.Now(), base: loop.Monotonic()}
	f.Use(s)
	f.heads.New = func() any { return front.NewHead(&s.Limits) }
	f.bulk.New = func() any {
		b := make([]byte, bulkSize)
		return &b
	}
	return f, nil
}

// Use has f go by other settings from now on: connections that come, and requests
// that begin. A connection keeps those of HTTP/3 that it began with, as it has told
// them, and never takes a larger head than when it began.
func (f *Front) Use(s *Settings) { f.settings.Store(s) }

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
