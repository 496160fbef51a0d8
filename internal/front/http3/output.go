package http3

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"rickhouse/internal/exchange"
	"rickhouse/internal/front"
	"rickhouse/internal/spool"
)

// maxPieces is how many pieces may wait in the queue of an answer.
const (
	maxPieces = 64
	// maxKept is how large memory may be to be used again.
	maxKept = 64 << 10
	// spillAfter is how long the client may take none of what waits in memory,
	// before that goes to the spool.
	spillAfter = int64(100 * time.Millisecond)
)

// answer is the state of the response.
type answer struct {
	front.Answer
	unflushed bool // quic-go may be keeping something back
	abandoned bool // what there is goes out, but it is not whole
	cut       bool // the stream is reset

	queue       []part
	room        []byte // of a part of memory that has gone
	queued      int    // octets of memory in queue
	blocked     bool   // the client did not take all of the last write
	spool       *spool.File
	spoolPieces int
	held        bool // the spool is full: what comes is not Drained before it is empty

	undrained int64 // octets of Data that the Server does not know to have left
	drained   int64 // octets that it is to be told of
	pace      front.Pace
}

// part is a piece of an answer that waits: memory, part of a file of the
// Server's, or part of the spool.
type part struct {
	b         []byte // b[off:] of it waits
	file      *os.File
	spooled   bool
	off, left int64
}

// put appends p to what is to be written.
func (s *stream) put(p []byte) {
	store, last := s.f.parts.Store, len(s.queue)-1
	switch {
	case last >= 0 && s.queue[last].spooled, store != nil && s.blocked && s.queued+len(p) > s.settings.Memory:
		s.putSpool(p)
		return
	case last < 0 || s.queue[last].file != nil:
		s.queue = append(s.queue, part{b: append(s.room[:0], p...), left: int64(len(p))})
		s.room = nil
	default:
		q := &s.queue[last]
		if q.off > 0 && len(q.b)+len(p) > cap(q.b) {
			q.b, q.off = q.b[:copy(q.b, q.b[q.off:])], 0
		}
		q.b = append(q.b, p...)
		q.left += int64(len(p))
	}
	s.queued += len(p)
}

// putSpool appends p to the spool, as the last piece of the queue.
func (s *stream) putSpool(p []byte) {
	if s.spool == nil {
		s.spool = s.f.parts.Store.New(s, s)
	}
	if n := len(s.queue); n == 0 || !s.queue[n-1].spooled {
		s.queue = append(s.queue, part{spooled: true, off: s.spool.Size()})
		s.spoolPieces++
	}
	s.queue[len(s.queue)-1].left += int64(len(p))
	s.spool.Append(p)
	if s.spool.Size() > s.settings.MaxAnswer {
		s.held = true
	}
}

// spills reports whether more waits in memory than may when the client is slow,
// and the Server with it.
func (s *stream) spills() bool {
	last := len(s.queue) - 1
	return s.f.parts.Store != nil && s.state == held && s.Framing != tunnel && s.queued > s.settings.Memory &&
		!s.queue[last].spooled && s.queue[last].file == nil
}

// spill moves the last piece of the queue, which is memory, to the spool.
func (s *stream) spill() {
	last := len(s.queue) - 1
	q := s.queue[last]
	s.queue[last] = part{}
	s.queue = s.queue[:last]
	s.queued -= int(q.left)
	s.putSpool(q.b[q.off:])
}

// Spooled implements spool.Observer.
func (s *stream) Spooled(f *spool.File, n int, err error) {
	if s.spool != f || s.state == over || s.dead {
		return
	}
	if err != nil {
		s.x.Stats.Err = err
		s.f.parts.Log.Error("an answer is cut because it cannot be spooled", "error", err)
		s.lost(err)
		return
	}
	if !s.held {
		s.gave(n)
	}
}

// gave notes that n octets have left memory.
func (s *stream) gave(n int) {
	k := min(int64(n), s.undrained)
	s.undrained -= k
	s.drained += k
}

// tellDrained tells the Server how much has left.
func (s *stream) tellDrained() {
	n := int(s.drained)
	s.drained = 0
	if n > 0 && s.x.Server != nil {
		s.again = true
		s.x.Server.Drained(&s.x, n)
	}
}

