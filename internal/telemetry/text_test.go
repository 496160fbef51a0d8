package telemetry

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"
)

func TestTextHandler(t *testing.T) {
	at := time.Date(2026, 3, 4, 15, 6, 7, 89e6, time.UTC)
	for _, tt := range []struct {
		name        string
		color, long bool
		with        func(h slog.Handler) slog.Handler
		level       slog.Level
		message     string
		attrs       []slog.Attr
		want        string
	}{
		{name: "plain", message: "hello", want: "15:06:07.089 INFO  hello\n"},
		{name: "long", long: true, level: slog.LevelWarn, message: "hello", want: "2026-03-04T15:06:07.089Z WARN  hello\n"},
		{
			name: "attributes", message: "m",
			attrs: []slog.Attr{slog.Int("n", 3), slog.String("s", "two words"), slog.Duration("d", time.Second), slog.Any("err", errors.New("bad=1")), slog.String("e", ""), {}},
			want:  "15:06:07.089 INFO  m n=3 s=\"two words\" d=1s err=\"bad=1\" e=\"\"\n",
		},
		{
			name: "the worker is marked", message: "printed",
			with:  func(h slog.Handler) slog.Handler { return h.WithAttrs([]slog.Attr{slog.String("app", "web")}) },
			attrs: []slog.Attr{slog.Int("worker", 2), slog.String("stream", "stderr")},
			want:  "15:06:07.089 INFO  [web/2] printed\n",
		},
		{
			name: "groups", message: "m",
			with: func(h slog.Handler) slog.Handler {
				return h.WithGroup("g").WithAttrs([]slog.Attr{slog.Int("a", 1)}).WithGroup("h")
			},
			attrs: []slog.Attr{slog.Group("i", slog.Int("b", 2)), slog.Group("", slog.Int("c", 3))},
			want:  "15:06:07.089 INFO  m g.a=1 g.h.i.b=2 g.h.c=3\n",
		},
		{
			name: "several lines", level: slog.LevelError, message: "failed\nbadly",
			attrs: []slog.Attr{slog.String("traceback", "Traceback:\n  File \"x\"\x1b\nError\n"), slog.Int("n", 1)},
			want:  "15:06:07.089 ERROR failed n=1\n    badly\n  traceback:\n    Traceback:\n      File \"x\"\\x1b\n    Error\n",
		},
		{name: "escaped", message: "a\x1b[2J\rb", attrs: []slog.Attr{slog.String("k\x07", "v\x00")}, want: "15:06:07.089 INFO  a\\x1b[2J\\x0db k\\x07=v\\x00\n"},
		{
			name: "colour", color: true, level: slog.LevelError, message: "m", attrs: []slog.Attr{slog.Int("worker", 1), slog.Int("k", 1)},
			want: "\x1b[2m15:06:07.089\x1b[0m \x1b[31mERROR\x1b[0m \x1b[36m[1]\x1b[0m m \x1b[2mk=\x1b[0m1\n",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			h := newTextHandler(&out, slog.LevelInfo, tt.color, tt.long)
			if tt.with != nil {
				h = tt.with(h)
			}
			r := slog.NewRecord(at, tt.level, tt.message, 0)
			r.AddAttrs(tt.attrs...)
			if err := h.Handle(context.Background(), r); err != nil {
				t.Fatal(err)
			}
			if out.String() != tt.want {
				t.Errorf("got  %q\nwant %q", out.String(), tt.want)
			}
		})
	}
}

func TestTextHandlerLevels(t *testing.T) {
	h := newTextHandler(nil, slog.LevelWarn, false, false)
	if h.Enabled(context.Background(), slog.LevelInfo) || !h.Enabled(context.Background(), slog.LevelError) {
		t.Error("the level is not kept to")
	}
	if h.WithGroup("") != h {
		t.Error("an empty group must change nothing")
	}
}

func TestTextHandlerSharesNothing(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(newTextHandler(&out, slog.LevelInfo, false, false)).With("a", 1)
	one, two := log.With("b", 2), log.With("c", 3)
	one.Info("x")
	two.Info("y")
	if got := out.String(); bytes.Count(out.Bytes(), []byte("a=1")) != 2 || bytes.Contains(out.Bytes(), []byte("b=2 c=3")) {
		t.Error(got)
	}
}
