package websocket

import (
	"compress/flate"
	"fmt"
)

// Deflater compresses messages. It is large (some hundred KiB) and remembers
// nothing between calls, so that one serves any number of WebSockets in turn. It
// is for one goroutine at a time.
type Deflater struct {
	w   *flate.Writer
	out sink
}

// sink is an io.Writer that appends.
type sink struct{ b []byte }

func (s *sink) Write(p []byte) (int, error) {
	s.b = append(s.b, p...)
	return len(p), nil
}

// tail is what a sender leaves out at the end of a message (RFC 7692 §7.2.1).
const tail = "\x00\x00\xff\xff"

// Append compresses p, a piece of a message, the last one or not, and appends
// the payload of its frame to dst. No distance in it exceeds the window: a small
// window is kept by forgetting everything each time one is full.
func (z *Deflater) Append(dst, p []byte, d Deflate, last bool) ([]byte, error) {
	if len(p) == 0 {
		if last {
			dst = append(dst, 0) // RFC 7692 §7.2.3.6
		}
		return dst, nil
	}
	z.out.b = dst
	defer func() { z.out.b = nil }()
	window := len(p)
	if d.WindowBits < maxWindow {
		window = 1 << d.WindowBits
	}
	for len(p) > 0 {
		n := min(len(p), window)
		if err := z.write(p[:n]); err != nil {
			return dst, fmt.Errorf("compress a message: %w", err)
		}
		p = p[n:]
	}
	if last {
		return z.out.b[:len(z.out.b)-len(tail)], nil
	}
	return z.out.b, nil
}

// write compresses p by itself, up to an empty stored block.
func (z *Deflater) write(p []byte) error {
	if z.w == nil {
		w, err := flate.NewWriter(&z.out, flate.BestSpeed)
		if err != nil {
			return err
		}
		z.w = w
	} else {
		z.w.Reset(&z.out)
	}
	if _, err := z.w.Write(p); err != nil {
		return err
	}
	return z.w.Flush()
}
