package python

import (
	"rickhouse/internal/exchange"
	"rickhouse/internal/websocket"
	rfc6455 "rickhouse/internal/wire/websocket"
	wire "rickhouse/internal/wire/worker"
)

// socket is the WebSocket of a job, from the handshake on. Like the job it has
// two halves: conn is touched on the Exchange's Executor, which it never leaves,
// the rest on the App's home loop.
type socket struct {
	app       *App
	near      bool
	executor  exchange.Executor
	handshake *rfc6455.Handshake

	// The client's half.

	conn    *websocket.Conn // once it is accepted
	drained int             // octets not yet told to the home loop (far only)

	// The link's half.

	j        *job // nil once the worker is done with it
	accepted bool // by the application
	open     bool // accepted, and not yet told to have ended
}

// serveWebSocket queues a request for a WebSocket whose handshake is right.
func (j *job) serveWebSocket(x *exchange.Exchange) {
	h, err := rfc6455.ParseHandshake(&x.Request)
	if err != nil {
		j.x, j.finished = nil, true
		websocket.Refuse(x, err)
		j.app.free(j)
		return
	}
	j.ws = &socket{app: j.app, near: j.near, executor: x.Executor, handshake: h, j: j}
	j.submit()
}

// home runs f on the home loop if the worker still has the WebSocket by then,
// client on the Exchange's Executor if it was accepted there. What comes with
// every message does without them where both are the same: a closure would be
// made for each.
func (s *socket) home(f func(j *job)) {
	if !s.near {
		s.app.parts.Loop.Post(exchange.TaskFunc(func() {
			if s.j != nil {
				f(s.j)
			}
		}))
	} else if s.j != nil {
		f(s.j)
	}
}

func (s *socket) client(f func(c *websocket.Conn)) {
	if !s.near {
		s.executor.Post(exchange.TaskFunc(func() {
			if s.conn != nil {
				f(s.conn)
			}
		}))
	} else if s.conn != nil {
		f(s.conn)
	}
}

// close begins the closing handshake.
func (s *socket) close(code int, reason string) {
	s.client(func(c *websocket.Conn) { c.Close(code, reason) })
}

// accept: the application accepts the WebSocket by the HEAD p. From now on the
// Exchange is the Conn's.
func (j *job) accept(h wire.Header, p, content []byte) error {
	s, x := j.ws, j.x
	if h.Flags&(wire.End|wire.IsDone|wire.Length) != 0 || len(content) > 0 {
		return lie("a HEAD that accepts a WebSocket, with content or flags %#x", h.Flags)
	}
	s.accepted, s.open = true, x != nil
	if x == nil {
		return nil
	}
	j.x = nil
	if !j.near {
		p = append([]byte(nil), p...)
	}
	began, draining := j.began, j.app.draining
	accept := func() {
		j.finished = true
		x.Stats.Started = began
		if err := s.begin(h, p, x); err != nil {
			s.Closed(rfc6455.CodeAbnormal, "")
			return
		}
		s.conn.Demand(contentCredit)
		if draining {
			s.conn.Close(rfc6455.CodeGoingAway, "")
		}
	}
	if j.near {
		accept()
	} else {
		x.Executor.Post(exchange.TaskFunc(accept))
	}
	return nil
}

// begin answers 101, or finishes the Exchange with an error.
func (s *socket) begin(h wire.Header, p []byte, x *exchange.Exchange) error {
	if x.Canceled {
		x.Abort(exchange.ErrClientGone)
		return exchange.ErrClientGone
	}
	var res exchange.Response
	if _, err := wire.ParseHead(h, p, &res); err != nil {
		x.Fail(err)
		return err
	}
	subprotocol := ""
	for _, f := range res.Fields {
		if string(f.Name) == "sec-websocket-protocol" {
			subprotocol = string(f.Value)
		}
	}
	conn, err := s.app.acceptor.Accept(x, s.handshake, s, subprotocol, res.Fields)
	if err != nil {
		x.Fail(err)
		return err
	}
	s.conn = conn
	return nil
}

// Message implements websocket.Owner.
func (s *socket) Message(p []byte, text, last bool) {
	if s.near {
		if s.j != nil {
			s.j.message(p, text, last)
		}
		return
	}
	copied := append([]byte(nil), p...)
	s.home(func(j *job) { j.message(copied, text, last) })
}

// message gives the worker a piece of a message.
func (j *job) message(p []byte, text, last bool) {
	if !j.ws.open {
		return
	}
	f := wire.Flags(0)
	if text {
		f |= wire.Text
	}
	if last {
		f |= wire.End
	}
	j.unread += len(p) + websocket.Overhead
	j.m.w.SendFrame(wire.Data, f, j.slot, j.slotGeneration, p)
}

// Drained implements websocket.Owner.
func (s *socket) Drained(n int) {
	if s.near {
		if s.j != nil {
			s.j.credit(n)
		}
		return
	}
	if s.drained += n; s.drained >= wire.MaxContent {
		all := s.drained
		s.drained = 0
		s.home(func(j *job) { j.credit(all) })
	}
}

// Closed implements websocket.Owner.
func (s *socket) Closed(code int, reason string) {
	s.home(func(j *job) {
		s.open = false
		j.progress = s.app.parts.Loop.Now()
		j.m.w.SendClosed(j.slot, j.slotGeneration, uint16(code), reason)
		j.m.sort(j)
	})
}

// send takes a piece of a message from the application.
func (s *socket) send(h wire.Header, p []byte) error {
	j := s.j
	if j.window <= 0 || len(p) > min(j.window, wire.MaxContent) {
		return lie("a piece of a message past the window")
	}
	cost := len(p) + websocket.Overhead
	j.window -= cost
	if !s.open {
		j.credit(cost)
		return nil
	}
	if s.near {
		if s.conn != nil {
			s.conn.Send(p, h.Has(wire.Text), h.Has(wire.End))
		}
		return nil
	}
	copied, text, last := append([]byte(nil), p...), h.Has(wire.Text), h.Has(wire.End)
	s.client(func(c *websocket.Conn) { c.Send(copied, text, last) })
	return nil
}

// closed: the application closes the WebSocket.
func (j *job) closed(p []byte) error {
	if j.ws == nil || !j.ws.accepted || j.ended {
		return lie("a CLOSE out of place")
	}
	c, err := wire.ParseClose(p)
	if err != nil {
		return err
	}
	j.ended = true
	j.ws.close(int(c.Code), string(c.Reason))
	return nil
}

// giveBack: the application has taken n octets of messages.
func (s *socket) giveBack(n int) error {
	j := s.j
	if n > j.unread {
		return lie("a WINDOW of %d, where %d octets are unread", n, j.unread)
	}
	j.unread -= n
	s.client(func(c *websocket.Conn) { c.Demand(n) })
	return nil
}

// leaveWorker is told that the worker has nothing to do with the WebSocket any
// more.
func (s *socket) leaveWorker(code int) {
	s.close(code, "")
	s.j, s.open = nil, false
}

// closeSockets closes the WebSockets that the worker holds.
func (m *member) closeSockets(code int) {
	for j := m.calm.first; j != nil; j = j.next {
		if j.ws != nil && j.ws.open {
			j.ws.close(code, "")
		}
	}
}

// Drain closes the WebSockets: those that are open now, and those that open
// later. Call it on the home loop, at the beginning of a stop.
func (a *App) Drain() {
	a.draining = true
	for _, m := range a.members {
		m.closeSockets(rfc6455.CodeGoingAway)
	}
}
