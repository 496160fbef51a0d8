package http2

import (
	"rickhouse/internal/exchange"
	"rickhouse/internal/front"
	wire "rickhouse/internal/wire/http2"
)

// phase is where a stream is.
type phase uint8

const (
	ending phase = iota // the Exchange is ended, its answer on the way
	held                // the Server holds the Exchange
	over                // nothing is left to do
)

// stream is one request and its answer. Streams are used again: everything in
// them is either reset or overwritten.
type stream struct {
	x        exchange.Exchange
	settings *Settings // those that the request began with
	extra    []exchange.Field
	head     *front.Head
	c        *conn
	id       uint32

	state  phase
	listed bool  // among c.todo
	dead   bool  // the stream is closed; the Server still holds the Exchange
	gone   error // what Server.Gone is to be told
	marks  int   // how many of c.marks are the stream's

	body
	answer
	addr [64]byte // a forwarded address in text
}

// body is the state of request content.
type body struct {
	in          []byte // octets that were not demanded yet are in[at:]
	at          int
	left        int64 // octets to come by Content-Length; -1 where it is not known
	recv        int64 // octets the client may send
	demand      int64 // octets the Server takes
	demanded    bool  // Demand has been called
	expect      bool  // the client waits for 100
	done        bool  // ContentEnd was called, or there is nothing to come
	remoteEnded bool  // the client has finished the stream
	taking      front.Pace
}

// answer is the state of the response.
type answer struct {
	front.Answer
	finished  bool // the Server has ended the answer
	queue     queue
	ready     bool  // among c.ready
	window    int64 // octets the client takes
	lastFrame int64 // where the header of the last frame is, in what c sends
	undrained int64 // octets of Data that the Server does not know to have left
	drained   int64 // octets that it is to be told of
	giving    front.Pace
}

// take lends a stream for a request that goes by settings.
func (d *Door) take(c *conn, settings *Settings) *stream {
	var s *stream
	if n := len(d.spare); n > 0 {
		s = d.spare[n-1]
		d.spare[n-1] = nil
		d.spare = d.spare[:n-1]
	} else {
		s = &stream{head: front.NewHead(&settings.Limits)}
		s.x.Executor = d.l
		s.x.Reset()
	}
	s.c, s.settings, s.lastFrame = c, settings, -1
	s.x.Pages = settings.Pages
	s.head.SetLimits(&settings.Limits)
	return s
}

// give takes a stream back with which everybody is done.
func (d *Door) give(s *stream) {
	s.queue.drop()
	s.x.Reset()
	s.x.Client = d.nobody
	s.c, s.id, s.state, s.dead, s.gone, s.extra = nil, 0, ending, false, nil, nil
	s.body = body{}
	s.answer = answer{queue: s.queue}
	if len(d.spare) < maxSpare {
		d.spare = append(d.spare, s)
	}
}

// release gives s back if nobody has to do with it any more.
func (s *stream) release() {
	if s.state == over && s.marks == 0 && !s.listed {
		s.c.d.give(s)
	}
}

// buffered is how much content waits to be demanded.
func (s *stream) buffered() int { return len(s.in) - s.at }

// attend tells the Server what there is to be told.
func (s *stream) attend() {
	if s.state == held && !s.dead {
		s.deliver()
	}
	if n := int(s.drained); n > 0 && s.state == held && !s.dead {
		s.drained = 0
		if s.x.Server != nil {
			s.x.Server.Drained(&s.x, n)
		}
	}
	if s.state == held && s.dead {
		s.tellGone()
	}
	if s.state == held && !s.dead {
		s.grant()
		s.watch()
	}
	s.release()
}

// tellGone tells the Server that nobody waits any more.
func (s *stream) tellGone() {
	cause := s.gone
	if cause == nil {
		return
	}
	s.gone = nil
	front.TellGone(&s.x, cause)
}

// lost ends a stream that is closed, or has to be, before its answer is out. A
// Server that holds the Exchange is told at the end of the turn.
func (s *stream) lost(cause error) {
	c := s.c
	delete(c.streams, s.id)
	s.dead = true
	s.x.Canceled = true
	s.queue.drop()
	switch s.state {
	case held:
		c.orphans++
		s.gone = cause
		c.list(s)
	case ending:
		if s.x.Stats.Err == nil {
			s.x.Stats.Err = cause
		}
		c.d.counters.Broken++
		s.observe()
	}
}

// buried ends the Exchange of a stream that was lost.
func (s *stream) buried() {
	c := s.c
	c.orphans--
	c.d.counters.Broken++
	if s.x.Stats.Err == nil {
		s.x.Stats.Err = exchange.ErrClientGone
	}
	s.gone = nil
	s.observe()
	c.touch()
}

// observe is called once for each Exchange, at its end.
func (s *stream) observe() {
	d := s.c.d
	s.state = over
	s.c.consumed(s.buffered())
	s.at = len(s.in)
	s.x.Stats.Finished = d.l.Now()
	if d.f.parts.Observe != nil {
		d.f.parts.Observe(&s.x)
	}
	s.release()
}

// cutOff resets a stream whose answer cannot be whole, its Exchange being ended.
func (s *stream) cutOff(code wire.Code) {
	c := s.c
	c.reset(s.id, code)
	delete(c.streams, s.id)
	s.queue.drop()
	s.state = ending
	c.d.counters.Broken++
	c.mark(s, 0, true)
	c.touch()
}

// failed resets a stream because its answer cannot be had, or not be delivered.
func (s *stream) failed(code wire.Code, cause error) {
	s.c.reset(s.id, code)
	s.lost(cause)
}

// refuse answers a request that broke a rule.
func (s *stream) refuse(err *exchange.Error) {
	c := s.c
	s.state = ending
	c.d.counters.Refused++
	s.standIn(err.Status, err)
	s.logRefusal(err)
	s.finish()
}

func (s *stream) logRefusal(err *exchange.Error) {
	c := s.c
	front.LogRefusal(c.d.f.parts.Log, c.peer.String(), &s.x.Request, err)
}
