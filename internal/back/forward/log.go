package forward

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"rickhouse/internal/exchange"
)

// The decisions that the log tells.
const (
	allowed  = "allowed"
	refused  = "refused"
	would    = "would refuse"
	notMet   = "failed"
	unserved = "not served"
)

// log writes the line of a request: err is why it was not served to its end, up
// and down the octets of content, or of the tunnel.
func (r *request) log(x *exchange.Exchange, err error, up, down int64) {
	var f *failure
	decision := allowed
	switch {
	case errors.As(err, &f) && f.refused:
		decision = refused
	case errors.As(err, &f) && f.what.Status < 500:
		decision = unserved
	case errors.As(err, &f):
		decision = notMet
	case r.would != "":
		decision = would
	}
	if r.p.cfg.Log == logOff || r.p.cfg.Log == logRefused && decision != refused && decision != would {
		return
	}
	attrs := []slog.Attr{
		slog.String("client", string(x.Request.ClientAddr)), slog.String("user", r.user), slog.String("role", x.Route.Name),
		slog.String("method", string(x.Request.Method)), slog.String("to", r.to.text()), slog.String("decision", decision),
		slog.Int("status", status(x, f)), slog.Int64("bytes_in", up), slog.Int64("bytes_out", down),
		slog.Duration("duration", time.Duration(max(0, x.Executor.Now()-r.began))),
	}
	switch {
	case r.would != "":
		attrs = append(attrs, slog.String("reason", r.would))
	case err != nil:
		attrs = append(attrs, slog.String("reason", err.Error()))
	}
	r.p.log.LogAttrs(context.Background(), slog.LevelInfo, "forward proxy", attrs...)
}

// text is h for the log, empty if it is not known.
func (h hostPort) text() string {
	if h.host == "" {
		return ""
	}
	return h.String()
}

// status is what the client was answered with; 0 for nothing.
func status(x *exchange.Exchange, f *failure) int {
	if f != nil {
		return f.what.Status
	}
	if !x.HeadSent {
		return 0
	}
	return x.Response.Status
}
