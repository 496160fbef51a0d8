package telemetry

import (
	"errors"
	"io"
	"log/slog"
	"sync/atomic"
	"time"
)

// Stream is where lines go.
type Stream struct {
	io.Writer
	// Terminal says that a person reads along.
	Terminal bool
	// Color says that colours may be used.
	Color bool
}

// Telemetry is everything that is logged with, ready to be handed out.
type Telemetry struct {
	// Log is the server's own log, on the second stream.
	Log *slog.Logger
	// Err is the second stream: what is written to it keeps its place among the
	// lines of Log.
	Err Stream

	current     atomic.Pointer[AccessLog] // nil where it is off
	level       slog.LevelVar
	asJSON      atomic.Bool // the log_format
	out         Stream
	access, log *Writer // access is nil before there was an access log
}

// Access is the access log of now, on the first stream; nil where it is off. Any
// goroutine may call it.
func (t *Telemetry) Access() *AccessLog { return t.current.Load() }

// Change logs by another Config from now on. It is called by one goroutine at a time,
// and not after Close.
func (t *Telemetry) Change(c Config) {
	c = c.WithDefaults()
	t.level.Set(c.level())
	t.asJSON.Store(c.LogFormat == "json")
	if c.AccessLog == "" {
		c.AccessLog = AccessOff
		if t.out.Terminal {
			c.AccessLog = AccessShort
		}
	}
	if c.AccessLog == AccessOff {
		t.current.Store(nil)
		return
	}
	if t.access == nil {
		t.access = NewWriter(t.out.Writer, 0, func(n int64) {
			t.Log.Warn("the access log's stream is too slow or broken: lines were dropped", "lines", n)
		})
	}
	t.current.Store(NewAccessLog(c.AccessLog, t.access, t.out.Color, nil))
}

// Open starts logging: the access log to out, the server's own to err. Neither
// ever makes the caller wait. c must be valid; an empty AccessLog means "short"
// where out is a terminal and "off" elsewhere. Close ends it.
func Open(c Config, out, err Stream) *Telemetry {
	c = c.WithDefaults()
	t := &Telemetry{out: out}
	direct := slog.New(newFormat(&t.asJSON, &t.level, err, err.Writer))
	t.log = NewWriter(err.Writer, 0, func(n int64) {
		direct.Warn("the log stream is too slow or broken: lines of the server's log were dropped", "lines", n)
	})
	t.Log = slog.New(newFormat(&t.asJSON, &t.level, err, t.log))
	t.Err = Stream{Writer: t.log, Terminal: err.Terminal, Color: err.Color}
	t.Change(c)
	return t
}

// DroppedAccess returns how many lines the access log has dropped.
func (t *Telemetry) DroppedAccess() int64 {
	if t.access == nil {
		return 0
	}
	return t.access.Dropped()
}

// DroppedLog returns how many lines the server's own log has dropped.
func (t *Telemetry) DroppedLog() int64 { return t.log.Dropped() }

// Close writes what waits, the access log first, each within timeout, and
// stops. What is logged later is dropped.
func (t *Telemetry) Close(timeout time.Duration) error {
	var first error
	if t.access != nil {
		first = t.access.Close(timeout)
	}
	return errors.Join(first, t.log.Close(timeout))
}
