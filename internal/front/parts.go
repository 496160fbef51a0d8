package front

import (
	"log/slog"

	"rickhouse/internal/disk"
	"rickhouse/internal/exchange"
	"rickhouse/internal/spool"
)

// Parts are what every front end works with.
type Parts struct {
	// Handler answers every Exchange of a connection that came with no other.
	Handler exchange.Handler
	// Log gets a line for each client that breaks a rule.
	Log *slog.Logger
	// Store takes what slow clients have not taken; nil for none.
	Store *spool.Store
	// Disk reads what of files is not in memory; nil to wait for it on the Loops.
	Disk *disk.Pool
	// Observe, if not nil, is called once for every Exchange, on its Executor, when its
	// answer has gone out or is cut, while its Request is still valid. It is called as
	// well for what was refused before any Handler saw it; then the Request holds as
	// much as was understood.
	Observe func(x *exchange.Exchange)
}

// Counters are what the door of a front end has seen. They belong to its Loop.
type Counters struct {
	Accepted  uint64 // connections
	Open      int    // connections now
	Requests  uint64 // heads that were understood
	Refused   uint64 // requests that broke a rule or a limit, or came too slowly
	Broken    uint64 // answers that were cut
	OctetsIn  uint64
	OctetsOut uint64
}
