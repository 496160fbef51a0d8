package http1

import (
	"errors"
	"syscall"

	"rickhouse/internal/exchange"
	"rickhouse/internal/front"
	"rickhouse/internal/loop"
	"rickhouse/internal/spool"
)

const (
	// directWrite is how much content is written from where it is, at once; less
	// is copied, so that a head and its content leave together.
	directWrite = 32 << 10
	// maxPieces is how many pieces may wait in the queue of an answer. A file takes
	// three where it is a chunk.
	maxPieces = 256
)

// put appends p to what is to be written.
func (c *conn) put(p []byte) {
	w := c.w
	if len(p) >= directWrite && len(w.queue) == 0 && !c.blocked && !c.dead {
		p = c.writeThrough(p)
	}
	if len(p) == 0 || c.dead {
		return
	}
	store := c.d.f.parts.Store
	if w.Framing == tunnel {
		store = nil // whoever speaks in a tunnel waits for its peer
	}
	if store != nil && c.waiting()+len(p) > c.d.f.memory && !c.blocked {
		c.flush()
		if c.dead {
			return
		}
	}
	switch last := len(w.queue) - 1; {
	case last >= 0 && w.queue[last].spooled, store != nil && c.waiting()+len(p) > c.d.f.memory:
		c.putSpool(p)
	case last < 0:
		if cap(w.out) == 0 {
			w.out = c.d.takeBuffer()
		}
		w.write(p)
	case w.queue[last].file != nil:
		w.queue = append(w.queue, piece{b: append([]byte(nil), p...)})
		w.queued += len(p)
	default:
		w.queue[last].b = append(w.queue[last].b, p...)
		w.queued += len(p)
	}
}

// waiting is how much of the answer is in memory.
func (c *conn) waiting() int { return len(c.w.out) - c.w.sent + c.w.queued }

// writeThrough writes what waits and p, and returns what is left of p.
func (c *conn) writeThrough(p []byte) []byte {
	w, pieces := c.w, c.d.pieces[:]
	head := len(w.out) - w.sent
	pieces[0], pieces[1] = w.out[w.sent:], p
	n, err := c.s.Writev(pieces)
	pieces[0], pieces[1] = nil, nil
	w.sent += min(n, head)
	if w.sent == len(w.out) {
		c.emptied()
	}
	c.wrote(n)
	switch {
	case errors.Is(err, loop.ErrAgain):
		c.blocked = true
	case err != nil:
		c.lost(front.ClientGone{Err: err})
	}
	return p[max(0, n-head):]
}

// putSpool appends p to the spool, as the last piece of the queue.
func (c *conn) putSpool(p []byte) {
	w := c.w
	if w.spool == nil {
		w.spool = c.d.f.parts.Store.New(c.d.l, c)
	}
	if n := len(w.queue); n == 0 || !w.queue[n-1].spooled {
		w.queue = append(w.queue, piece{spooled: true, off: w.spool.Size()})
		w.spoolPieces++
	}
	w.queue[len(w.queue)-1].left += int64(len(p))
	w.spool.Append(p)
	if w.spool.Size() > c.d.f.maxAnswer {
		w.held = true
	}
}

// Spooled implements spool.Observer.
func (c *conn) Spooled(f *spool.File, n int, err error) {
	if c.w == nil || c.w.spool != f || c.dead {
		return
	}
	if err != nil {
		c.w.x.Stats.Err = err
		c.d.f.parts.Log.Error("an answer is cut because it cannot be spooled", "error", err)
		c.failed(err)
		return
	}
	if !c.w.held {
		c.left(n)
	}
	c.touch()
}

// left notes that n octets have left memory, for the kernel or the spool.
func (c *conn) left(n int) {
	w := c.w
	k := min(int64(n), w.undrained)
	w.undrained -= k
	w.drained += k
}

// wrote notes that the kernel took n octets of memory.
func (c *conn) wrote(n int) {
	c.left(n)
	c.progress(n)
}

func (c *conn) progress(n int) {
	c.d.counters.OctetsOut += uint64(n)
	c.w.answer.pace.Progress(n, c.d.l.Now(), &c.d.f.cfg)
}

