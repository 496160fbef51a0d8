package http2

import (
	"rickhouse/internal/exchange"
	"rickhouse/internal/front"
	semantics "rickhouse/internal/wire/http1"
	wire "rickhouse/internal/wire/http2"
)

// data takes a DATA frame.
func (c *conn) data(h wire.Header, p []byte) *wire.Error {
	if c.recv -= int64(h.Length); c.recv < 0 {
		return &wire.Error{Code: wire.FlowControlError, Reason: "there is more content than the connection takes"}
	}
	content, err := h.Unpad(p)
	if err != nil {
		return err
	}
	s := c.streams[h.Stream]
	if s == nil || s.remoteEnded {
		c.consumed(h.Length)
		return c.stray(h, s)
	}
	c.consumed(h.Length - len(content))
	end := h.Has(wire.EndStream)
	if len(content) == 0 && !end {
		if err := c.control(); err != nil {
			return err
		}
	}
	if s.recv -= int64(h.Length); s.recv < 0 {
		c.consumed(len(content))
		return &wire.Error{Code: wire.FlowControlError, Stream: s.id, Reason: "there is more content than the stream takes"}
	}
	if s.left >= 0 {
		if s.left -= int64(len(content)); s.left < 0 {
			c.consumed(len(content))
			return &wire.Error{Code: wire.ProtocolError, Stream: s.id, Reason: "the content is longer than its Content-Length"}
		}
	}
	s.arrived(content)
	if end && !s.dead {
		return s.ended()
	}
	return nil
}

// stray is about content of a stream that takes none.
func (c *conn) stray(h wire.Header, s *stream) *wire.Error {
	switch {
	case s == nil && c.isIdle(h.Stream):
		return protocolError("there is content on a stream that does not exist")
	case s == nil && c.cut.has(h.Stream):
		return c.control() // it was under way when the stream was reset
	}
	return &wire.Error{Code: wire.StreamClosed, Stream: h.Stream, Reason: "there is content on a stream that had ended"}
}

// consumed notes that n octets of content are out of the way.
func (c *conn) consumed(n int) {
	c.owed += int64(n)
	if c.owed >= int64(c.own.Window)/4 && c.state == serving {
		c.out = wire.AppendWindowUpdate(c.out, 0, c.owed)
		c.recv += c.owed
		c.owed = 0
	}
}

// arrived takes content in: what is demanded goes straight to the Server.
func (s *stream) arrived(p []byte) {
	c := s.c
	if len(p) == 0 {
		return
	}
	c.controls.earn(1)
	s.taking.Progress(len(p), c.d.l.Now(), &s.settings.Config)
	if s.state != held || s.done && !s.mayTunnel() {
		c.consumed(len(p))
		return
	}
	if s.buffered() == 0 && !s.done && s.demand > 0 {
		n := min(int64(len(p)), s.demand)
		s.content(p[:n])
		p = p[n:]
	}
	switch {
	case len(p) == 0:
	case s.state != held || s.dead || s.done && !s.mayTunnel():
		c.consumed(len(p))
		return
	default:
		s.buffer(p)
	}
	c.list(s)
}

// buffer keeps content that was not demanded yet.
func (s *stream) buffer(p []byte) {
	switch {
	case s.in == nil:
		s.in = s.c.d.small.get()
	case len(s.in)+len(p) > cap(s.in) && s.at > 0:
		n := copy(s.in, s.in[s.at:])
		s.in, s.at = s.in[:n], 0
	}
	s.in = append(s.in, p...)
}

// mayTunnel reports whether content that comes may be what a tunnel carries.
func (s *stream) mayTunnel() bool {
	return !s.x.HeadSent && (s.x.Request.Upgrade != nil || s.x.Request.Form == exchange.AuthorityForm)
}

// ended is told that the client has finished the stream.
func (s *stream) ended() *wire.Error {
	s.remoteEnded = true
	if s.left > 0 {
		return &wire.Error{Code: wire.ProtocolError, Stream: s.id, Reason: "the content is shorter than its Content-Length"}
	}
	s.c.list(s)
	return nil
}

// content gives the Server what it has demanded.
func (s *stream) content(p []byte) {
	s.demand -= int64(len(p))
	s.c.consumed(len(p))
	if err := s.settings.Deliver(&s.x, p, s.Framing); err != nil {
		s.contentFailed(err)
	}
}

// deliver gives the Server what has come, and its end.
func (s *stream) deliver() {
	for s.state == held && !s.dead && !s.done {
		n := min(int64(s.buffered()), s.demand)
		if n > 0 {
			p := s.in[s.at : s.at+int(n)]
			s.at += int(n)
			s.content(p)
			continue
		}
		if s.buffered() == 0 {
			s.c.d.small.put(s.in)
			s.in, s.at = nil, 0
			if s.remoteEnded {
				s.done = true
				if s.x.Server != nil {
					s.x.Server.ContentEnd(&s.x, nil)
				}
			}
		}
		return
	}
}

// contentFailed tells the Server that the content will not be whole. What still
// comes goes nowhere.
func (s *stream) contentFailed(err *exchange.Error) {
	s.c.consumed(s.buffered())
	s.at = len(s.in)
	s.done, s.demand = true, 0
	s.c.d.counters.Refused++
	s.logRefusal(err)
	if s.x.Server != nil {
		s.x.Server.ContentEnd(&s.x, err)
	}
}

// Demand implements exchange.Client.
func (s *stream) Demand(x *exchange.Exchange, n int) {
	if !s.holding(x) || s.done && s.Framing != tunnel || n <= 0 {
		return
	}
	s.demand = front.More(s.demand, n)
	if !s.demanded && s.expect && !x.HeadSent && s.buffered() == 0 && !s.remoteEnded && !s.dead {
		s.c.putContinue(s)
	}
	s.demanded, s.expect = true, false
	s.c.list(s)
}

// grant opens the client's window: for what is demanded, and for some more, so
// that the client need not wait for each demand.
func (s *stream) grant() {
	if s.remoteEnded || s.done {
		return
	}
	n := min(s.demand, wire.MaxWindow-wire.InitialWindow) + wire.InitialWindow - s.recv - int64(s.buffered())
	if s.left >= 0 {
		n = min(n, s.left-s.recv)
	}
	if n >= wire.InitialWindow/2 || n > 0 && s.recv < wire.InitialWindow/4 {
		s.c.out = wire.AppendWindowUpdate(s.c.out, s.id, n)
		s.recv += n
		s.c.touch()
	}
}

// watch starts and stops the clocks of a client that is being waited for.
func (s *stream) watch() {
	c := s.c
	now, cfg := c.d.l.Now(), &s.settings.Config
	if !s.done && !s.remoteEnded && s.demand > 0 && s.buffered() == 0 && s.Framing != semantics.Tunnel && c.recv > 0 {
		s.taking.MaxPause = s.x.Route.MaxPause
		s.taking.Wait(now, cfg)
		c.armFor(s.taking.By())
	} else {
		s.taking.Pause(now)
	}
}
