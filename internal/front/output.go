package front

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"rickhouse/internal/disk"
	"rickhouse/internal/exchange"
	"rickhouse/internal/loop"
	"rickhouse/internal/spool"
)

const (
	// directWrite is how much content is written from where it is, at once; less
	// is copied, so that a head and its content leave together.
	directWrite = 32 << 10
	// maxPieces is how many pieces may wait in the queue of an answer.
	maxPieces = 256
	// maxBuf is how large a buffer to write from may be to be kept for later, and
	// maxSpare how many are kept that tunnels borrow.
	maxBuf   = 32 << 10
	maxSpare = 256
)

// OutputParts are what the Outputs on one Loop work with.
type OutputParts struct {
	Loop *loop.Loop
	// Store takes what slow clients have not taken; nil for none.
	Store *spool.Store
	// Disk reads what of files is not in memory; nil to wait for it on the Loop.
	Disk *disk.Pool
	// Sent is added to: the octets that the kernel takes.
	Sent *uint64

	spare  [][]byte  // buffers for tunnels
	pieces [2][]byte // what Writev is given
}

// A Resumer is whose connection an Output is for.
type Resumer interface {
	// Resume is called when the disk has taken or given what waited for it, or cannot: Flush
	// may go on, Drained or Err may have something.
	Resume()
}

// Output writes the answers of a connection that has one at a time, in order:
// memory, files and, behind them, what the spool has. It belongs to the Loop.
type Output struct {
	// Stream is where it writes, and Owner whose it is.
	Stream loop.Stream
	Owner  Resumer
	// Settings are those that the request began with.
	Settings *Settings
	// Buf is what is written first. Before anything was put a head may be appended
	// to it.
	Buf []byte
	// Tunnel says that no answer goes out but the octets of a tunnel: nothing is
	// spooled, as whoever speaks there waits for its peer, and no buffer is kept,
	// as it may be silent for long.
	Tunnel bool
	// Blocked says that the kernel takes no more until Writable.
	Blocked bool
	// Pace is the client's.
	Pace Pace

	p    *OutputParts
	err  error
	sent int // Buf[sent:], then queue, is to be written

	queue       []piece
	queued      int // octets of memory in queue
	spool       *spool.File
	spoolPieces int
	held        bool // the spool is full: what comes is not drained before it is empty

	ahead     disk.Ahead // of the first piece
	undrained int64      // octets of content that the Server does not know to have left
	drained   int64      // octets that it is to be told of
}

// Frame appends what goes before the next octets of a file of which left are to
// come, and says how many octets that is for.
type Frame func(dst []byte, left int64) ([]byte, int64)

// piece is part of an answer that waits behind others: memory, part of a file of
// the Server's, or part of the spool.
type piece struct {
	b         []byte
	file      *os.File // nil for the spool's
	spooled   bool
	frame     Frame // nil for none
	run       int64 // octets that the last frame was for and that are to come
	off, left int64
}

// NewOutput returns an Output on no Stream.
func NewOutput(p *OutputParts) Output { return Output{p: p} }

// Reset makes o ready for another answer on its Stream.
func (o *Output) Reset() {
	o.Drop()
	if cap(o.Buf) > maxBuf {
		o.Buf = nil
	}
	*o = Output{p: o.p, Stream: o.Stream, Owner: o.Owner, Settings: o.Settings, Buf: o.Buf, queue: o.queue}
}

// Err is why nothing more can be written, or nil. It is an exchange.ErrClientGone,
// or the rest of the answer cannot be had.
func (o *Output) Err() error { return o.err }

// Pending reports whether something waits to be written.
func (o *Output) Pending() bool { return len(o.Buf) > o.sent || len(o.queue) > 0 }

// Due reports whether Flush, Drained or Err may have something now.
func (o *Output) Due() bool { return o.drained > 0 || o.err != nil || o.Pending() && !o.Blocked }

// waiting is how much of the answer is in memory.
func (o *Output) waiting() int { return len(o.Buf) - o.sent + o.queued }

