package telemetry

import (
	"context"
	"io"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// The colours of terminals (ECMA-48 SGR).
const (
	reset  = "\x1b[0m"
	bold   = "\x1b[1m"
	faint  = "\x1b[2m"
	red    = "\x1b[31m"
	green  = "\x1b[32m"
	yellow = "\x1b[33m"
	cyan   = "\x1b[36m"
)

// The attributes that say where a line comes from. The text handler writes the
// first two before the message, as [app/worker], and leaves the third out.
const (
	AppKey    = "app"
	WorkerKey = "worker"
	StreamKey = "stream"
)

// textHandler writes records as lines for people:
//
//	15:04:05.123 WARN  [web/2] message key=value other="two words"
//
// A value of several lines, as a traceback, follows below, indented.
type textHandler struct {
	out   io.Writer
	mu    *sync.Mutex
	level slog.Leveler
	color bool
	// long writes the date and the zone too.
	long bool

	prefix string // of keys, from WithGroup, with its dots
	source source
	attrs  []byte // from WithAttrs, ready to be appended
	blocks []block
}

type source struct{ app, worker string }

// block is a value of several lines.
type block struct{ key, text string }

// newTextHandler returns a slog.Handler that writes each record in one Write.
func newTextHandler(out io.Writer, level slog.Leveler, color, long bool) slog.Handler {
	return &textHandler{out: out, mu: new(sync.Mutex), level: level, color: color, long: long}
}

func (h *textHandler) Enabled(_ context.Context, l slog.Level) bool { return l >= h.level.Level() }

func (h *textHandler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	c := *h
	c.prefix += name + "."
	return &c
}

func (h *textHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	c := *h
	t := h.text()
	for _, a := range attrs {
		t.attr(h.prefix, a)
	}
	c.attrs, c.blocks, c.source = t.buf, t.blocks, t.source
	return &c
}

// text starts from a copy of what With gave h.
func (h *textHandler) text() *text {
	return &text{buf: slices.Clone(h.attrs), blocks: slices.Clone(h.blocks), source: h.source, color: h.color}
}

func (h *textHandler) Handle(_ context.Context, r slog.Record) error {
	t := h.text()
	r.Attrs(func(a slog.Attr) bool {
		t.attr(h.prefix, a)
		return true
	})
	out := make([]byte, 0, 128+len(t.buf))
	if !r.Time.IsZero() {
		layout := "15:04:05.000"
		if h.long {
			layout = "2006-01-02T15:04:05.000Z07:00"
		}
		out = t.paint(out, faint, r.Time.Format(layout))
		out = append(out, ' ')
	}
	name := r.Level.String()
	out = t.paint(out, levelColor(r.Level), name+strings.Repeat(" ", max(0, 5-len(name))))
	out = append(out, ' ')
	if s := t.source; s != (source{}) {
		out = t.paint(out, cyan, "["+strings.Trim(s.app+"/"+s.worker, "/")+"]")
		out = append(out, ' ')
	}
	first, rest, more := strings.Cut(r.Message, "\n")
	out = appendPrintable(out, first)
	out = append(out, t.buf...)
	out = append(out, '\n')
	if more {
		out = appendBlock(out, rest)
	}
	for _, b := range t.blocks {
		out = append(out, "  "...)
		out = appendPrintable(out, b.key)
		out = append(out, ":\n"...)
		out = appendBlock(out, b.text)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	_, err := h.out.Write(out)
	return err
}

// text is the attributes of one record in the making.
type text struct {
	buf    []byte
	blocks []block
	source source
	color  bool
}

func (t *text) attr(prefix string, a slog.Attr) {
	v := a.Value.Resolve()
	if a.Equal(slog.Attr{}) {
		return
	}
	if v.Kind() == slog.KindGroup {
		if a.Key != "" {
			prefix += a.Key + "."
		}
		for _, g := range v.Group() {
			t.attr(prefix, g)
		}
		return
	}
	s := valueText(v)
	switch key := prefix + a.Key; {
	case key == AppKey:
		t.source.app = string(appendPrintable(nil, s))
	case key == WorkerKey:
		t.source.worker = string(appendPrintable(nil, s))
	case key == StreamKey:
	case strings.Contains(strings.TrimRight(s, "\n"), "\n"):
		t.blocks = append(t.blocks, block{key, s})
	default:
		t.buf = append(t.buf, ' ')
		t.buf = t.paint(t.buf, faint, string(appendPrintable(nil, key))+"=")
		t.buf = appendValue(t.buf, s)
	}
}

func (t *text) paint(dst []byte, color, s string) []byte {
	if !t.color || color == "" {
		return append(dst, s...)
	}
	dst = append(dst, color...)
	dst = append(dst, s...)
	return append(dst, reset...)
}

func valueText(v slog.Value) string {
	switch v.Kind() {
	case slog.KindTime:
		return v.Time().Format(time.RFC3339Nano)
	case slog.KindAny:
		if b, ok := v.Any().([]byte); ok {
			return string(b)
		}
	}
	return v.String()
}

// appendValue quotes what would not read as one word.
func appendValue(dst []byte, s string) []byte {
	if s == "" || strings.ContainsAny(s, " \t\n\"=") {
		return strconv.AppendQuote(dst, s)
	}
	return appendPrintable(dst, s)
}

func appendBlock(dst []byte, s string) []byte {
	for l := range strings.Lines(s) {
		dst = append(dst, "    "...)
		dst = appendPrintable(dst, strings.TrimRight(l, "\r\n"))
		dst = append(dst, '\n')
	}
	return dst
}

func levelColor(l slog.Level) string {
	switch {
	case l >= slog.LevelError:
		return red
	case l >= slog.LevelWarn:
		return yellow
	case l >= slog.LevelInfo:
		return green
	}
	return faint
}