// flush writes what the kernel takes and reports whether nothing is left.
func (c *conn) flush() bool {
	w := c.w
	for {
		if len(w.out) > w.sent {
			n, err := c.writeOut(w.out[w.sent:])
			w.sent += n
			c.wrote(n)
			if !c.taken(err) {
				return false
			}
		}
		c.emptied()
		if len(w.queue) == 0 {
			c.blocked = false
			return true
		}
		if p := &w.queue[0]; p.file == nil && !p.spooled {
			w.out = append(w.out, p.b...)
			w.queued -= len(p.b)
			w.pop()
		} else if !c.sendFile(p) {
			return false
		}
	}
}

// writeOut writes p, which is before the queue.
func (c *conn) writeOut(p []byte) (int, error) {
	if len(c.w.queue) > 0 && c.w.queue[0].file != nil {
		return c.s.WriteMore(p)
	}
	return c.s.Write(p)
}

// emptied is called when all of out has gone. A tunnel, which may be silent for
// long, keeps no buffer.
func (c *conn) emptied() {
	w := c.w
	w.out, w.sent = w.out[:0], 0
	if w.Framing == tunnel {
		c.d.giveBuffer(w.out)
		w.out = nil
	}
}

// taken looks at the outcome of a write and reports whether to go on.
func (c *conn) taken(err error) bool {
	switch {
	case err == nil:
		return true
	case errors.Is(err, loop.ErrAgain):
		c.blocked = true
	default:
		c.lost(front.ClientGone{Err: err})
	}
	return false
}

// sendFile sends of the first piece, a file's, what the kernel takes, and reports
// whether all of it has gone.
func (c *conn) sendFile(p *piece) bool {
	w := c.w
	f, n := p.file, p.left
	if p.spooled {
		f, n = w.spool.OS(), min(n, w.spool.Written()-p.off)
		if n <= 0 {
			c.blocked = false
			return false // Spooled will come
		}
	}
	sent, err := c.s.SendFile(f, p.off, n)
	p.off += sent
	p.left -= sent
	c.progress(int(sent))
	switch {
	case err == nil || errors.Is(err, loop.ErrAgain):
	case errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET):
		c.lost(front.ClientGone{Err: err})
		return false
	default:
		c.failed(sendError{err})
		return false
	}
	c.blocked = errors.Is(err, loop.ErrAgain)
	if p.left == 0 {
		c.popFile(p)
	}
	return !c.blocked
}

// sendError is why the rest of a file could not be sent.
type sendError struct{ err error }

func (e sendError) Error() string { return "send a file: " + e.err.Error() }
func (e sendError) Unwrap() error { return e.err }

// popFile takes the first piece, a file's that has been sent, off the queue.
func (c *conn) popFile(p *piece) {
	w := c.w
	if !p.spooled {
		_ = p.file.Close()
		w.pop()
		w.drained += exchange.FileCost
		return
	}
	w.pop()
	if w.spoolPieces--; w.spoolPieces == 0 {
		w.spool.Close()
		w.spool = nil
		if w.held {
			w.held = false
			c.left(int(w.undrained))
		}
	}
}

func (w *work) pop() {
	n := copy(w.queue, w.queue[1:])
	w.queue[n] = piece{}
	w.queue = w.queue[:n]
}

// drop forgets what was to be written.
func (w *work) drop() {
	for i := range w.queue {
		if f := w.queue[i].file; f != nil {
			_ = f.Close()
		}
		w.queue[i] = piece{}
	}
	w.queue = w.queue[:0]
	w.out, w.sent, w.queued, w.spoolPieces = w.out[:0], 0, 0, 0
	if w.spool != nil {
		w.spool.Close()
		w.spool = nil
	}
}

// push writes what waits while the Server holds the Exchange, and tells it how
// much has left.
func (c *conn) push() {
	w := c.w
	if len(w.out) > w.sent || len(w.queue) > 0 {
		if !c.blocked {
			c.flush()
		}
		if c.dead {
			return
		}
		if w.spool != nil {
			w.spool.Flush()
		}
	}
	if w.shut && !w.halved && len(w.out) == w.sent && len(w.queue) == 0 {
		w.halved = true
		if err := c.s.CloseWrite(); err != nil {
			c.lost(front.ClientGone{Err: err})
			return
		}
	}
	if w.drained == 0 {
		return
	}
	n := int(w.drained)
	w.drained = 0
	if w.x.Server == nil {
		return
	}
	c.advancing = true
	w.x.Server.Drained(&w.x, n)
	c.advancing = false
	if c.state != serving || !c.blocked && (len(w.out) > w.sent || len(w.queue) > 0) || w.drained > 0 {
		c.touch()
	}
}

var _ exchange.Task = (*conn)(nil)