// Put appends p. Nothing of it is content that Drained counts.
func (o *Output) Put(p []byte) {
	if len(p) >= directWrite && len(o.queue) == 0 && !o.Blocked && o.err == nil {
		p = o.writeThrough(p)
	}
	if len(p) == 0 || o.err != nil {
		return
	}
	store := o.p.Store
	if o.Tunnel {
		store = nil
	}
	if store != nil && o.waiting()+len(p) > o.Settings.Memory && !o.Blocked {
		o.flush()
		if o.err != nil {
			return
		}
	}
	switch last := len(o.queue) - 1; {
	case last >= 0 && o.queue[last].spooled, store != nil && o.waiting()+len(p) > o.Settings.Memory:
		o.putSpool(p)
	case last < 0:
		o.write(p)
	case o.queue[last].file != nil:
		o.queue = append(o.queue, piece{b: append([]byte(nil), p...)})
		o.queued += len(p)
	default:
		o.queue[last].b = append(o.queue[last].b, p...)
		o.queued += len(p)
	}
}

// writeThrough writes what waits and p, and returns what is left of p.
func (o *Output) writeThrough(p []byte) []byte {
	head, pieces := len(o.Buf)-o.sent, o.p.pieces[:]
	pieces[0], pieces[1] = o.Buf[o.sent:], p
	n, err := o.Stream.Writev(pieces)
	pieces[0], pieces[1] = nil, nil
	o.wrote(n, min(n, head), err)
	return p[max(0, n-head):]
}

// write appends p to Buf. Where that would grow it drops what has been sent: it
// may take long until a slow client has taken everything.
func (o *Output) write(p []byte) {
	if cap(o.Buf) == 0 {
		o.Buf = o.p.takeBuffer()
	}
	if len(o.Buf)+len(p) > cap(o.Buf) && o.sent > 0 {
		n := copy(o.Buf, o.Buf[o.sent:])
		o.Buf, o.sent = o.Buf[:n], 0
	}
	o.Buf = append(o.Buf, p...)
}

// PutContent is Put for n octets of content, which Drained counts when they have
// left; what frames them is p as well.
func (o *Output) PutContent(p []byte, n int) {
	o.undrained += int64(n)
	o.Put(p)
}

// Skip notes n octets of content that go nowhere and so hold nobody up.
func (o *Output) Skip(n int64) { o.drained += n }

// PutFile appends length octets of f from offset on, framed by frame if that is not
// nil. f passes to the Output.
func (o *Output) PutFile(f *os.File, offset, length int64, frame Frame) {
	if o.err == nil && len(o.queue) >= maxPieces {
		o.err = ErrManyPieces
	}
	if o.err != nil {
		_ = f.Close()
		o.drained += exchange.FileCost
		return
	}
	o.queue = append(o.queue, piece{file: f, frame: frame, off: offset, left: length})
}

// putSpool appends p to the spool, as the last piece of the queue.
func (o *Output) putSpool(p []byte) {
	if o.spool == nil {
		o.spool = o.p.Store.New(o.p.Loop, o)
	}
	if n := len(o.queue); n == 0 || !o.queue[n-1].spooled {
		o.queue = append(o.queue, piece{spooled: true, off: o.spool.Size()})
		o.spoolPieces++
	}
	o.queue[len(o.queue)-1].left += int64(len(p))
	o.spool.Append(p)
	if o.spool.Size() > o.Settings.MaxAnswer {
		o.held = true
	}
}

// Spooled implements spool.Observer.
func (o *Output) Spooled(f *spool.File, n int, err error) {
	if o.spool != f {
		return
	}
	if err != nil {
		o.err = err
	} else if !o.held {
		o.left(n)
	}
	o.Owner.Resume()
}

// left notes that n octets have left memory, for the kernel or the spool.
func (o *Output) left(n int) {
	k := min(int64(n), o.undrained)
	o.undrained -= k
	o.drained += k
}

func (o *Output) progress(n int) {
	*o.p.Sent += uint64(n)
	o.Pace.Progress(n, o.p.Loop.Now(), &o.Settings.Config)
}

// Flush writes what the kernel takes, hands the disk what that is to take, and
// reports whether nothing is left. Call it at the end of a turn, and at that of the
// answer: small pieces share a write so.
func (o *Output) Flush() bool {
	whole := !o.Blocked && o.flush()
	if o.spool != nil && o.err == nil {
		o.spool.Flush()
	}
	return whole
}

// flush writes what the kernel takes and reports whether nothing is left.
func (o *Output) flush() bool {
	for o.err == nil {
		if len(o.Buf) > o.sent && !o.writeOut() {
			return false
		}
		if len(o.queue) == 0 {
			o.Blocked = false
			return true
		}
		switch p := &o.queue[0]; {
		case p.file == nil && !p.spooled:
			o.Buf = append(o.Buf, p.b...)
			o.queued -= len(p.b)
			o.pop()
		case p.frame != nil && p.run == 0:
			o.Buf, p.run = p.frame(o.Buf, p.left)
		case !o.sendFile(p):
			return false
		}
	}
	return false
}