// pump writes what waits until all of it is with quic-go, or a task comes. It
// finishes an answer that is complete.
func (s *stream) pump() {
	for len(s.queue) > 0 && s.state != over && !s.dead {
		if s.state == held && s.drained > 0 && s.x.Server != nil {
			return // the Server is told before a write that may wait, and may have more
		}
		if s.blocked && s.spills() {
			s.spill()
		}
		p, err := s.next()
		if err != nil {
			s.x.Stats.Err = err
			s.f.parts.Log.Error("an answer is cut because its file cannot be read", "error", err)
			s.lost(err)
			return
		}
		if len(p) == 0 {
			return // Spooled will come
		}
		n, went := s.write(func() (int, error) { return s.w.Write(p) })
		s.unflushed = s.unflushed || n > 0
		s.wrote(n)
		if !went {
			return
		}
	}
	if s.spool != nil {
		s.spool.Flush()
	}
	if s.state == over || s.dead || len(s.queue) > 0 {
		return
	}
	for s.unflushed {
		if _, went := s.write(s.flush); !went {
			return
		}
	}
	if s.state == ending {
		s.cut = s.cut || s.abandoned
		s.finish()
	}
}

// next returns the next octets to be written, at most bulkSize of a file's.
func (s *stream) next() ([]byte, error) {
	q := &s.queue[0]
	f, n := q.file, min(q.left, bulkSize)
	switch {
	case q.spooled:
		f, n = s.spool.OS(), min(n, s.spool.Written()-q.off)
		if n <= 0 {
			s.spool.Flush()
			return nil, nil
		}
	case f == nil:
		return q.b[q.off:], nil
	}
	if cap(s.room) < bulkSize {
		s.room = make([]byte, bulkSize)
	}
	p := s.room[:n]
	if _, err := f.ReadAt(p, q.off); err != nil {
		if errors.Is(err, io.EOF) {
			err = errors.New("it is shorter than it was")
		}
		return nil, fmt.Errorf("send a file: %w", err)
	}
	return p, nil
}

// flush has quic-go send what it keeps back.
func (s *stream) flush() (int, error) {
	err := s.w.FlushError()
	s.unflushed = err != nil
	return 0, err
}

// write has do write or flush. It returns how many octets quic-go took, and
// whether to go on: a task that comes interrupts it, and a client that takes too
// little in its time is lost.
func (s *stream) write(do func() (int, error)) (int, bool) {
	s.time = s.f.now()
	s.answer.pace.Wait(s.time, &s.settings.Config)
	by := s.answer.pace.By()
	if s.spills() {
		by = min(by, s.time+spillAfter)
	}
	_ = s.w.SetWriteDeadline(s.f.at(by))
	if !s.beginWait(s.hurry) {
		return 0, false
	}
	n, err := do()
	interrupted := s.endWait()
	s.time = s.f.now()
	s.answer.pace.Progress(n, s.time, &s.settings.Config)
	s.blocked = err != nil
	switch {
	case err == nil:
		s.answer.pace.Pause(s.time)
		return n, true
	case !errors.Is(err, os.ErrDeadlineExceeded):
		s.vanished()
	case s.answer.pace.By() <= s.time:
		front.LogSlowReader(s.f.parts.Log, s.c.remote().Addr().String(), &s.x.Request)
		s.lost(front.ErrSlowReader)
	default:
		// If nothing has come, the client has earned time by what it took.
		return n, !interrupted
	}
	return n, false
}

// hurry ends a write that waits. It is called from any goroutine.
func (s *stream) hurry() { _ = s.w.SetWriteDeadline(time.Unix(1, 0)) }

// wrote takes n octets off the queue.
func (s *stream) wrote(n int) {
	if n == 0 || len(s.queue) == 0 {
		return
	}
	q := &s.queue[0]
	q.off += int64(n)
	q.left -= int64(n)
	if q.file == nil && !q.spooled {
		s.queued -= n
		s.gave(n)
	}
	if q.left == 0 {
		s.pop()
	}
}

// pop takes the first piece, which has been written, off the queue.
func (s *stream) pop() {
	q := s.queue[0]
	k := copy(s.queue, s.queue[1:])
	s.queue[k] = part{}
	s.queue = s.queue[:k]
	switch {
	case q.file != nil:
		_ = q.file.Close()
		s.drained += exchange.FileCost
	case !q.spooled:
		if cap(s.room) < cap(q.b) && cap(q.b) <= maxKept {
			s.room = q.b[:0]
		}
	default:
		s.spoolPieces--
		if s.spoolPieces > 0 {
			return
		}
		s.spool.Close()
		s.spool = nil
		if s.held {
			s.held = false
			s.gave(int(s.undrained))
		}
	}
}

// drop forgets what was to be written.
func (s *stream) drop() {
	for i := range s.queue {
		if f := s.queue[i].file; f != nil {
			_ = f.Close()
		}
		s.queue[i] = part{}
	}
	s.queue, s.queued, s.spoolPieces = s.queue[:0], 0, 0
	if s.spool != nil {
		s.spool.Close()
		s.spool = nil
	}
}
