package worker

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"rickhouse/internal/loop"
	wire "rickhouse/internal/wire/worker"
)

const (
	firstRead = 64 << 10
	maxRead   = wire.MaxPayload + wire.HeaderSize
	// maxFiles bounds descriptors that came ahead of their frames.
	maxFiles = 256
	// maxLeft is more than a socket holds of what a worker wrote before its end, in
	// octets. A child that it left behind may write without end.
	maxLeft = 4 << 20
)

// link is the front's end of a worker's socket: it gathers frames to write and
// takes apart what is read. It belongs to its loop.
type link struct {
	loop   *loop.Loop
	stream loop.Stream
	// onFrame gets each frame; file is its descriptor, which passes to it.
	onFrame func(h wire.Header, payload []byte, file *os.File) error
	// onEnd is called once, when nothing more can be read.
	onEnd func(err error)

	in    []byte // what is read and not yet taken apart
	files []*os.File

	out      []byte
	sent     int        // octets of out that are with the kernel
	attached []attached // descriptors to send, in order
	deferred bool
	blocked  bool
	ended    bool
}

// attached is a descriptor that goes with the octet at offset at of out.
type attached struct {
	at   int
	file *os.File
}

// queue notes that out has grown: it is written at the end of this turn.
func (l *link) queue() {
	if !l.deferred && !l.blocked && !l.ended {
		l.deferred = true
		l.loop.Defer(l)
	}
}

// Run writes what is queued. It is a loop task.
func (l *link) Run() {
	l.deferred = false
	switch err := l.flush(); {
	case errors.Is(err, syscall.EPIPE), errors.Is(err, syscall.ECONNRESET):
		// The worker is no more, but what it wrote before is still to be read.
		l.Hup(nil)
	case err != nil:
		l.end(fmt.Errorf("writing to the worker: %w", err))
	}
}

func (l *link) flush() error {
	for !l.ended && l.sent < len(l.out) {
		n, err := l.write()
		l.sent += n
		if errors.Is(err, loop.ErrAgain) {
			l.compact()
			l.block(true)
			return nil
		}
		if err != nil {
			return err
		}
	}
	l.block(false)
	l.out, l.sent = l.out[:0], 0
	if cap(l.out) > maxRead {
		l.out = nil
	}
	return nil
}

// compact drops what is written, so that a worker that is always a little behind
// does not make out grow for ever.
func (l *link) compact() {
	if l.sent < maxRead {
		return
	}
	l.out = l.out[:copy(l.out, l.out[l.sent:])]
	for i := range l.attached {
		l.attached[i].at -= l.sent
	}
	l.sent = 0
}

// write writes up to the next descriptor, or from one on.
func (l *link) write() (int, error) {
	if len(l.attached) == 0 {
		return l.stream.Write(l.out[l.sent:])
	}
	first := l.attached[0]
	if first.at > l.sent {
		return l.stream.Write(l.out[l.sent:first.at])
	}
	end := len(l.out)
	if len(l.attached) > 1 {
		end = l.attached[1].at
	}
	n, err := l.stream.WriteMsg(l.out[l.sent:end], first.file)
	if n > 0 {
		first.file.Close()
		l.attached = l.attached[1:]
	}
	return n, err
}

func (l *link) block(b bool) {
	if l.blocked != b {
		l.blocked = b
		l.stream.Want(true, b)
	}
}

// attach sends file with the frame that begins at offset at of out; file passes
// to the link.
func (l *link) attach(file *os.File, at int) {
	l.attached = append(l.attached, attached{at, file})
}

// Writable implements loop.Handler.
func (l *link) Writable() { l.Run() }

// Hup implements loop.Handler: what the worker wrote before its end is still to
// be read. After a panic nothing is read again.
func (l *link) Hup(err error) {
	var broken *loop.PanicError
	if errors.As(err, &broken) {
		l.end(err)
	}
	for left := maxLeft; !l.ended && left > 0; {
		n, more := l.read()
		if !more {
			break
		}
		left -= n
	}
	l.end(nil)
}

// Readable implements loop.Handler.
func (l *link) Readable() { l.read() }

// read reads once and returns how much, and whether there may be more.
func (l *link) read() (n int, more bool) {
	if len(l.in) == cap(l.in) {
		grown := make([]byte, len(l.in), min(maxRead, max(firstRead, 2*cap(l.in))))
		copy(grown, l.in)
		l.in = grown
	}
	n, files, err := l.stream.ReadMsg(l.in[len(l.in):cap(l.in)])
	l.in = l.in[:len(l.in)+n]
	l.files = append(l.files, files...)
	if n > 0 {
		if perr := l.parse(); perr != nil {
			l.end(perr)
			return n, false
		}
	}
	switch {
	case errors.Is(err, loop.ErrAgain):
		return n, false
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET):
		// A peer that ends with something unread resets the link.
		l.end(nil)
		return n, false
	case err != nil:
		l.end(fmt.Errorf("reading from the worker: %w", err))
		return n, false
	case len(l.files) > maxFiles:
		l.end(fmt.Errorf("%w: descriptors without frames", wire.ErrMalformed))
		return n, false
	}
	return n, true
}

// parse hands on every whole frame.
func (l *link) parse() error {
	p := l.in
	for !l.ended {
		h, ok, err := wire.ParseHeader(p)
		if err != nil {
			return err
		}
		if !ok || len(p)-wire.HeaderSize < int(h.Length) {
			break
		}
		var file *os.File
		if h.Has(wire.HasFile) {
			if len(l.files) == 0 {
				return fmt.Errorf("%w: a descriptor is missing", wire.ErrMalformed)
			}
			file = l.files[0]
			l.files = l.files[1:]
		}
		end := wire.HeaderSize + int(h.Length)
		if err := l.onFrame(h, p[wire.HeaderSize:end:end], file); err != nil {
			return err
		}
		p = p[end:]
	}
	if l.ended {
		return nil
	}
	l.in = l.in[:copy(l.in, p)]
	return nil
}

// end closes the link and tells, once.
func (l *link) end(err error) {
	if l.ended {
		return
	}
	l.ended = true
	l.stream.Close(false)
	for _, a := range l.attached {
		a.file.Close()
	}
	for _, f := range l.files {
		f.Close()
	}
	l.attached, l.files, l.in, l.out = nil, nil, nil, nil
	l.onEnd(err)
}
