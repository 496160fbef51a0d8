package http2

import (
	"fmt"
	"io"
	"os"

	"rickhouse/internal/disk"
	"rickhouse/internal/exchange"
	"rickhouse/internal/spool"
)

// maxPieces is how many pieces of an answer may wait.
const maxPieces = 64

// queue is what of an answer waits for the client: memory, parts of files of the
// Server's, and parts of the spool, in order.
type queue struct {
	pieces []piece
	memory int // octets of memory that wait
	spool  *spool.File
	parts  int        // pieces that are in the spool
	held   bool       // the spool is full: what comes is not Drained before it is empty
	ahead  disk.Ahead // of the first piece
}

// piece is part of an answer.
type piece struct {
	b         []byte // what is left of it starts at off
	file      *os.File
	spooled   bool
	off, left int64
}

func (q *queue) empty() bool { return len(q.pieces) == 0 }

// spooling reports whether what comes next has to follow what is in the spool.
func (q *queue) spooling() bool { return !q.empty() && q.pieces[len(q.pieces)-1].spooled }

// add appends a copy of p, in memory.
func (q *queue) add(p []byte) {
	last := len(q.pieces) - 1
	if last < 0 || q.pieces[last].spooled || q.pieces[last].file != nil {
		q.pieces = append(q.pieces, piece{})
		last++
	}
	at := &q.pieces[last]
	if len(at.b)+len(p) > cap(at.b) && at.off > 0 {
		n := copy(at.b, at.b[at.off:])
		at.b, at.off = at.b[:n], 0
	}
	at.b = append(at.b, p...)
	at.left += int64(len(p))
	q.memory += len(p)
}

// addFile appends part of a file, which is the queue's from now on.
func (q *queue) addFile(f *os.File, offset, length int64) {
	q.pieces = append(q.pieces, piece{file: f, off: offset, left: length})
}

// addSpool appends a copy of p, in the spool.
func (q *queue) addSpool(p []byte) {
	if !q.spooling() {
		q.pieces = append(q.pieces, piece{spooled: true, off: q.spool.Size()})
		q.parts++
	}
	q.pieces[len(q.pieces)-1].left += int64(len(p))
	q.spool.Append(p)
}

// available is how many octets can be taken, as soon as there says so. It is 0 where
// the next ones are on their way to the disk.
func (q *queue) available() int64 {
	if q.empty() {
		return 0
	}
	p := &q.pieces[0]
	if p.spooled {
		return min(p.left, q.spool.Written()-p.off)
	}
	return p.left
}

// there returns how many of n octets, which are available, can be taken now. It is 0
// while a disk gives them: then runs when it has.
func (q *queue) there(d *Door, n int64, then exchange.Task) (int64, error) {
	p := &q.pieces[0]
	f := p.file
	if p.spooled {
		f = q.spool.OS()
	}
	if f == nil {
		return n, nil
	}
	m, err := q.ahead.Next(d.f.parts.Disk, d.l, f, p.off, min(p.left, q.available()), then)
	return min(m, n), err
}

// done says what came to its end by taking octets.
type done uint8

const (
	nothing done = iota
	fileDone
	spoolDone
)

// take appends n octets, which are available, to dst. It reports how many of them
// have left memory, and what is done with.
func (q *queue) take(dst []byte, n int) (out []byte, memory int, over done, err error) {
	p := &q.pieces[0]
	f := p.file
	if p.spooled {
		f = q.spool.OS()
	}
	if f == nil {
		dst = append(dst, p.b[p.off:p.off+int64(n)]...)
		q.memory -= n
		memory = n
	} else {
		if dst, err = readAt(dst, f, p.off, n); err != nil {
			return dst, 0, nothing, err
		}
		q.ahead.Took(int64(n))
	}
	p.off += int64(n)
	if p.left -= int64(n); p.left > 0 {
		return dst, memory, nothing, nil
	}
	return dst, memory, q.pop(), nil
}

// readAt appends n octets of f.
func readAt(dst []byte, f *os.File, offset int64, n int) ([]byte, error) {
	start := len(dst)
	for cap(dst)-start < n {
		dst = append(dst[:cap(dst)], 0)
	}
	dst = dst[:start+n]
	got, err := f.ReadAt(dst[start:], offset)
	if got == n {
		return dst, nil
	}
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return dst[:start], fmt.Errorf("send a file: %w", err)
}

// pop takes the first piece off and reports what is done with.
func (q *queue) pop() done {
	p := q.pieces[0]
	n := copy(q.pieces, q.pieces[1:])
	q.pieces[n] = piece{}
	q.pieces = q.pieces[:n]
	if p.file != nil {
		_ = p.file.Close()
		return fileDone
	}
	if !p.spooled {
		return nothing
	}
	if q.parts--; q.parts > 0 {
		return nothing
	}
	q.spool.Close()
	q.spool = nil
	return spoolDone
}

// drop forgets everything.
func (q *queue) drop() {
	for i := range q.pieces {
		if f := q.pieces[i].file; f != nil {
			_ = f.Close()
		}
		q.pieces[i] = piece{}
	}
	if q.spool != nil {
		q.spool.Close()
	}
	*q = queue{pieces: q.pieces[:0]}
}
