package telemetry

import (
	"context"
	"log/slog"
	"time"
)

// Printed writes a line that a worker of an application has printed on a stream. log
// is the application's, made from Telemetry.Log: the log_level does not hold for
// what is not the server's own, tracebacks among it.
func Printed(log *slog.Logger, worker int, stream string, line []byte) {
	r := slog.NewRecord(time.Now(), slog.LevelInfo, string(line), 0)
	r.AddAttrs(slog.Int(WorkerKey, worker), slog.String(StreamKey, stream))
	_ = log.Handler().Handle(context.Background(), r) // a stream that fails is the Writer's to tell of
}
