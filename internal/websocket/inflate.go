package websocket

import (
	"math"

	wire "rickhouse/internal/wire/websocket"
)

// compressed takes payload of a compressed message.
func (c *Conn) compressed(r *reading) bool {
	in := &c.in
	q, ended := in.reader.Payload(r.p[r.at:], math.MaxInt)
	r.at += len(q)
	in.inFrame = !ended
	in.ended = ended && in.reader.Last()
	if rest := c.inflate(q); len(rest) > 0 {
		in.rest = append([]byte(nil), rest...)
	}
	return ended
}

// inflate decompresses src and returns what the owner's account is too low for.
// What comes of it is delivered when there is much of it or the message is
// whole; else it waits for flush.
func (c *Conn) inflate(src []byte) []byte {
	in := &c.in
	for c.state == open {
		n, err := in.inflater.Write(src)
		if err != nil {
			c.fail(err)
			return nil
		}
		src = src[n:]
		if len(src) > 0 || in.inflater.Full() {
			if c.drain(false); in.paused {
				return src
			}
			continue
		}
		switch {
		case !in.ended:
			return nil
		case !in.tailed:
			in.tailed = true
			src = wire.Tail()
		case !in.inflater.Whole():
			c.fail(&wire.ProtocolError{Code: wire.CodeInvalid, Reason: "compressed data ends early"})
			return nil
		default:
			c.drain(true)
			return nil
		}
	}
	return nil
}

// drain delivers what was decompressed, as far as the owner takes it, and ends
// the message if that was the last of it.
func (c *Conn) drain(last bool) {
	in := &c.in
	z := in.inflater
	for c.state == open && (last || z.Pending() > 0) {
		if in.credit <= 0 {
			in.paused = true
			return
		}
		p := z.Take(int(min(in.credit, maxPiece)))
		end := last && z.Pending() == 0
		if !c.grow(int64(len(p))) {
			return
		}
		if in.reader.Text() && (!in.text.Check(p) || end && !in.text.Whole()) {
			c.fail(notUTF8())
			return
		}
		c.message(p, end)
		if end {
			c.a.inflaters.Put(z)
			in.inflater = nil
			return
		}
	}
}

// release gives the inflater of a message that will not be whole back, unless
// what it decompressed may be in use.
func (c *Conn) release() {
	in := &c.in
	if in.inflater != nil && !in.busy {
		c.a.inflaters.Put(in.inflater)
		in.inflater, in.rest = nil, nil
	}
}
