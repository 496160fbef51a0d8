package chain

import (
	"errors"
	"io"
	"os"

	"rickhouse/internal/exchange"
)

// packing compresses one answer. It stands before the Client from the start, and
// before the Server from the final head on, so that Drained counts what the
// Server has sent. All of it belongs to the Executor, but for what work says.
//
// Small pieces are compressed where they come. Others, and files, wait in queue
// for a goroutine: while that works (busy) it alone has the encoder, out and
// first, and the Exchange does not end.
type packing struct {
	tap
	w      *compress
	x      *exchange.Exchange
	server exchange.Server // nil for none, or one that has finished
	coding coding
	enc    encoder // nil for an answer that passes as it is
	out    []byte  // what the encoder wrote

	first  portion // what is being compressed
	queue  []portion
	busy   bool
	failed error // why a file could not be read
	err    error // why there cannot be a whole answer
	ending bool  // End was called
	cut    error // what Abort was called with

	whole  bool // End follows at once: nothing has to be flushed
	dirty  bool // there may be something in the encoder
	posted bool // Run will come
	over   bool // the Exchange has ended; Run gives the packing back

	left int64 // octets to come by Content-Length, or -1 if that is unknown
	raw  int64 // octets that the encoder took, of which the Server does not know
	sent int64 // compressed octets that have not left
}

// portion is content that waits to be compressed.
type portion struct {
	b            []byte
	file         *os.File
	offset, left int64 // of the file
}

// waits reports whether there is anything.
func (p *portion) waits() bool { return len(p.b) > 0 || p.left > 0 }

// cost is what the Server counts for it, in octets.
func (p *portion) cost() int64 {
	if p.file != nil {
		return exchange.FileCost
	}
	return int64(len(p.b))
}

// The ways in which an answer breaks that the front cannot see any more, as the
// length it was to have is not sent.
var (
	errShort = errors.New("the content is shorter than its Content-Length")
	errLong  = errors.New("the content is longer than its Content-Length")
)

const (
	// filePiece is how much of a file is compressed at a time, in octets.
	filePiece = 64 << 10
	// highWater is how much compressed content may be on its way to the client
	// before more of what waits is compressed, in octets.
	highWater = 256 << 10
	// maxKeptOut is how large a buffer may be to be kept for later.
	maxKeptOut = 128 << 10
)

// Write implements io.Writer for the encoder.
func (t *packing) Write(p []byte) (int, error) {
	t.out = append(t.out, p...)
	return len(p), nil
}

// Head implements exchange.Client.
func (t *packing) Head(x *exchange.Exchange) {
	if !final(x) || x.HeadSent {
		t.client.Head(x)
		return
	}
	if x.Response.Status == 304 {
		revalidated(x)
	}
	verdict, c := t.w.decide(x)
	if verdict != leaveAlone {
		addVary(&x.Response, "Accept-Encoding")
	}
	if verdict == compresses {
		if !x.Request.IsHead() {
			if t.enc = t.w.encoder(c, t); t.enc == nil {
				t.client.Head(x)
				return
			}
			t.coding, t.whole, t.left = c, x.Response.Whole, x.Response.ContentLength
			t.server, x.Server = x.Server, t
		}
		encoded(&x.Response, c)
	}
	t.client.Head(x)
}

// Data implements exchange.Client.
func (t *packing) Data(x *exchange.Exchange, p []byte) {
	if t.enc == nil {
		t.client.Data(x, p)
		return
	}
	taken := p[:t.take(int64(len(p)))]
	t.raw += int64(len(p) - len(taken))
	switch {
	case len(taken) == 0:
	case t.pending() || len(taken) > t.w.inline:
		t.queue = append(t.queue, portion{b: append([]byte(nil), taken...)})
		t.start()
		return
	default:
		t.raw += int64(len(taken))
		t.pack(taken)
		t.emit()
	}
	t.post()
}

// File implements exchange.Client.
func (t *packing) File(x *exchange.Exchange, f *os.File, offset, length int64) {
	if t.enc == nil {
		t.client.File(x, f, offset, length)
		return
	}
	if length = t.take(length); length <= 0 {
		_ = f.Close()
		t.raw += exchange.FileCost
		t.post()
		return
	}
	t.queue = append(t.queue, portion{file: f, offset: offset, left: length})
	t.start()
}

// take returns how many of n octets the answer has room for.
func (t *packing) take(n int64) int64 {
	switch {
	case t.err != nil:
		return 0
	case t.left < 0:
		return n
	case n > t.left:
		if t.x.Stats.Err == nil {
			t.x.Stats.Err = errLong
		}
		n = t.left
	}
	t.left -= n
	return n
}

// pending reports whether there is something that is to be compressed first.
func (t *packing) pending() bool { return t.busy || t.first.waits() || len(t.queue) > 0 }

// pack compresses p. An encoder that writes to memory does not fail.
func (t *packing) pack(p []byte) {
	_, _ = t.enc.Write(p)
	t.dirty = true
}

// emit sends what the encoder wrote.
func (t *packing) emit() {
	if len(t.out) == 0 {
		return
	}
	t.sent += int64(len(t.out))
	t.client.Data(t.x, t.out)
	t.out = t.out[:0]
}

// post has what is in the encoder sent at the next turn, if nothing comes that
// pushes it out, so that a stream is not held up.
func (t *packing) post() {
	if !t.posted && !t.whole {
		t.posted = true
		t.x.Executor.Post(t)
	}
}

