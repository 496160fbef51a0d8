package http2

import (
	wire "rickhouse/internal/wire/http2"
)

// frame takes one frame, or the preface, or a header that nothing good can follow.
func (c *conn) frame(p []byte) {
	if !c.prefaced {
		c.prefaced = true
		if string(p) != wire.Preface {
			c.mistake(&wire.Error{Code: wire.ProtocolError, Reason: "the connection does not begin with the preface"})
		}
		return
	}
	h := wire.ParseHeader(p)
	err := h.Check()
	if err == nil {
		err = c.dispatch(h, p[wire.HeaderSize:])
	}
	if c.block.stream == 0 {
		c.headBy = 0
	}
	if err != nil {
		c.mistake(err)
	}
}

func (c *conn) dispatch(h wire.Header, p []byte) *wire.Error {
	switch {
	case c.block.stream != 0 && (h.Type != wire.Continuation || h.Stream != c.block.stream):
		return protocolError("a head is interrupted by another frame")
	case !c.settled && (h.Type != wire.Settings || h.Has(wire.Ack)):
		return protocolError("the first frame is not SETTINGS")
	}
	switch h.Type {
	case wire.Data:
		return c.data(h, p)
	case wire.Headers:
		return c.headers(h, p)
	case wire.Continuation:
		return c.continuation(h, p)
	case wire.Reset:
		return c.clientReset(h, p)
	case wire.Settings:
		return c.settings(h, p)
	case wire.Ping:
		return c.ping(h, p)
	case wire.WindowUpdate:
		return c.windowUpdate(h, p)
	case wire.Priority:
		if err := c.control(); err != nil {
			return err
		}
		return h.CheckPriority(p)
	}
	return c.control() // GOAWAY, and what we do not know
}

func protocolError(reason string) *wire.Error {
	return &wire.Error{Code: wire.ProtocolError, Reason: reason}
}

// control counts a frame that carries nothing.
func (c *conn) control() *wire.Error {
	if c.controls.spend(c.d.l.Now()) {
		return nil
	}
	return &wire.Error{Code: wire.EnhanceYourCalm, Reason: "there are too many frames that carry nothing (http2_max_controls)"}
}

// resetBy counts a stream that was reset by the client or for its mistake.
func (c *conn) resetBy() *wire.Error {
	if c.resets.spend(c.d.l.Now()) {
		return nil
	}
	return &wire.Error{Code: wire.EnhanceYourCalm, Reason: "too many streams are reset (http2_max_resets)"}
}

func (c *conn) settings(h wire.Header, p []byte) *wire.Error {
	if err := c.control(); err != nil {
		return err
	}
	if h.Has(wire.Ack) {
		c.acked = true
		c.handshakeBy = 0
		return nil
	}
	c.settled = true
	for len(p) > 0 {
		var s wire.Setting
		var value uint32
		var err *wire.Error
		if s, value, p, err = wire.NextSetting(p); err != nil {
			return err
		}
		switch s {
		case wire.InitialWindowSize:
			if err := c.resize(int64(value)); err != nil {
				return err
			}
		case wire.HeaderTableSize:
			c.noTable = c.noTable || value < tableSize
		}
	}
	c.out = wire.AppendSettingsAck(c.out)
	return nil
}

// resize changes the window that streams start with, and that of those there are
// (RFC 9113 §6.9.2).
func (c *conn) resize(initial int64) *wire.Error {
	change := initial - c.initial
	c.initial = initial
	for _, s := range c.streams {
		s.window += change
		if s.window > wire.MaxWindow {
			return &wire.Error{Code: wire.FlowControlError, Reason: "a setting makes a window too large"}
		}
		c.offer(s)
	}
	return nil
}

func (c *conn) ping(h wire.Header, p []byte) *wire.Error {
	if err := c.control(); err != nil {
		return err
	}
	if h.Has(wire.Ack) {
		if string(p) == drainPing {
			c.drainBy = c.d.l.Now()
		}
		return nil
	}
	c.out = wire.AppendPing(c.out, wire.Ack, p)
	return nil
}

func (c *conn) windowUpdate(h wire.Header, p []byte) *wire.Error {
	if err := c.control(); err != nil {
		return err
	}
	s := c.streams[h.Stream]
	if s == nil && h.Stream != 0 && c.isIdle(h.Stream) {
		return protocolError("a window is opened of a stream that does not exist")
	}
	n, err := h.Increment(p)
	switch {
	case err != nil && s == nil && h.Stream != 0:
		return nil // the stream is closed
	case err != nil:
		return err
	case h.Stream == 0:
		if c.window += n; c.window > wire.MaxWindow {
			return &wire.Error{Code: wire.FlowControlError, Reason: "the window of the connection is too large"}
		}
	case s != nil:
		if s.window += n; s.window > wire.MaxWindow {
			return &wire.Error{Code: wire.FlowControlError, Stream: s.id, Reason: "the window of a stream is too large"}
		}
		c.offer(s)
	}
	return nil
}

// isIdle reports whether the client has not opened that stream.
func (c *conn) isIdle(id uint32) bool { return id%2 == 0 || id > c.last }

func (c *conn) clientReset(h wire.Header, p []byte) *wire.Error {
	s := c.streams[h.Stream]
	switch {
	case s == nil && c.isIdle(h.Stream):
		return protocolError("a stream is reset that does not exist")
	case s == nil:
		return c.control()
	}
	c.d.counters.Resets++
	s.lost(clientReset{wire.ParseCode(p)})
	return c.resetBy()
}

// mistake ends what a mistake of the client's calls for: a stream, or everything.
func (c *conn) mistake(err *wire.Error) {
	if err.Stream == 0 {
		c.fail(err)
		return
	}
	c.reset(err.Stream, err.Code)
	if s := c.streams[err.Stream]; s != nil {
		c.logMistake(err)
		s.lost(streamError{err})
	}
	if err := c.resetBy(); err != nil {
		c.fail(err)
	}
}

// reset sends RST_STREAM.
func (c *conn) reset(id uint32, code wire.Code) {
	c.out = wire.AppendReset(c.out, id, code)
	c.cut.push(id)
}

func (c *conn) logMistake(err *wire.Error) {
	c.d.counters.Refused++
	c.d.f.parts.Log.Info("refused what a client sent over HTTP/2", "reason", err.Error(), "stream", err.Stream,
		"client", c.peer.String())
}
