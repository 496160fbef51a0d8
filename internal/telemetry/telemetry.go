package telemetry

import (
	"errors"
	"io"
	"log/slog"
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
	// Access is the access log, on the first stream; nil where it is off.
	Access *AccessLog
	// Err is the second stream: what is written to it keeps its place among the
	// lines of Log.
	Err Stream

	access, log *Writer
}

// Open starts logging: the access log to out, the server's own to err. Neither
// ever makes the caller wait. c must be valid; an empty AccessLog means "short"
// where out is a terminal and "off" elsewhere. Close ends it.
func Open(c Config, out, err Stream) *Telemetry {
	c = c.WithDefaults()
	if c.AccessLog == "" {
		c.AccessLog = AccessOff
		if out.Terminal {
			c.AccessLog = AccessShort
		}
	}
	t := &Telemetry{}
	direct := slog.New(newHandler(c, err, err.Writer))
	t.log = NewWriter(err.Writer, 0, func(n int64) {
		direct.Warn("the log stream is too slow or broken: lines of the server's log were dropped", "lines", n)
	})
	t.Log = slog.New(newHandler(c, err, t.log))
	t.Err = Stream{Writer: t.log, Terminal: err.Terminal, Color: err.Color}
	if c.AccessLog == AccessOff {
		return t
	}
	t.access = NewWriter(out.Writer, 0, func(n int64) {
		t.Log.Warn("the access log's stream is too slow or broken: lines were dropped", "lines", n)
	})
	t.Access = NewAccessLog(c.AccessLog, t.access, out.Color, nil)
	return t
}

func newHandler(c Config, s Stream, w io.Writer) slog.Handler {
	if c.LogFormat == "json" {
		return slog.NewJSONHandler(w, &slog.HandlerOptions{Level: c.level()})
	}
	return newTextHandler(w, c.level(), s.Color, !s.Terminal)
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
