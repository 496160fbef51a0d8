package http2

import (
	"net/http"
	"os"

	"rickhouse/internal/exchange"
	"rickhouse/internal/front"
	semantics "rickhouse/internal/wire/http1"
	wire "rickhouse/internal/wire/http2"
)

var _ exchange.Client = (*stream)(nil)

// holding reports whether x is the Exchange that the Server holds: whoever calls
// too late reaches nobody else's answer.
func (s *stream) holding(x *exchange.Exchange) bool {
	if s.state != held || x != &s.x {
		// The stream may be in no use, and know no connection.
		if s.c != nil {
			front.Nobody{Log: s.c.d.f.parts.Log}.Late()
		}
		return false
	}
	return true
}

// Head implements exchange.Client.
func (s *stream) Head(x *exchange.Exchange) {
	status := x.Response.Status
	switch {
	case !s.holding(x):
	case x.HeadSent:
		s.broke(front.ErrTwoHeads)
	case status >= 100 && status < 200 && status != http.StatusSwitchingProtocols:
		s.interim()
	case s.dead:
		x.HeadSent, s.Swallow = true, true
	default:
		s.final()
		s.c.touch()
	}
}

// interim sends a 1xx.
func (s *stream) interim() {
	if s.dead {
		return
	}
	if _, err := s.sendHead(); err != nil {
		s.broke(err)
		return
	}
	if s.x.Response.Status == http.StatusContinue {
		s.expect = false
	}
	s.c.touch()
}

// final sends the head, or 500 in place of one that cannot be sent.
func (s *stream) final() {
	x := &s.x
	var framing semantics.Framing
	var err error
	if x.Response.Status == http.StatusSwitchingProtocols && x.Request.Upgrade == nil {
		err = front.ErrNoUpgrade
	} else {
		framing, err = s.sendHead()
	}
	if err != nil {
		s.broke(err)
		s.standIn(http.StatusInternalServerError, err)
		return
	}
	s.Begin(x, framing)
	if framing == semantics.Tunnel {
		s.done, s.demanded = false, true
		s.c.list(s)
	}
}

// sendHead appends the head to what is to be written.
func (s *stream) sendHead() (semantics.Framing, error) {
	c, x := s.c, &s.x
	d := c.d
	r := &d.reply
	r.Head = x.Request.IsHead()
	r.Connect = x.Request.Form == exchange.AuthorityForm
	r.Date, r.Server, r.Extra = d.l.Date(), s.settings.Server, s.extra
	block := d.block[:0]
	if c.noTable {
		block = wire.AppendNoTable(block)
	}
	block, framing, err := appendHead(block, &x.Response, r)
	d.block = block
	if err != nil {
		return framing, err
	}
	c.noTable = false
	c.putHead(s, block)
	return framing, nil
}

// standIn answers in place of what could not be answered; what the Server sends
// then goes nowhere.
func (s *stream) standIn(status int, err error) {
	x := &s.x
	text := front.StandIn(x, status, err)
	// Nothing in this head can be refused.
	framing, _ := s.sendHead()
	if framing == semantics.ByLength {
		s.put(text)
		x.Stats.ContentOut += int64(len(text))
	}
	s.Replace(x, framing)
}

// allowed returns how much of n octets of content may go out, and logs once if
// that is less.
func (s *stream) allowed(n int64) int64 {
	n, err := s.Take(&s.x, n)
	if !s.x.HeadSent && s.dead {
		return 0
	}
	if err != nil {
		s.broke(err)
	}
	if !s.x.HeadSent {
		s.standIn(http.StatusInternalServerError, err)
	}
	return n
}

// Data implements exchange.Client.
func (s *stream) Data(x *exchange.Exchange, p []byte) {
	if !s.holding(x) || len(p) == 0 {
		return
	}
	n := s.allowed(int64(len(p)))
	s.dropped(int64(len(p)) - n) // what goes nowhere holds nobody up
	if n > 0 && !s.dead {
		s.undrained += n
		s.put(p[:n])
	}
	s.c.touch()
}

// File implements exchange.Client.
func (s *stream) File(x *exchange.Exchange, f *os.File, offset, length int64) {
	ok := s.holding(x)
	if ok && length > 0 {
		length = s.allowed(length)
	}
	switch {
	case !ok:
		_ = f.Close()
	case length <= 0 || s.dead:
		_ = f.Close()
		s.dropped(exchange.FileCost)
	case len(s.queue.pieces) >= maxPieces:
		_ = f.Close()
		s.failed(wire.InternalError, front.ErrManyPieces)
	default:
		s.queue.addFile(f, offset, length)
		s.c.offer(s)
	}
}

// End implements exchange.Client.
func (s *stream) End(x *exchange.Exchange) {
	if !s.holding(x) {
		return
	}
	if s.dead {
		s.buried()
		return
	}
	err := s.Over(x)
	if err != nil {
		s.broke(err)
	}
	switch {
	case !x.HeadSent:
		s.standIn(http.StatusInternalServerError, err)
	case err != nil:
		s.cutOff(wire.InternalError)
		return
	}
	s.state = ending
	s.finish()
}

// finish has the stream end once all of the answer is out.
func (s *stream) finish() {
	s.finished = true
	if s.queue.empty() {
		s.c.endStream(s)
	}
	s.c.touch()
}

// Abort implements exchange.Client.
func (s *stream) Abort(x *exchange.Exchange, cause error) {
	switch {
	case !s.holding(x):
		return
	case s.dead:
		x.Stats.Err = cause
		s.buried()
		return
	}
	x.Stats.Err = cause
	if s.Framing == semantics.Tunnel {
		s.cutOff(wire.Cancel)
		return
	}
	s.cutOff(wire.InternalError)
}

// broke notes what the Server did wrong.
func (s *stream) broke(err error) {
	front.Broke(s.c.d.f.parts.Log, &s.x, err)
}
