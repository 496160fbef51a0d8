package http2

import (
	"errors"

	"rickhouse/internal/exchange"
	"rickhouse/internal/front"
	"rickhouse/internal/loop"
	"rickhouse/internal/spool"
	wire "rickhouse/internal/wire/http2"
)

const (
	// enough is how much is framed for the kernel before it is written: streams
	// take turns up to there.
	enough = 64 << 10
	// maxPending is how much may wait for the kernel before nothing more is read
	// of a client that makes us answer and does not listen.
	maxPending = 256 << 10
	// maxTurn is how much is written before other connections have their turn.
	maxTurn = 1 << 20
)

// output is what a connection sends.
type output struct {
	out     []byte // out[sent:] is to be written
	sent    int
	base    int64 // where out[0] is in all that the connection sends
	marks   []mark
	marked  int // marks before it are passed
	ready   []*stream
	window  int64 // octets of content that the client takes
	initial int64 // the window that streams start with
	noTable bool  // the client is to be told that we have no table
	blocked bool  // the kernel takes no more
	yielded bool  // there is more, and others have their turn
	pace    front.Pace
	ignored int // octets thrown away
}

// mark is a place in what a connection sends. Once all before it is with the
// kernel, n octets of s have left memory, and s is over if it is the end.
type mark struct {
	at  int64
	s   *stream
	n   int
	end bool
}

func (c *conn) pending() int { return len(c.out) - c.sent }

// position is where the next octet goes.
func (c *conn) position() int64 { return c.base + int64(len(c.out)) }

func (c *conn) mark(s *stream, n int, end bool) {
	s.marks++
	c.marks = append(c.marks, mark{c.position(), s, n, end})
}

// pass tells streams what the kernel has.
func (c *conn) pass() {
	at := c.base + int64(c.sent)
	for c.marked < len(c.marks) && c.marks[c.marked].at <= at {
		m := c.marks[c.marked]
		c.marks[c.marked] = mark{}
		c.marked++
		m.s.marks--
		m.s.departed(m.n)
		if m.end {
			m.s.observe()
		} else {
			m.s.release()
		}
	}
	if c.marked == len(c.marks) {
		c.marks, c.marked = c.marks[:0], 0
	}
}

// dropped notes that n octets were taken off without having been in memory.
func (s *stream) dropped(n int64) {
	if s.drained += n; n > 0 && s.state == held && !s.dead {
		s.c.list(s)
	}
}

// departed notes that n octets have left memory, for the kernel or the spool.
func (s *stream) departed(n int) {
	k := min(int64(n), s.undrained)
	if k == 0 {
		return
	}
	s.undrained -= k
	s.drained += k
	if s.state == held && !s.dead {
		s.c.list(s)
	}
}

// putHead appends a head of s.
func (c *conn) putHead(s *stream, fields []byte) {
	t, first := wire.Headers, true
	for first || len(fields) > 0 {
		n := min(len(fields), wire.MaxFrame)
		flags := wire.Flags(0)
		if n == len(fields) {
			flags = wire.EndHeaders
		}
		if first {
			s.lastFrame = c.position()
		}
		c.out = wire.AppendHeader(c.out, n, t, flags, s.id)
		c.out = append(c.out, fields[:n]...)
		fields, t, first = fields[n:], wire.Continuation, false
	}
}

// putContinue appends an interim answer that lets content come.
func (c *conn) putContinue(s *stream) {
	c.putHead(s, wire.AppendStatus(c.d.block[:0], 100))
}

// put appends content: to what is to be written where there is room for it and
// nobody else waits, else to what waits for its turn.
func (s *stream) put(p []byte) {
	c := s.c
	for s.queue.empty() && len(p) > 0 && len(c.ready) == 0 && c.pending() < enough {
		n := min(int64(len(p)), wire.MaxFrame, s.window, c.window)
		if n <= 0 {
			break
		}
		s.startData(int(n))
		c.out = append(c.out, p[:n]...)
		c.mark(s, int(n), false)
		p = p[n:]
	}
	if len(p) == 0 {
		return
	}
	q := &s.queue
	if store := c.d.f.parts.Store; q.spooling() || store != nil && q.memory+len(p) > s.settings.Memory {
		if q.spool == nil {
			q.spool = store.New(c.d.l, s)
		}
		q.addSpool(p)
		q.held = q.held || q.spool.Size() > s.settings.MaxAnswer
	} else {
		q.add(p)
	}
	c.offer(s)
}

// startData appends the header of a DATA frame.
func (s *stream) startData(n int) {
	c := s.c
	s.lastFrame = c.position()
	c.out = wire.AppendHeader(c.out, n, wire.Data, 0, s.id)
	s.window -= int64(n)
	c.window -= int64(n)
	c.controls.earn(3)
	s.giving.Progress(n, c.d.l.Now(), &s.settings.Config)
}

