package http2

import (
	"rickhouse/internal/exchange"
	"rickhouse/internal/front"
	wire "rickhouse/internal/wire/http2"
)

// headers takes the first part of a head.
func (c *conn) headers(h wire.Header, p []byte) *wire.Error {
	fragment, err := h.Unpad(p)
	switch {
	case err != nil && err.Stream == 0:
		return err
	case h.Stream%2 == 0:
		return protocolError("a client opens a stream of an even number")
	}
	c.block.stream, c.block.frames, c.block.settings = h.Stream, 0, c.d.settings
	c.block.endStream, c.block.err = h.Has(wire.EndStream), err
	return c.fragment(fragment, h.Has(wire.EndHeaders))
}

// continuation takes another part.
func (c *conn) continuation(h wire.Header, p []byte) *wire.Error {
	if c.block.stream == 0 {
		return protocolError("there is a CONTINUATION of nothing")
	}
	if c.block.frames++; c.block.frames > c.own.MaxContinuations {
		return &wire.Error{Code: wire.EnhanceYourCalm, Reason: "a head comes in too many frames (http2_max_continuations)"}
	}
	return c.fragment(p, h.Has(wire.EndHeaders))
}

// fragment takes octets of a head, and the head if that was all.
func (c *conn) fragment(p []byte, end bool) *wire.Error {
	b := &c.block
	switch {
	case len(b.buf)+len(p) > b.settings.maxBlock():
		return &wire.Error{Code: wire.EnhanceYourCalm, Reason: "a head is far larger than max_head"}
	case !end:
		if b.buf == nil {
			b.buf = c.d.small.get()
		}
		b.buf = append(b.buf, p...)
		return nil
	case len(b.buf) > 0:
		b.buf = append(b.buf, p...)
		p = b.buf
	}
	err := c.head(p)
	c.d.small.put(b.buf)
	c.block = block{}
	return err
}

// head takes a whole head, or whole trailers. The table of fields must see it even
// if nobody else does.
func (c *conn) head(p []byte) *wire.Error {
	b := &c.block
	s := c.streams[b.stream]
	switch {
	case s != nil:
		return c.trailers(s, p)
	case b.stream <= c.last:
		if err := c.decode(p, nil); err != nil || c.cut.has(b.stream) {
			return err
		}
		return &wire.Error{Code: wire.StreamClosed, Reason: "there is a head on a closed stream"}
	}
	c.last = b.stream
	switch {
	case c.going == gone:
		return c.decode(p, nil)
	case len(c.streams)+c.orphans >= c.own.MaxStreams:
		return c.refuseStream(p)
	}
	s = c.d.take(c, b.settings)
	s.id = b.stream
	s.head.Begin(&s.x.Request)
	if err := c.decode(p, s.head); err != nil {
		c.d.give(s)
		return err
	}
	c.begin(s)
	return nil
}

// decode decodes a head into to.
func (c *conn) decode(p []byte, to *front.Head) *wire.Error {
	c.adding = to
	c.decoder.SetMaxStringLength(c.block.settings.maxBlock())
	c.decoder.SetEmitEnabled(to != nil)
	_, err := c.decoder.Write(p)
	if err == nil {
		err = c.decoder.Close()
	}
	c.adding = nil
	if err != nil {
		return &wire.Error{Code: wire.CompressionError, Reason: "a head cannot be decoded: " + err.Error()}
	}
	return nil
}

// refuseStream refuses a stream that is one too many: nothing was done for it, so
// the client may send it again (RFC 9113 §8.7).
func (c *conn) refuseStream(p []byte) *wire.Error {
	if err := c.decode(p, nil); err != nil {
		return err
	}
	c.reset(c.block.stream, wire.RefusedStream)
	return c.resetBy()
}

// trailers takes what comes after content.
func (c *conn) trailers(s *stream, p []byte) *wire.Error {
	if s.remoteEnded {
		if err := c.decode(p, nil); err != nil {
			return err
		}
		return &wire.Error{Code: wire.StreamClosed, Stream: s.id, Reason: "there is a head on a stream that had ended"}
	}
	if s.Framing == tunnel || s.state != held {
		if err := c.decode(p, nil); err != nil || !c.block.endStream {
			return err
		}
		return s.ended()
	}
	s.head.BeginTrailers()
	if err := c.decode(p, s.head); err != nil {
		return err
	}
	switch err := s.head.EndTrailers(); {
	case err != nil:
		return &wire.Error{Code: wire.ProtocolError, Stream: s.id, Reason: err.Reason}
	case !c.block.endStream:
		return &wire.Error{Code: wire.ProtocolError, Stream: s.id, Reason: "content goes on after the trailers"}
	}
	return s.ended()
}

// begin hands the request of a new stream on.
func (c *conn) begin(s *stream) {
	b := &c.block
	x := &s.x
	x.Client = s
	x.Stats.Received = c.d.l.Now()
	c.streams[s.id] = s
	c.idleBy = 0
	s.window, s.recv = c.initial, wire.InitialWindow
	s.remoteEnded = b.endStream
	err := s.head.End(exchange.HTTP2, b.endStream)
	c.o.Identify(&x.Request)
	x.Request.TLS = c.tls
	if c.o.Listen.TLS && c.gate != nil {
		s.extra = c.gate.Extra
	}
	c.peer.Identify(&x.Request)
	mistake := b.err
	if mistake == nil && err != nil && err.Err != nil {
		mistake = &wire.Error{Code: wire.ProtocolError, Stream: s.id, Reason: err.Reason}
	}
	if mistake != nil {
		s.state = ending
		c.mistake(mistake)
		return
	}
	c.requests++
	c.controls.earn(2)
	s.settings.Proxies.Apply(&x.Request, c.o.Unix, s.addr[:0])
	s.left, s.done = x.Request.ContentLength, true
	switch {
	case x.Request.Upgrade != nil || x.Request.Form == exchange.AuthorityForm:
		s.left = -1
	case !b.endStream && s.left != 0:
		x.HasContent, s.done = true, false
	}
	if most := s.settings.MostBody(); err == nil && x.Request.ContentLength > int64(most) {
		err = front.TooLarge(most)
	}
	if err != nil {
		s.refuse(err)
		return
	}
	s.expect = s.head.Expect
	s.state = held
	c.d.counters.Requests++
	if limit := s.settings.KeepaliveRequests; limit > 0 && c.requests >= limit {
		c.drain()
	}
	c.handler.Serve(x)
}
