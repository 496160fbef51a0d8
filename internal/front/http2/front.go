package http2

import (
	"rickhouse/internal/exchange"
	"rickhouse/internal/front"
	"rickhouse/internal/loop"
	semantics "rickhouse/internal/wire/http1"
)

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
type Front struct{ parts front.Parts }

// New makes a Front.
func New(p front.Parts) *Front { return &Front{parts: p} }

// Door makes the Front's part on one Loop, which goes by s; there is one for each.
// It may be called before the Loop runs, or on it.
func (f *Front) Door(l *loop.Loop, s *Settings) *Door {
	d := &Door{f: f, l: l, settings: s, scratch: make([]byte, readSize)}
	d.nobody = front.Nobody{Log: f.parts.Log}
	d.reply = semantics.Reply{Version: exchange.HTTP2}
	d.small.most, d.large.most = 32<<10, 2*enough
	return d
}
