package telemetry

import (
	"context"
	"io"
	"log/slog"
	"sync/atomic"
)

// format is a slog.Handler that writes by log_format, which may change at any time:
// for all that was made of it, too.
type format struct {
	text, json slog.Handler
	asJSON     *atomic.Bool
}

func newFormat(asJSON *atomic.Bool, level slog.Leveler, s Stream, w io.Writer) slog.Handler {
	return format{
		text:   newTextHandler(w, level, s.Color, !s.Terminal),
		json:   slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level}),
		asJSON: asJSON,
	}
}

func (f format) now() slog.Handler {
	if f.asJSON.Load() {
		return f.json
	}
	return f.text
}

// Enabled implements slog.Handler.
func (f format) Enabled(ctx context.Context, level slog.Level) bool {
	return f.now().Enabled(ctx, level)
}

// Handle implements slog.Handler.
func (f format) Handle(ctx context.Context, r slog.Record) error { return f.now().Handle(ctx, r) }

// WithAttrs implements slog.Handler.
func (f format) WithAttrs(attrs []slog.Attr) slog.Handler {
	return format{f.text.WithAttrs(attrs), f.json.WithAttrs(attrs), f.asJSON}
}

// WithGroup implements slog.Handler.
func (f format) WithGroup(name string) slog.Handler {
	return format{f.text.WithGroup(name), f.json.WithGroup(name), f.asJSON}
}
