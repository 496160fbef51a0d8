package telemetry

import (
	"errors"
	"io"
	"sync"
	"time"
)

const (
	// writerLimit bounds the octets that wait for a slow stream.
	writerLimit = 1 << 20
	// writerLinger is how long lines may wait for company, so that a busy server
	// makes few system calls and wakes the writing goroutine seldom.
	writerLinger = 2 * time.Millisecond
	// writerKeep is how large a buffer is kept once it is empty.
	writerKeep = 128 << 10
	// reportEvery is the least time between two reports of dropped lines.
	reportEvery = time.Second
)

// ErrNotFlushed is what Close returns when the stream did not take everything
// in time.
var ErrNotFlushed = errors.New("the log stream did not take all lines in time")

// Writer is an io.Writer that never waits for the stream behind it. Each Write
// is one line (or several that belong together): kept whole or dropped whole.
// Its methods may be called from any goroutine.
type Writer struct {
	out   io.Writer
	limit int

	mu      sync.Mutex
	pending []byte
	lines   int64 // in pending
	dropped int64 // since the last report
	total   int64
	closed  bool

	wake chan struct{}
	full chan struct{} // more than half full, or closing: do not linger
	done chan struct{}
}

// NewWriter starts a Writer on out. At most limit octets wait (0: 1 MiB).
// report, if not nil, is called from the writing goroutine, at most once a
// second and once at the end, with the number of lines dropped since it was
// last called. Nothing else writes to out meanwhile, so it may do that itself.
func NewWriter(out io.Writer, limit int, report func(lines int64)) *Writer {
	if limit <= 0 {
		limit = writerLimit
	}
	w := &Writer{
		out: out, limit: limit,
		wake: make(chan struct{}, 1),
		full: make(chan struct{}, 1),
		done: make(chan struct{}),
	}
	go w.run(report)
	return w
}

// Write keeps a copy of p for the stream. It always returns len(p) and nil:
// what there is no room for is dropped and counted.
func (w *Writer) Write(p []byte) (int, error) {
	w.mu.Lock()
	if w.closed || len(w.pending)+len(p) > w.limit {
		w.dropped++
		w.total++
		w.mu.Unlock()
		return len(p), nil
	}
	first := len(w.pending) == 0
	w.pending = append(w.pending, p...)
	w.lines++
	half := len(w.pending) > w.limit/2
	w.mu.Unlock()
	if first {
		signal(w.wake)
	}
	if half {
		signal(w.full)
	}
	return len(p), nil
}

// Dropped returns how many lines were dropped so far, for want of room or
// because the stream failed.
func (w *Writer) Dropped() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.total
}

// Close writes what waits and stops the Writer. It waits at most timeout; if
// the stream is still busy then, it returns ErrNotFlushed. Lines that come
// later are dropped and counted.
func (w *Writer) Close(timeout time.Duration) error {
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	signal(w.full)
	signal(w.wake)
	t := time.NewTimer(timeout)
	defer t.Stop()
	select {
	case <-w.done:
		return nil
	case <-t.C:
		return ErrNotFlushed
	}
}

func (w *Writer) run(report func(int64)) {
	defer close(w.done)
	var spare []byte
	var reported time.Time
	linger := time.NewTimer(0)
	<-linger.C
	for open := true; open; {
		<-w.wake
		linger.Reset(writerLinger)
		select {
		case <-w.full:
		case <-linger.C:
		}
		began := time.Now()
		for more := true; more; {
			more, open = w.drain(&spare)
			// The report follows the lines that were kept, unless they never end.
			late := !more || time.Since(began) >= reportEvery
			if report != nil && (!open || late && time.Since(reported) >= reportEvery) {
				if n := w.takeDropped(); n > 0 {
					report(n)
					reported = time.Now()
				}
			}
		}
	}
}

// drain writes what waits now. It reports whether there may be more, and whether
// there will be.
func (w *Writer) drain(spare *[]byte) (more, open bool) {
	w.mu.Lock()
	batch, lines := w.pending, w.lines
	w.pending, w.lines = (*spare)[:0], 0
	closed := w.closed
	w.mu.Unlock()
	if len(batch) == 0 {
		*spare = batch
		return false, !closed
	}
	if _, err := w.out.Write(batch); err != nil {
		w.mu.Lock()
		w.dropped += lines
		w.total += lines
		w.mu.Unlock()
	}
	if *spare = batch; cap(batch) > writerKeep {
		*spare = nil
	}
	return true, true
}

func (w *Writer) takeDropped() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := w.dropped
	w.dropped = 0
	return n
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