// writeOut writes what is before the queue and reports whether the kernel took all.
func (o *Output) writeOut() bool {
	var n int
	var err error
	if len(o.queue) > 0 && o.queue[0].file != nil {
		n, err = o.Stream.WriteMore(o.Buf[o.sent:])
	} else {
		n, err = o.Stream.Write(o.Buf[o.sent:])
	}
	o.wrote(n, n, err)
	return err == nil
}

// wrote looks at the outcome of a write of n octets, k of them of Buf.
func (o *Output) wrote(n, k int, err error) {
	if o.sent += k; o.sent == len(o.Buf) {
		o.Buf, o.sent = o.Buf[:0], 0
		if o.Tunnel {
			o.p.giveBuffer(o.Buf)
			o.Buf = nil
		}
	}
	o.left(n)
	o.progress(n)
	switch {
	case err == nil:
	case errors.Is(err, loop.ErrAgain):
		o.Blocked = true
	default:
		o.err = ClientGone{Err: err}
	}
}

// sendFile sends of the first piece, a file's, what the kernel takes, and reports
// whether all of it, or of its frame, has gone.
func (o *Output) sendFile(p *piece) bool {
	f, n := p.file, p.left
	if p.spooled {
		f, n = o.spool.OS(), min(n, o.spool.Written()-p.off)
		if n <= 0 {
			o.Blocked = false
			return false // Spooled will come
		}
	}
	there, err := o.ahead.Next(o.p.Disk, o.p.Loop, f, p.off, n, (*read)(o))
	n = there
	switch {
	case err != nil:
		o.err = fmt.Errorf("send a file: %w", err)
		return false
	case n == 0:
		o.Blocked = false
		return false // the disk gives it
	case p.frame != nil:
		n = min(n, p.run)
	}
	sent, err := o.Stream.SendFile(f, p.off, n)
	p.off += sent
	p.left -= sent
	o.ahead.Took(sent)
	if p.frame != nil {
		p.run -= sent
	}
	o.progress(int(sent))
	switch {
	case err == nil || errors.Is(err, loop.ErrAgain):
	case errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET):
		o.err = ClientGone{Err: err}
		return false
	default:
		o.err = fmt.Errorf("send a file: %w", err)
		return false
	}
	// Others have their turn before the next chunk.
	o.Blocked = errors.Is(err, loop.ErrAgain) || sent == there && p.left > 0
	if p.left == 0 {
		o.popFile(p)
	}
	return !o.Blocked
}

// read is an Output whose file has been read.
type read Output

// Run implements exchange.Task.
func (r *read) Run() { r.Owner.Resume() }

// popFile takes the first piece, a file's that has been sent, off the queue.
func (o *Output) popFile(p *piece) {
	if !p.spooled {
		_ = p.file.Close()
		o.pop()
		o.drained += exchange.FileCost
		return
	}
	o.pop()
	if o.spoolPieces--; o.spoolPieces == 0 {
		o.spool.Close()
		o.spool = nil
		if o.held {
			o.held = false
			o.left(int(o.undrained))
		}
	}
}

func (o *Output) pop() {
	n := copy(o.queue, o.queue[1:])
	o.queue[n] = piece{}
	o.queue = o.queue[:n]
}

// Drained returns how many octets of content have left since it was called last.
func (o *Output) Drained() int {
	n := int(o.drained)
	o.drained = 0
	return n
}

// Drop forgets what was to be written.
func (o *Output) Drop() {
	for i := range o.queue {
		if f := o.queue[i].file; f != nil {
			_ = f.Close()
		}
		o.queue[i] = piece{}
	}
	o.queue, o.ahead = o.queue[:0], disk.Ahead{}
	o.Buf, o.sent, o.queued, o.spoolPieces = o.Buf[:0], 0, 0, 0
	if o.spool != nil {
		o.spool.Close()
		o.spool = nil
	}
}

// takeBuffer and giveBuffer lend buffers to tunnels that have something to write.
func (p *OutputParts) takeBuffer() []byte {
	n := len(p.spare)
	if n == 0 {
		return nil
	}
	b := p.spare[n-1]
	p.spare = p.spare[:n-1]
	return b
}

func (p *OutputParts) giveBuffer(b []byte) {
	if len(p.spare) < maxSpare && cap(b) > 0 && cap(b) <= maxBuf {
		p.spare = append(p.spare, b[:0])
	}
}
