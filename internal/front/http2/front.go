package http2

import (
	"log/slog"

	"rickhouse/internal/disk"
	"rickhouse/internal/exchange"
	"rickhouse/internal/front"
	"rickhouse/internal/loop"
	"rickhouse/internal/spool"
	semantics "rickhouse/internal/wire/http1"
)

// Parts are what a Front works with.
type Parts struct {
	// Handler answers every Exchange that came with no other.
	Handler exchange.Handler
	// Log gets a line for each client that breaks a rule.
	Log *slog.Logger
	// Store takes what slow clients have not taken; nil for none.
	Store *spool.Store
	// Disk reads what of files is not in memory; nil to wait for it on the Loops.
	Disk *disk.Pool
	// Observe, if not nil, is called once for every Exchange, on its Loop, when
	// its answer is with the kernel or cut, while its Request is still valid. It
	// is called as well for what was refused before any Handler saw it; then the
	// Request holds as much as was understood.
	Observe func(x *exchange.Exchange)
}

// Settings are what a Door goes by until it is given others. They do not change. A
// connection keeps those of HTTP/2 that it began with, as it has told them.
type Settings struct {
	*front.Settings
	own Config
}

// NewSettings makes Settings, or says what is wrong with cfg.
func NewSettings(common *front.Settings, cfg Config) (*Settings, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return &Settings{Settings: common, own: cfg.WithDefaults()}, nil
}

// maxBlock is how many octets of an encoded head are taken in. Twice what a head
// may have lets one that is somewhat too large be answered.
func (s *Settings) maxBlock() int { return 2 * s.Limits.Head }

// Front serves HTTP/2. It is safe for concurrent use.
type Front struct{ parts Parts }

// New makes a Front.
func New(p Parts) *Front { return &Front{parts: p} }

// Door makes the Front's part on one Loop, which goes by s; there is one for each.
// It may be called before the Loop runs, or on it.
func (f *Front) Door(l *loop.Loop, s *Settings) *Door {
	d := &Door{f: f, l: l, settings: s, scratch: make([]byte, readSize)}
	d.nobody = front.Nobody{Log: f.parts.Log}
	d.reply = semantics.Reply{Version: exchange.HTTP2}
	d.small.most, d.large.most = 32<<10, 2*enough
	return d
}
