package front

import (
	"log/slog"

	"rickhouse/internal/exchange"
)

// What fronts log of requests. The path is the one that was sent: a decoded one
// may hold line feeds.

// LogRefusal logs a request that broke a rule.
func LogRefusal(log *slog.Logger, client string, r *exchange.Request, err *exchange.Error) {
	log.Info("refused a request", "status", err.Status, "reason", err.Error(),
		"client", client, "method", string(r.Method), "path", string(r.RawPath))
}

// LogSlowReader logs an answer that is cut because its client does not take it.
func LogSlowReader(log *slog.Logger, client string, r *exchange.Request) {
	log.Info("cut an answer", "reason", ErrSlowReader.Error(),
		"client", client, "method", string(r.Method), "path", string(r.RawPath))
}

// Broke notes and logs what the Server of x did wrong.
func Broke(log *slog.Logger, x *exchange.Exchange, err error) {
	if x.Stats.Err == nil {
		x.Stats.Err = err
	}
	log.Warn("an answer breaks the rules", "error", err, "route", x.Route.Name, "worker", x.Stats.Worker,
		"method", string(x.Request.Method), "path", string(x.Request.RawPath))
}
