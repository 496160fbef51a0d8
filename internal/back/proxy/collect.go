package proxy

import (
	"io"

	"rickhouse/internal/exchange"
	"rickhouse/internal/spool"
)

// collectAhead is how much content may be on its way to the disk, in octets.
const collectAhead = 256 << 10

// collects reports whether the content of x is taken in whole before an upstream is
// asked: because that is wanted, or because the protocol has to tell its length.
func (p *Proxy) collects(x *exchange.Exchange) bool {
	if !x.HasContent || p.store == nil {
		return false
	}
	return p.cfg.BufferRequests || x.Request.ContentLength < 0 && p.measured
}

// collect takes the content in: in memory while it is small, else in a file.
func (w *call) collect() {
	w.collecting, w.whole = true, true
	length := w.x.Request.ContentLength
	w.memory = min(w.sh.p.store.Memory(), maxReplay)
	if length < 0 || length > w.memory {
		length = collectAhead
	}
	w.granted = length
	w.x.Demand(int(length))
}

// collected takes the next piece of content.
func (w *call) collected(x *exchange.Exchange, p []byte) {
	w.total += int64(len(p))
	if w.file == nil && w.total <= w.memory {
		w.kept = append(w.kept, p...)
		if x.Request.ContentLength < 0 || x.Request.ContentLength > w.memory {
			x.Demand(len(p))
		}
		return
	}
	if w.file == nil {
		w.file = w.sh.p.store.New(x.Executor, w)
		w.file.Append(w.kept)
		w.kept = w.kept[:0]
	}
	w.file.Append(p)
}

// Spooled implements spool.Observer: what is on disk makes room for more.
func (w *call) Spooled(f *spool.File, n int, err error) {
	switch {
	case !w.collecting || w.file != f:
	case err != nil:
		w.fail(err)
	case w.contentEnded:
		w.begin()
	default:
		w.x.Demand(n)
	}
}

// begin sends the request once all of its content is there.
func (w *call) begin() {
	if w.file != nil && w.file.Written() < w.file.Size() {
		w.file.Flush()
		return
	}
	w.collecting = false
	w.start()
}

// replay sends content that was taken in before: what is in memory, or as much of the
// file as the upstream takes.
func (w *call) replay() {
	if w.file == nil {
		w.put(w.kept)
		w.putEnd()
		return
	}
	if w.replaying {
		return // put has written what waited
	}
	c := w.c
	w.replaying = true
	for w.c == c && !c.blocked && !c.dead && w.sent < w.file.Size() {
		buf := w.sh.in[:min(maxPiece, w.file.Size()-w.sent)]
		if _, err := w.file.OS().ReadAt(buf, w.sent); err != nil && err != io.EOF {
			w.fail(err)
			return
		}
		w.sent += int64(len(buf))
		w.put(buf)
	}
	if w.c != c {
		return
	}
	w.replaying = false
	if w.sent == w.file.Size() && !w.ended {
		w.ended = true
		w.putEnd()
	}
}
