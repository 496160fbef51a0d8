package loop

import "time"

// dateFormat is the IMF-fixdate of RFC 9110 §5.6.7.
const dateFormat = "Mon, 02 Jan 2006 15:04:05 GMT"

// clock is the time as a Loop sees it: it stands still within a turn.
type clock struct {
	start time.Time
	base  int64 // CLOCK_MONOTONIC at start
	now   int64
	wall  int64 // what to add to now to get Unix nanoseconds
	next  int64 // when wall and date are to be read again
	date  []byte
}

func newClock() clock {
	c := clock{start: time.Now(), base: Monotonic(), date: make([]byte, 0, len(dateFormat))}
	c.tick()
	c.next = c.now
	return c
}

func (c *clock) tick() { c.now = c.base + int64(time.Since(c.start)) }

// refresh reads the time of day, which may have been set, once a second.
func (c *clock) refresh() {
	if c.now < c.next {
		return
	}
	t := time.Now().UTC()
	c.wall = t.UnixNano() - c.now
	c.next = c.now + int64(time.Second) - int64(t.Nanosecond())
	c.date = t.AppendFormat(c.date[:0], dateFormat)
}

// Now is CLOCK_MONOTONIC in nanoseconds (where there is no such clock, a scale
// of the Loop's own), read once per turn.
func (l *Loop) Now() int64 { return l.clock.now }

// Date is the time as the Date field wants it (RFC 9110 §5.6.7), at most a
// second old. It is valid, and must not be changed, until the task or event
// returns.
func (l *Loop) Date() []byte {
	l.clock.refresh()
	return l.clock.date
}

// WallClock is the time of day at the start of the turn.
func (l *Loop) WallClock() time.Time {
	l.clock.refresh()
	return time.Unix(0, l.clock.now+l.clock.wall)
}
