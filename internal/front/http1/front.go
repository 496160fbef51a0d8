package http1

import (
	"log/slog"
	"sync/atomic"

	"rickhouse/internal/disk"
	"rickhouse/internal/exchange"
	"rickhouse/internal/front"
	"rickhouse/internal/loop"
	"rickhouse/internal/spool"
	wire "rickhouse/internal/wire/http1"
)

// Parts are what a Front works with.
type Parts struct {
	// Handler answers every Exchange.
	Handler exchange.Handler
	// Log gets a line for each client that breaks a rule.
	Log *slog.Logger
	// Store takes what slow clients have not taken; nil for none. Spool says how
	// much stays in memory before, and how much the Store takes of one answer.
	Store *spool.Store
	Spool spool.Config
	// Disk reads what of files is not in memory; nil to wait for it on the Loops.
	Disk *disk.Pool
	// Observe, if not nil, is called once for every Exchange, on its Loop, when
	// its answer is with the kernel or cut, while its Request is still valid. It
	// is called as well for what was refused before any Handler saw it; then the
	// Request holds as much as was understood.
	Observe func(x *exchange.Exchange)
	// HTTP2, if not nil, is given each connection that speaks HTTP/2: one whose
	// first octets are the preface (RFC 9113 §3.3), or whose TLS handshake chose
	// it. The connection counts until h.Closed is called.
	HTTP2 func(d *Door, h Handoff)
	// Gateway is given each connection of a listener whose address has a Gateway: it
	// is not HTTP. It counts likewise.
	Gateway func(d *Door, h Handoff)
	// Leave, if not nil, has the connections among those handed over on d's Loop that
	// came by a Gate end once what has come is answered.
	Leave func(d *Door, g *front.Gate)
	// Evict, if not nil, closes the connection among those handed over on d's Loop
	// that has been idle for longest, and reports whether there was one. It is
	// asked where d has none itself and there are too many.
	Evict func(d *Door) bool
	// TLS is how connections of listeners that are TLS become secure; nil where
	// there is no such listener.
	TLS *TLS
}

// Config is what every front end is told; HTTP/1 has nothing of its own.
type Config = front.Config

// Gate is a listening socket on one Loop.
type Gate = front.Gate

// Handoff is a connection for another front end.
type Handoff = front.Handoff

// Front serves HTTP/1. It is safe for concurrent use.
type Front struct {
	cfg     Config
	parts   Parts
	limits  wire.Limits
	server  []byte
	proxies front.Proxies
	// announcers are those who speak the PROXY protocol.
	announcers front.Proxies

	memory    int   // octets of an answer in memory
	maxAnswer int64 // octets of an answer in the spool

	maxOpen int64
	open    atomic.Int64 // connections of all Doors
}

// New makes a Front, or says what is wrong with cfg.
func New(cfg Config, p Parts) (*Front, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.WithDefaults()
	f := &Front{
		cfg: cfg, parts: p, limits: cfg.Limits(), proxies: front.NewProxies(cfg.TrustedProxies),
		announcers: front.NewProxies(cfg.ProxyProtocol),
	}
	if cfg.ServerHeader != "none" {
		f.server = []byte(cfg.ServerHeader)
	}
	s := p.Spool.WithDefaults()
	f.memory, f.maxAnswer = int(s.Memory), int64(s.MaxAnswer)
	f.maxOpen = int64(cfg.MaxConnections)
	if f.maxOpen == 0 {
		f.maxOpen = defaultConnections(openFiles())
	}
	return f, nil
}

// defaultConnections leaves some of the files a process may open for workers,
// the spool and files that are sent.
func defaultConnections(files uint64) int64 {
	const most = 1 << 20
	files = min(files, most)
	reserve := max(64, files/8)
	if files < 2*reserve {
		return int64(max(16, files/2))
	}
	return int64(files - reserve)
}

// Open is the number of connections there are now.
func (f *Front) Open() int64 { return f.open.Load() }

// Door makes the Front's part on one Loop; there is one for each. It may be
// called before the Loop runs, and not from elsewhere afterwards.
func (f *Front) Door(l *loop.Loop) *Door {
	d := &Door{f: f, l: l, scratch: make([]byte, bulkRead)}
	d.output = front.OutputParts{
		Loop: l, Store: f.parts.Store, Memory: f.memory, MaxAnswer: f.maxAnswer, Config: &f.cfg, Disk: f.parts.Disk, Sent: &d.counters.OctetsOut,
	}
	d.retry.Task = exchange.TaskFunc(d.unpause)
	d.nobody = front.Nobody{Log: f.parts.Log}
	d.reply.Server = f.server
	d.idle.init()
	d.busy.init()
	return d
}
