package http1

import "bytes"

// preface is what a client that speaks HTTP/2 sends first (RFC 9113 §3.4).
const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// prefaced reports whether the first octets of a connection, in, are the whole
// preface of HTTP/2 and more, or part of it.
func prefaced(in []byte) (whole, part bool) {
	if len(in) < len(preface) {
		return false, bytes.HasPrefix([]byte(preface), in)
	}
	return string(in[:len(preface)]) == preface, false
}

// handOff gives the connection, on which nothing was served, to another front. It
// still counts as open.
func (c *conn) handOff(to func(d *Door, h Handoff)) {
	d, w := c.d, c.w
	c.link.Unlink()
	d.counters.Idle--
	d.l.StopTimer(&c.timer)
	c.state, c.w = closed, nil
	h := Handoff{
		Stream: c.s, Remote: c.peer.AddrPort(), Origin: c.o.Origin, Handler: c.o.handler,
		TLS: c.tls, Gate: &c.o.gate.Gate, Closed: c.o.gate.closed,
	}
	if w == nil {
		to(d, h)
		return
	}
	h.Read = w.in
	to(d, h)
	d.give(w)
}
