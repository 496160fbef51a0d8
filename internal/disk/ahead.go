package disk

import (
	"io"
	"net/http"
	"os"
	"time"

	"rickhouse/internal/exchange"
)

// Chunk is how much of a file is looked for at a time, in octets.
const Chunk = 1 << 20

// Ahead keeps who sends files, one after the other, from waiting for a disk. It
// belongs to one Executor. The zero value has looked at nothing.
type Ahead struct {
	left int64 // octets from where the next ones are sent that need no disk
	read *read // under way
}

// read is what a Pool reads.
type read struct {
	a    *Ahead
	n    int64
	then exchange.Task
}

// Next returns how many octets of f from offset on, of the length (more than 0) that
// is to be sent, can be had now. It is 0 while they are being read: then runs on e
// when that is done. A nil Pool reads nothing: all can be had.
func (a *Ahead) Next(p *Pool, e exchange.Executor, f *os.File, offset, length int64, then exchange.Task) (int64, error) {
	switch {
	case p == nil:
		return length, nil
	case a.read != nil:
		return 0, nil
	case a.left > 0:
		return min(a.left, length), nil
	}
	n := min(length, Chunk)
	if p.Resident(f, offset, n) {
		a.left = n
		return n, nil
	}
	r := &read{a, n, then}
	if !p.Do(func() {
		// An error is found again where it is sent.
		_, _ = io.Copy(io.Discard, struct{ io.Reader }{io.NewSectionReader(f, offset, n)})
		e.Post(r)
	}) {
		return 0, Overload()
	}
	a.read = r
	return 0, nil
}

// Took notes that n octets were sent.
func (a *Ahead) Took(n int64) { a.left = max(0, a.left-n) }

// Run implements exchange.Task: what was read may be sent, if that is still wanted.
func (r *read) Run() {
	if r.a.read != r {
		return
	}
	r.a.read, r.a.left = nil, r.n
	r.then.Run()
}

// Overload is what is answered where a Pool takes no more.
func Overload() error {
	return &exchange.Error{Status: http.StatusServiceUnavailable, Reason: "too many requests wait for the disk", RetryAfter: time.Second}
}
