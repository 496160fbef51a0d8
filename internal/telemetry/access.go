package telemetry

import (
	"io"
	"strconv"
	"sync"
	"time"

	"rickhouse/internal/exchange"
)

// AccessLog writes a line for each Exchange that is finished. A nil AccessLog
// is one that is off.
type AccessLog struct {
	out    io.Writer
	append func(*line, *exchange.Exchange)
	now    func() time.Time
	lines  sync.Pool
}

// NewAccessLog returns an access log of the given format ("short", "common",
// "combined" or "json") on out, or nil for any other. Each line is one Write,
// from the goroutine that called Finished: out should be a Writer. With color
// the short format colours the status. now is time.Now where it is nil.
func NewAccessLog(format string, out io.Writer, color bool, now func() time.Time) *AccessLog {
	if now == nil {
		now = time.Now
	}
	a := &AccessLog{out: out, now: now}
	switch format {
	case AccessShort:
		a.append = (*line).short
		if color {
			a.append = (*line).shortColored
		}
	case AccessCommon:
		a.append = (*line).common
	case AccessCombined:
		a.append = (*line).combined
	case AccessJSON:
		a.append = (*line).json
	default:
		return nil
	}
	a.lines.New = func() any { return &line{second: -1 << 62} }
	return a
}

// Finished writes the line of x, whose answer is complete or cut. It is called
// on x's Executor, while x.Request is still valid; it copies what it needs,
// allocates nothing and does not wait.
func (a *AccessLog) Finished(x *exchange.Exchange) {
	if a == nil {
		return
	}
	l := a.lines.Get().(*line)
	l.buf = l.buf[:0]
	l.at = a.now()
	a.append(l, x)
	l.buf = append(l.buf, '\n')
	_, _ = a.out.Write(l.buf)
	if cap(l.buf) <= maxPooledLine {
		a.lines.Put(l)
	}
}

// maxPooledLine is how large a line's memory may be to be kept.
const maxPooledLine = 16 << 10

// line is one line in the making, and the last time stamp it wrote.
type line struct {
	buf []byte
	at  time.Time

	second int64
	stamp  [40]byte
	size   int
}

// time appends the time of the line, whole seconds in layout, which must be the
// same for all lines of a log. Formatting is done once a second.
func (l *line) time(layout string) {
	if s := l.at.Unix(); s != l.second {
		l.second = s
		l.size = len(l.at.AppendFormat(l.stamp[:0], layout))
	}
	l.buf = append(l.buf, l.stamp[:l.size]...)
}

func (l *line) str(s string)   { l.buf = append(l.buf, s...) }
func (l *line) int(n int64)    { l.buf = strconv.AppendInt(l.buf, n, 10) }
func (l *line) esc(p []byte)   { l.buf = appendEscaped(l.buf, p) }
func (l *line) quote(p []byte) { l.buf = appendJSON(l.buf, p) }

// dash appends p escaped, or "-" where it is empty.
func (l *line) dash(p []byte) {
	if len(p) == 0 {
		l.buf = append(l.buf, '-')
		return
	}
	l.esc(p)
}

// status appends three digits; 000 where no answer was begun.
func (l *line) status(n int) {
	l.buf = append(l.buf, byte('0'+n/100%10), byte('0'+n/10%10), byte('0'+n%10))
}

// seconds appends ns as seconds with six decimals.
func (l *line) seconds(ns int64) {
	us := max(ns, 0) / 1000
	l.int(us / 1e6)
	l.buf = append(l.buf, '.')
	for d := int64(1e5); d > 0; d /= 10 {
		l.buf = append(l.buf, byte('0'+us/d%10))
	}
}

// human appends ns in three digits or so: 0.3ms, 12ms, 1.25s, 75s.
func (l *line) human(ns int64) {
	us := max(ns, 0) / 1000
	switch {
	case us < 10_000:
		l.int(us / 1000)
		l.buf = append(l.buf, '.', byte('0'+us/100%10))
		l.str("ms")
	case us < 1_000_000:
		l.int(us / 1000)
		l.str("ms")
	case us < 10_000_000:
		l.int(us / 1e6)
		l.buf = append(l.buf, '.', byte('0'+us/100_000%10), byte('0'+us/10_000%10))
		l.buf = append(l.buf, 's')
	default:
		l.int(us / 1e6)
		l.buf = append(l.buf, 's')
	}
}

// took returns how long the Exchange lasted and how long it waited for a
// worker; 0 for what did not happen.
func took(s *exchange.Stats) (total, queued int64) {
	if s.Finished > s.Received && s.Received != 0 {
		total = s.Finished - s.Received
	}
	if s.Started > s.Queued && s.Queued != 0 {
		queued = s.Started - s.Queued
	}
	return total, queued
}
