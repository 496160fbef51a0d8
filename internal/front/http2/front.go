package http2

import (
	"log/slog"

	"rickhouse/internal/disk"
	"rickhouse/internal/exchange"
	"rickhouse/internal/front"
	"rickhouse/internal/listen"
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
	// Store takes what slow clients have not taken; nil for none. Spool says how
	// much of an answer stays in memory before, and how much the Store takes.
	Store *spool.Store
	Spool spool.Config
	// Disk reads what of files is not in memory; nil to wait for it on the Loops.
	Disk *disk.Pool
	// Observe, if not nil, is called once for every Exchange, on its Loop, when
	// its answer is with the kernel or cut, while its Request is still valid. It
	// is called as well for what was refused before any Handler saw it; then the
	// Request holds as much as was understood.
	Observe func(x *exchange.Exchange)
}

// Front serves HTTP/2. It is safe for concurrent use.
type Front struct {
	cfg     Config
	common  front.Config
	parts   Parts
	limits  semantics.Limits
	server  []byte
	proxies front.Proxies

	memory    int   // octets of an answer in memory
	maxAnswer int64 // octets of an answer in the spool
}

// New makes a Front, or says what is wrong with its settings.
func New(common front.Config, cfg Config, p Parts) (*Front, error) {
	if err := common.Validate(); err != nil {
		return nil, err
	}
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	common, cfg = common.WithDefaults(), cfg.WithDefaults()
	f := &Front{cfg: cfg, common: common, parts: p, limits: common.Limits(), proxies: front.NewProxies(common.TrustedProxies)}
	if common.ServerHeader != "none" {
		f.server = []byte(common.ServerHeader)
	}
	s := p.Spool.WithDefaults()
	f.memory, f.maxAnswer = int(s.Memory), int64(s.MaxAnswer)
	return f, nil
}

// maxBlock is how many octets of an encoded head are taken in. Twice what a head
// may have lets one that is somewhat too large be answered.
func (f *Front) maxBlock() int { return 2 * f.limits.Head }

// Door makes the Front's part on one Loop; there is one for each. It may be
// called before the Loop runs, or on it.
func (f *Front) Door(l *loop.Loop) *Door {
	d := &Door{f: f, l: l, scratch: make([]byte, readSize), origins: map[listen.Addr]*front.Origin{}}
	d.nobody = front.Nobody{Log: f.parts.Log}
	d.reply = semantics.Reply{Version: exchange.HTTP2, Server: f.server}
	d.small.most, d.large.most = 32<<10, 2*enough
	d.conns.init()
	return d
}
