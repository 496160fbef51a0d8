package http1

import (
	"sync/atomic"

	"rickhouse/internal/exchange"
	"rickhouse/internal/front"
	"rickhouse/internal/loop"
)

// Parts are what a Front works with.
type Parts struct {
	front.Parts
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

// Settings are what a Door goes by until it is given others. They do not change.
type Settings struct {
	*front.Settings
	// TLS says that connections are TLS where the address is, by Parts.TLS; else all
	// are in cleartext.
	TLS bool
	// HTTP2 says that connections may speak HTTP/2, where there is Parts.HTTP2.
	HTTP2 bool
	// Extra are fields for every answer that goes out by TLS and has none of that
	// name.
	Extra []exchange.Field
	// HTTP3 says that HTTP/3 is served at the port of each listener with TLS, by UDP:
	// clients are told so by Alt-Svc (RFC 7838).
	HTTP3 bool
}

// maxOpen is how many connections there may be at a time.
func (s *Settings) maxOpen() int64 {
	if s.MaxConnections == 0 {
		return defaultConnections(openFiles())
	}
	return int64(s.MaxConnections)
}

// Front serves HTTP/1. It is safe for concurrent use.
type Front struct {
	parts Parts
	open  atomic.Int64 // connections of all Doors
}

// New makes a Front.
func New(p Parts) *Front { return &Front{parts: p} }

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

// Door makes the Front's part on one Loop, which goes by s; there is one for each.
// It may be called before the Loop runs, and not from elsewhere afterwards.
func (f *Front) Door(l *loop.Loop, s *Settings) *Door {
	d := &Door{f: f, l: l, settings: s, maxOpen: s.maxOpen(), scratch: make([]byte, bulkRead)}
	d.output = front.OutputParts{Loop: l, Store: f.parts.Store, Disk: f.parts.Disk, Sent: &d.counters.OctetsOut}
	d.retry.Task = exchange.TaskFunc(d.unpause)
	d.nobody = front.Nobody{Log: f.parts.Log}
	return d
}
