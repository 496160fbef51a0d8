package static

import (
	"errors"
	"io"
	"os"

	"rickhouse/internal/exchange"
)

// chunk is how much of a file the front gets at a time: more of it is looked for
// only when that has left.
const chunk = 1 << 20

// transfer is the Server of an Exchange that is answered with an open file, chunk
// by chunk. What is not in the page cache is read on a goroutine of the Pool
// first: then the front, which sends it on its loop, need not wait for the disk.
type transfer struct {
	h    *Handler
	x    *exchange.Exchange
	file *os.File
	body body

	span  int   // that is being sent
	sent  int64 // octets of it
	owed  int   // octets that Drained has not told of
	ready bool  // what is next has been read
	busy  bool  // the Pool reads, or advance runs
	gone  error // nobody waits any more
}

// transfer answers x with b, whose content is in f. f passes to it.
func (h *Handler) transfer(x *exchange.Exchange, b body, f *os.File) {
	t := &transfer{h: h, x: x, file: f, body: b}
	x.Server = t
	t.advance()
}

// advance sends as much as may be sent now.
func (t *transfer) advance() {
	t.busy = true
	for t.gone == nil && t.span < len(t.body.spans) {
		s := t.body.spans[t.span]
		offset, n := s.offset+t.sent, min(chunk, s.length-t.sent)
		if !t.ready && !t.h.resident(t.file, offset, n) {
			t.fetch(offset, n)
			return
		}
		t.ready = false
		if err := t.give(offset, n); err != nil {
			t.fail(err)
			return
		}
		if t.owed > 0 && t.span < len(t.body.spans) {
			t.busy = false
			return
		}
	}
	t.finish()
}

// give hands the front the next n octets, and what stands before them.
func (t *transfer) give(offset, n int64) error {
	x, b := t.x, &t.body
	if !x.HeadSent {
		b.head(x)
		x.Response.Whole = x.Response.ContentLength <= chunk
		x.Head()
	}
	if t.sent == 0 {
		if b.heads != nil {
			t.owed += len(b.heads[t.span])
		}
		b.partHead(x, t.span)
	}
	if t.sent += n; t.sent == b.spans[t.span].length {
		t.span, t.sent = t.span+1, 0
	}
	f := t.file
	if t.span < len(b.spans) {
		var err error
		if f, err = duplicate(f); err != nil {
			return err
		}
	} else {
		t.file = nil
	}
	t.owed += exchange.FileCost
	x.File(f, offset, n)
	return nil
}

// fetch has the Pool read what is next. Nothing else is done meanwhile.
func (t *transfer) fetch(offset, n int64) {
	home, f := t.x.Executor, t.file
	done := t.h.pool.do(func() {
		// An error is found again where it is sent.
		_, _ = io.Copy(io.Discard, struct{ io.Reader }{io.NewSectionReader(f, offset, n)})
		home.Post(exchange.TaskFunc(func() {
			t.ready = true
			t.advance()
		}))
	})
	if !done {
		t.fail(errOverload())
	}
}

// finish ends the answer, whole or not.
func (t *transfer) finish() {
	if t.gone != nil {
		t.fail(t.gone)
		return
	}
	t.body.finish(t.x)
}

func (t *transfer) fail(err error) {
	if t.file != nil {
		_ = t.file.Close()
		t.file = nil
	}
	if errors.Is(err, t.gone) {
		t.x.Abort(err)
		return
	}
	t.x.Fail(err)
}

// Drained implements exchange.Server.
func (t *transfer) Drained(_ *exchange.Exchange, n int) {
	if t.owed -= n; t.owed <= 0 && !t.busy {
		t.advance()
	}
}

// Gone implements exchange.Server. A client that has only stopped sending may wait
// for its file.
func (t *transfer) Gone(_ *exchange.Exchange, cause error) {
	if errors.Is(cause, exchange.ErrHalfClosed) {
		return
	}
	t.gone = cause
	if !t.busy {
		t.fail(cause)
	}
}

// Content and ContentEnd implement exchange.Server: files want none.
func (t *transfer) Content(*exchange.Exchange, []byte)   {}
func (t *transfer) ContentEnd(*exchange.Exchange, error) {}
