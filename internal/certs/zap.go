package certs

import (
	"context"
	"log/slog"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// newZap is a logger of certmagic's kind that writes to log.
func newZap(log *slog.Logger) *zap.Logger { return zap.New(&zapCore{log: log}) }

// zapCore passes records on.
type zapCore struct {
	log  *slog.Logger
	with []zapcore.Field
}

func slogLevel(l zapcore.Level) slog.Level {
	switch {
	case l >= zapcore.ErrorLevel:
		return slog.LevelError
	case l == zapcore.WarnLevel:
		return slog.LevelWarn
	case l == zapcore.InfoLevel:
		return slog.LevelInfo
	}
	return slog.LevelDebug
}

func (c *zapCore) Enabled(l zapcore.Level) bool {
	return c.log.Enabled(context.Background(), slogLevel(l))
}

func (c *zapCore) With(fields []zapcore.Field) zapcore.Core {
	return &zapCore{c.log, append(c.with[:len(c.with):len(c.with)], fields...)}
}

func (c *zapCore) Check(e zapcore.Entry, ce *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if c.Enabled(e.Level) {
		return ce.AddCore(e, c)
	}
	return ce
}

func (c *zapCore) Write(e zapcore.Entry, fields []zapcore.Field) error {
	var attrs []slog.Attr
	for _, f := range append(c.with[:len(c.with):len(c.with)], fields...) {
		m := zapcore.NewMapObjectEncoder()
		f.AddTo(m)
		for k, v := range m.Fields {
			attrs = append(attrs, slog.Any(k, v))
		}
	}
	c.log.LogAttrs(context.Background(), slogLevel(e.Level), "ACME: "+e.Message, attrs...)
	return nil
}

func (c *zapCore) Sync() error { return nil }
