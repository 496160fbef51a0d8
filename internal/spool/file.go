package spool

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"sync"
	"syscall"

	"rickhouse/internal/exchange"
)

// An Observer is told, on the File's Executor, how writing goes.
type Observer interface {
	// Spooled says that n more octets are in the file, in order. An err, an
	// *exchange.Error of status 507 (quota or disk full) or 500, is the last
	// call: the n octets of this and earlier calls are in the file, nothing more
	// will be. No call comes after File.Close.
	Spooled(f *File, n int, err error)
}

// A File is one piece of content on its way to disk. All methods are called on
// its Executor and none blocks. What Append took and Spooled has not reported
// is in memory: the caller paces itself by it.
type File struct {
	s        *Store
	exec     exchange.Executor
	observer Observer

	// Of the Executor.
	tail     *chunk // not yet full
	flush    bool   // tail follows what the disk is at
	size     int64
	written  int64
	reserved int64
	os       *os.File
	failed   bool // there was an error
	told     bool // the Observer knows of it
	closed   bool

	mu      sync.Mutex
	pending []*chunk // to be written
	queued  bool     // the Store has the File, or a writer is at it
	posted  bool     // an outcome is on its way to the Executor
	fresh   int      // written and not reported
	err     error    // not reported
	broken  bool     // write nothing more
	ending  bool     // Close was called

	// Of the writer that is at it.
	file   *os.File
	offset int64
}

// Append takes a copy of p and hands full chunks of 64 KiB to the disk. After
// an error it does nothing.
func (f *File) Append(p []byte) {
	if f.failed || f.closed {
		return
	}
	if !f.s.reserve(int64(len(p))) {
		f.fail(&exchange.Error{
			Status: http.StatusInsufficientStorage,
			Reason: fmt.Sprintf("the temporary files of all requests together would take more than spool_quota (%v)", f.s.cfg.Load().Quota),
		})
		return
	}
	f.reserved += int64(len(p))
	f.size += int64(len(p))
	for len(p) > 0 {
		if f.tail == nil {
			f.tail = f.s.pool.Get().(*chunk)
		}
		n := copy(f.tail.data[f.tail.n:], p)
		f.tail.n += n
		p = p[n:]
		if f.tail.n == chunkSize {
			f.hand()
		}
	}
}

// Flush hands the last, partial chunk to the disk: at once if that has nothing
// else of f, or else after that. So small pieces share a chunk while they wait.
func (f *File) Flush() {
	if f.tail == nil || f.failed || f.closed {
		return
	}
	f.mu.Lock()
	f.flush = f.queued // and an outcome will come
	f.mu.Unlock()
	if !f.flush {
		f.hand()
	}
}

// hand hands tail to the disk.
func (f *File) hand() {
	f.flush = false
	f.mu.Lock()
	f.pending = append(f.pending, f.tail)
	f.tail = nil
	ok := f.queue()
	f.mu.Unlock()
	if !ok {
		f.fail(&exchange.Error{Status: http.StatusServiceUnavailable, Reason: "write a temporary file", Err: exchange.ErrShutdown})
	}
}

// Size is the number of octets appended.
func (f *File) Size() int64 { return f.size }

// Written is the number of octets that Spooled has reported.
func (f *File) Written() int64 { return f.written }

// OS is the temporary file, or nil before the first Spooled. It stays the
// File's: duplicate it to keep it longer. Its offset has no meaning.
func (f *File) OS() *os.File { return f.os }

// Close drops what is not written yet, and closes the file and gives its space
// back once the disk is done with it.
func (f *File) Close() {
	if f.closed {
		return
	}
	f.closed = true
	f.drop(f.tail)
	f.tail, f.os = nil, nil
	f.mu.Lock()
	f.ending, f.broken = true, true
	alone := !f.queued && (f.file == nil || !f.queue())
	f.mu.Unlock()
	if alone {
		f.release()
	}
}

// fail reports an error that no writer has met.
func (f *File) fail(err error) {
	f.failed = true
	f.drop(f.tail)
	f.tail = nil
	f.mu.Lock()
	f.broken = true
	f.report(0, err)
	f.mu.Unlock()
}

func (f *File) drop(c *chunk) {
	if c != nil {
		c.n = 0
		f.s.pool.Put(c)
	}
}

// queue has the Store work at f; it reports false if the Store is closed. It is
// called with mu held.
func (f *File) queue() bool {
	if !f.queued {
		f.queued = f.s.enqueue(f)
	}
	return f.queued
}

// report brings an outcome to the Executor. It is called with mu held.
func (f *File) report(n int, err error) {
	f.fresh += n
	if f.err == nil {
		f.err = err
	}
	if !f.posted {
		f.posted = true
		f.exec.Post((*outcome)(f))
	}
}

// outcome is a File as the task that tells its Observer.
type outcome File

// Run calls the Observer on the Executor.
func (o *outcome) Run() {
	f := (*File)(o)
	f.mu.Lock()
	n, err, file := f.fresh, f.err, f.file
	f.posted, f.fresh, f.err = false, 0, nil
	f.mu.Unlock()
	if f.closed || f.told {
		return
	}
	f.written += int64(n)
	f.os = file
	if err != nil {
		f.failed, f.told = true, true
	}
	if f.flush {
		f.Flush()
	}
	if n > 0 || err != nil {
		f.observer.Spooled(f, n, err)
	}
}

// work is a writer's turn at f: it writes what is pending now and reports
// whether there is more to do.
func (f *File) work() bool {
	f.mu.Lock()
	batch := f.pending
	f.pending = nil
	f.mu.Unlock()
	n := 0
	var err error
	for _, c := range batch {
		if err == nil && !f.isBroken() {
			var wrote int
			wrote, err = f.write(c)
			n += wrote
		}
		f.drop(c)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil {
		f.broken = true
	}
	if n > 0 || err != nil {
		f.report(n, err)
	}
	switch {
	case len(f.pending) > 0:
		return true
	case f.ending:
		f.release()
	}
	f.queued = false
	return false
}

func (f *File) isBroken() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.broken
}

// write writes one chunk, on a writer.
func (f *File) write(c *chunk) (int, error) {
	if f.file == nil {
		file, err := temporary(f.s.cfg.Load().Directory)
		if err != nil {
			return 0, diskError(err)
		}
		f.mu.Lock()
		f.file = file
		f.mu.Unlock()
	}
	n, err := f.s.write(f.file, c.data[:c.n], f.offset)
	f.offset += int64(n)
	if err != nil {
		return n, diskError(fmt.Errorf("write a temporary file in %s: %w", f.s.cfg.Load().Directory, err))
	}
	return n, nil
}

// release closes the file and gives the space back. Nobody else is at f.
func (f *File) release() {
	if f.file != nil {
		_ = f.file.Close()
		f.file = nil
	}
	f.s.used.Add(-f.reserved)
	f.reserved = 0
}

func diskError(err error) error {
	status, reason := http.StatusInternalServerError, "the spool failed"
	for _, full := range []error{syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG} {
		if errors.Is(err, full) {
			status, reason = http.StatusInsufficientStorage, "the disk of spool_directory is full"
		}
	}
	return &exchange.Error{Status: status, Reason: reason, Err: err}
}
