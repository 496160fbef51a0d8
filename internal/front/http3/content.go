package http3

import (
	"errors"
	"io"
	"net/http"

	"rickhouse/internal/exchange"
	"rickhouse/internal/front"
)

// body is the state of request content.
type body struct {
	left     int64 // octets to come by Content-Length; negative where it is not known
	demand   int64 // octets the Server takes
	demanded bool  // Demand has been called
	expect   bool  // the client waits for 100
	done     bool  // ContentEnd was called, or there is nothing to come
	wanted   chan int
	reading  bool // a read is under way
	waiting  bool // content has come that was not demanded
	pace     front.Pace
}

// piece is request content on its way to the goroutine of its request.
type piece struct {
	s   *stream
	b   []byte
	err error
}

// Run implements exchange.Task.
func (p *piece) Run() { p.s.fetched(p) }

// fetch has a piece of content read, if there may be one to deliver. Where nothing
// is demanded an empty read tells the end of the content, and touches nothing
// else.
func (s *stream) fetch() {
	if s.done || s.reading || s.waiting && s.demand == 0 || !s.demanded && s.expect {
		return
	}
	if s.wanted == nil {
		s.wanted = make(chan int, 1)
		go s.read(s.wanted)
	}
	s.reading = true
	s.wanted <- int(min(s.demand, bulkSize))
}

// read is the goroutine that reads content.
func (s *stream) read(wanted <-chan int) {
	room := s.f.bulk.Get().(*[]byte)
	defer s.f.bulk.Put(room)
	p := &piece{s: s}
	from := s.r.Body
	for n := range wanted {
		k, err := from.Read((*room)[:n])
		for range emptyFrames {
			if k > 0 || err != nil {
				break
			}
			k, err = from.Read((*room)[:n])
		}
		p.b, p.err = (*room)[:k], err
		s.Post(p)
	}
}

// emptyFrames is how many DATA frames without content a client may send in a row
// and still be told, by an empty read, from one whose content waits.
const emptyFrames = 8

// stopReading ends that goroutine; quic-go ends a read that is under way.
func (s *stream) stopReading() {
	if s.wanted != nil {
		close(s.wanted)
	}
}

// fetched takes what was read.
func (s *stream) fetched(p *piece) {
	s.reading = false
	if s.state != held || s.dead || s.done {
		return
	}
	s.waiting = len(p.b) == 0 && p.err == nil
	if len(p.b) > 0 {
		s.content(p.b)
	}
	switch {
	case s.state != held || s.done || p.err == nil:
	case errors.Is(p.err, io.EOF):
		s.contentEnd()
	default:
		err := front.CutContent()
		err.Err = front.ClientGone{Err: p.err}
		s.contentFailed(err)
	}
}

// content delivers p.
func (s *stream) content(p []byte) {
	s.demand -= int64(len(p))
	s.body.pace.Progress(len(p), s.time, &s.settings.Config)
	if err := s.settings.Deliver(&s.x, p, s.Framing); err != nil {
		s.contentFailed(err)
	}
}

// contentEnd tells the Server that the content is whole.
func (s *stream) contentEnd() {
	if s.Framing != tunnel && len(s.r.Trailer) > 0 {
		s.head.BeginTrailers()
		s.addFields(s.r.Trailer)
		if err := s.head.EndTrailers(); err != nil {
			s.contentFailed(err)
			return
		}
	}
	s.done = true
	if s.x.Server != nil {
		s.x.Server.ContentEnd(&s.x, nil)
	}
}

// contentFailed tells the Server that the content will not be whole.
func (s *stream) contentFailed(err *exchange.Error) {
	s.done, s.demand = true, 0
	s.refused(err)
	if s.x.Server != nil {
		s.x.Server.ContentEnd(&s.x, err)
	}
}

// Demand implements exchange.Client.
func (s *stream) Demand(x *exchange.Exchange, n int) {
	if !s.holds(x) || s.done || n <= 0 {
		return
	}
	s.demand = front.More(s.demand, n)
	if !s.demanded && s.expect && !x.HeadSent && !s.dead {
		s.inform(http.StatusContinue)
	}
	s.demanded, s.expect = true, false
}