// offer has s take its turn if it can send something.
func (c *conn) offer(s *stream) {
	if !s.ready && !s.dead && !s.queue.empty() {
		s.ready = true
		c.ready = append(c.ready, s)
	}
	c.touch()
}

// fill frames content, one stream after the other.
func (c *conn) fill() {
	for len(c.ready) > 0 && c.pending() < enough && c.window > 0 {
		s := c.ready[0]
		n := copy(c.ready, c.ready[1:])
		c.ready[n] = nil
		c.ready = c.ready[:n]
		if s.ready = false; s.c != c || s.dead || s.queue.empty() {
			continue
		}
		if c.sendSome(s) {
			s.ready = true
			c.ready = append(c.ready, s)
		}
	}
}

// sendSome frames some of what s has and reports whether there is more to send.
func (c *conn) sendSome(s *stream) bool {
	there := s.queue.available()
	n := min(there, wire.MaxFrame, s.window, c.window)
	now := c.d.l.Now()
	if n <= 0 {
		if there > 0 {
			s.giving.Wait(now, &s.settings.Config)
			c.armFor(s.giving.By())
		} else if s.queue.spool != nil {
			s.queue.spool.Flush() // Spooled will come
		}
		return false
	}
	s.giving.Pause(now)
	n, err := s.queue.there(c.d, n, (*read)(s))
	if err != nil {
		s.failed(wire.InternalError, err)
		return false
	}
	if n == 0 {
		return false // the disk will offer
	}
	start := s.lastFrame
	s.startData(int(n))
	out, memory, done, err := s.queue.take(c.out, int(n))
	if err != nil {
		c.out = out[:len(out)-wire.HeaderSize]
		s.lastFrame = start
		c.window += n
		s.failed(wire.InternalError, err)
		return false
	}
	c.out = out
	c.mark(s, memory, false)
	switch {
	case done == fileDone:
		s.dropped(exchange.FileCost)
	case done == spoolDone && s.queue.held:
		s.queue.held = false
		s.departed(int(s.undrained))
	}
	if !s.queue.empty() {
		return true
	}
	if s.finished {
		c.endStream(s)
	}
	return false
}

// read is a stream whose file has been read.
type read stream

// Run implements exchange.Task.
func (r *read) Run() { r.c.offer((*stream)(r)) }

// Spooled implements spool.Observer.
func (s *stream) Spooled(f *spool.File, n int, err error) {
	if s.queue.spool != f {
		return
	}
	if err != nil {
		s.x.Stats.Err = err
		s.c.d.f.parts.Log.Error("an answer is cut because it cannot be spooled", "error", err)
		s.failed(wire.InternalError, err)
		return
	}
	if !s.queue.held {
		s.departed(n)
	}
	s.c.offer(s)
}

// endStream ends our side of s: by its last frame if that has not left yet, or by
// another one. A client that still sends is told that nobody listens (RFC 9113
// §8.1).
func (c *conn) endStream(s *stream) {
	trailers := c.d.block[:0]
	if len(s.x.Response.Trailers) > 0 && !s.Swallow {
		var err error
		if trailers, err = appendTrailers(trailers, s.x.Response.Trailers); err != nil {
			s.broke(err)
		}
		c.d.block = trailers
	}
	if len(trailers) > 0 {
		c.putHead(s, trailers)
	}
	if at := s.lastFrame - c.base; s.lastFrame >= 0 && at >= int64(c.sent) {
		c.out[at+4] |= byte(wire.EndStream)
	} else {
		c.out = wire.AppendHeader(c.out, 0, wire.Data, wire.EndStream, s.id)
	}
	if !s.remoteEnded {
		c.reset(s.id, wire.NoError)
	}
	delete(c.streams, s.id)
	c.mark(s, 0, true)
}

// write writes what there is, as far as the kernel takes it.
func (c *conn) write() {
	for left := maxTurn; !c.blocked && c.state < lingering; {
		c.fill()
		n := c.pending()
		if n == 0 {
			break
		}
		if left <= 0 {
			c.yielded = true
			return
		}
		left -= n
		c.flush()
	}
}

func (c *conn) flush() {
	n, err := c.s.Write(c.out[c.sent:])
	c.sent += n
	c.d.counters.OctetsOut += uint64(n)
	c.pace.Progress(n, c.d.l.Now(), &c.d.settings.Config)
	c.pass()
	switch {
	case err == nil:
		c.base += int64(len(c.out))
		c.out, c.sent = c.out[:0], 0
	case errors.Is(err, loop.ErrAgain):
		c.blocked = true
		if c.sent >= enough {
			c.base += int64(c.sent)
			k := copy(c.out, c.out[c.sent:])
			c.out, c.sent = c.out[:k], 0
		}
	default:
		c.lost(front.ClientGone{Err: err})
	}
}