// Run implements exchange.Task.
func (t *packing) Run() {
	t.posted = false
	switch {
	case t.over:
		t.rest()
	case !t.busy:
		t.flush()
	}
}

// flush sends all that the encoder has.
func (t *packing) flush() {
	if t.dirty {
		t.dirty = false
		_ = t.enc.Flush()
		t.emit()
	}
	if t.sent == 0 {
		t.credit(t.raw)
	}
}

// credit tells the Server that n of its octets have left.
func (t *packing) credit(n int64) {
	t.raw -= n
	if t.server != nil && n > 0 {
		t.server.Drained(t.x, int(n))
	}
}

// start has what waits compressed, unless the client has to take something first.
func (t *packing) start() {
	if t.busy || t.sent >= highWater {
		return
	}
	if !t.first.waits() {
		if len(t.queue) == 0 {
			return
		}
		t.first = t.queue[0]
		n := copy(t.queue, t.queue[1:])
		t.queue[n] = portion{}
		t.queue = t.queue[:n]
	}
	t.busy = true
	t.w.crew.Do(t)
}

// Work compresses the next piece, on a goroutine.
func (t *packing) Work() {
	if t.first.file == nil {
		t.pack(t.first.b)
	} else {
		t.failed = t.packFile(&t.first)
	}
	t.x.Executor.Post((*packed)(t))
}

// packFile compresses what comes next of a file.
func (t *packing) packFile(p *portion) error {
	b := make([]byte, min(p.left, filePiece))
	n, err := p.file.ReadAt(b, p.offset)
	if n < len(b) {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return err
	}
	t.pack(b)
	p.offset += int64(n)
	p.left -= int64(n)
	return nil
}

// packed is a packing whose goroutine is done.
type packed packing

// Run implements exchange.Task.
func (p *packed) Run() {
	t := (*packing)(p)
	t.busy = false
	if t.failed != nil {
		t.err = t.failed
	}
	if t.cut != nil {
		t.abort(t.cut)
		return
	}
	if t.first.left == 0 || t.failed != nil {
		t.raw += t.first.cost()
		t.first.close()
	}
	t.emit()
	t.start()
	switch {
	case t.pending():
	case t.ending:
		t.end()
	default:
		t.flush()
	}
}

// close forgets p.
func (p *portion) close() {
	if p.file != nil {
		_ = p.file.Close()
	}
	*p = portion{}
}

// drop forgets what waits.
func (t *packing) drop() {
	t.first.close()
	for i := range t.queue {
		t.queue[i].close()
	}
	t.queue = t.queue[:0]
}

// End implements exchange.Client.
func (t *packing) End(*exchange.Exchange) {
	t.server, t.ending = nil, true
	if !t.pending() {
		t.end()
	}
}

// end finishes the answer.
func (t *packing) end() {
	if t.enc != nil {
		if t.err == nil && t.left > 0 {
			t.err = errShort
		}
		if t.err != nil {
			t.abort(t.err)
			return
		}
		_ = t.enc.Close()
		t.emit()
	}
	x := t.x
	c := t.finish()
	c.End(x)
}

// Abort implements exchange.Client.
func (t *packing) Abort(_ *exchange.Exchange, cause error) {
	t.server = nil
	if t.busy {
		t.cut = cause
		return
	}
	t.abort(cause)
}

func (t *packing) abort(cause error) {
	t.drop()
	x := t.x
	c := t.finish()
	c.Abort(x, cause)
}

// finish takes the packing out of the Exchange and returns the Client before it.
func (t *packing) finish() exchange.Client {
	x := t.x
	if t.enc != nil {
		t.w.giveBack(t.coding, t.enc)
		x.Server = nil
	}
	c := t.leave(x)
	t.over = true
	if !t.posted {
		t.rest()
	}
	return c
}

// rest gives the packing back.
func (t *packing) rest() {
	out, queue := t.out[:0], t.queue[:0]
	if cap(out) > maxKeptOut {
		out = nil
	}
	w := t.w
	*t = packing{w: w, out: out, queue: queue, over: true}
	t.self = t
	w.taps.Put(t)
}

// Content implements exchange.Server.
func (t *packing) Content(x *exchange.Exchange, p []byte) {
	if t.server != nil {
		t.server.Content(x, p)
	}
}

// ContentEnd implements exchange.Server.
func (t *packing) ContentEnd(x *exchange.Exchange, err error) {
	if t.server != nil {
		t.server.ContentEnd(x, err)
	}
}

// Drained implements exchange.Server: of n compressed octets that have left, the
// Server is told of as many of its own in proportion, and of all once none are
// left.
func (t *packing) Drained(_ *exchange.Exchange, n int) {
	left := min(int64(n), t.sent)
	share := t.raw
	if left < t.sent {
		share = t.raw * left / t.sent
	}
	t.sent -= left
	t.start()
	t.credit(share)
}

// Gone implements exchange.Server. A client that only stopped sending waits for
// what is still to come.
func (t *packing) Gone(x *exchange.Exchange, cause error) {
	switch {
	case t.server != nil:
		t.server.Gone(x, cause)
	case errors.Is(cause, exchange.ErrHalfClosed):
	case t.busy:
		t.cut = cause
	case t.ending:
		t.abort(cause)
	}
}
