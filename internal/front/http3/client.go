package http3

import (
	"net/http"
	"os"
	"time"

	"rickhouse/internal/exchange"
	"rickhouse/internal/front"
	semantics "rickhouse/internal/wire/http1"
)

var _ exchange.Client = (*stream)(nil)

// holds reports whether x is the Exchange that the Server holds: whoever calls too
// late changes nothing.
func (s *stream) holds(x *exchange.Exchange) bool {
	if s.state == held && x == &s.x {
		return true
	}
	front.Nobody{Log: s.f.parts.Log}.Late()
	return false
}

// Head implements exchange.Client.
func (s *stream) Head(x *exchange.Exchange) {
	switch {
	case !s.holds(x):
	case x.HeadSent:
		s.broke(front.ErrTwoHeads)
	case x.Response.Status >= 100 && x.Response.Status < 200 && x.Response.Status != http.StatusSwitchingProtocols:
		s.interim(x)
	case s.dead:
		x.HeadSent, s.Swallow = true, true
	default:
		s.final(x)
	}
}

// interim sends a 1xx.
func (s *stream) interim(x *exchange.Exchange) {
	if s.dead {
		return
	}
	if _, err := s.fields(&x.Response); err != nil {
		s.broke(err)
		return
	}
	if x.Response.Status == http.StatusContinue {
		s.expect = false
	}
	s.inform(x.Response.Status)
}

// inform sends an interim head. A client that lets nothing be sent to it may hold
// this up for no longer than min_rate_grace.
func (s *stream) inform(status int) {
	_ = s.w.SetWriteDeadline(time.Now().Add(s.settings.MinRateGrace))
	s.w.WriteHeader(status)
	clear(s.w.Header())
}

// final takes the final head, or 500 in place of one that cannot be sent.
func (s *stream) final(x *exchange.Exchange) {
	var framing semantics.Framing
	var err error
	if x.Response.Status == http.StatusSwitchingProtocols && (x.Request.Upgrade == nil || !s.done) {
		err = front.ErrNoUpgrade
	} else {
		framing, err = s.fields(&x.Response)
	}
	if err != nil {
		s.broke(err)
		s.standIn(http.StatusInternalServerError, err)
		return
	}
	s.Begin(x, framing)
	status := x.Response.Status
	if framing == semantics.Tunnel {
		s.done, s.demanded = false, true
		if status == http.StatusSwitchingProtocols {
			status = http.StatusOK // RFC 9220 §3
		}
	}
	s.w.WriteHeader(status)
	s.unflushed = true
}

// standIn answers in place of what could not be answered; what the Server sends
// then goes nowhere.
func (s *stream) standIn(status int, err error) {
	x := &s.x
	text := front.StandIn(x, status, err)
	// Nothing in this head can be refused.
	framing, _ := s.fields(&x.Response)
	s.w.WriteHeader(status)
	s.unflushed = true
	if framing == semantics.ByLength {
		s.put(text)
		x.Stats.ContentOut += int64(len(text))
	}
	s.Replace(x, framing)
}

// allowed returns how much of n octets of content may go out, and logs once if
// that is less.
func (s *stream) allowed(x *exchange.Exchange, n int64) int64 {
	n, err := s.Take(x, n)
	if err != nil {
		s.broke(err)
	}
	if !x.HeadSent {
		s.standIn(http.StatusInternalServerError, err)
	}
	return n
}

// Data implements exchange.Client.
func (s *stream) Data(x *exchange.Exchange, p []byte) {
	if !s.holds(x) || len(p) == 0 {
		return
	}
	n := s.allowed(x, int64(len(p)))
	if s.dead {
		n = 0
	}
	s.drained += int64(len(p)) - n
	if n > 0 {
		s.undrained += n
		s.put(p[:n])
	}
}

// File implements exchange.Client.
func (s *stream) File(x *exchange.Exchange, f *os.File, offset, length int64) {
	held := s.holds(x)
	if held && length > 0 {
		length = s.allowed(x, length)
	}
	switch {
	case !held:
		_ = f.Close()
	case length <= 0 || s.dead:
		_ = f.Close()
		s.drained += exchange.FileCost
	case len(s.queue) >= maxPieces:
		_ = f.Close()
		s.lost(front.ErrManyPieces)
	default:
		s.queue = append(s.queue, part{file: f, off: offset, left: length})
	}
}

// End implements exchange.Client.
func (s *stream) End(x *exchange.Exchange) {
	if !s.holds(x) {
		return
	}
	if s.dead {
		s.finish()
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
		s.abandoned = true
	case !s.Swallow:
		// Always: gRPC needs them.
		s.trailers(x.Response.Trailers)
	}
	s.state = ending
}

// Abort implements exchange.Client.
func (s *stream) Abort(x *exchange.Exchange, cause error) {
	if !s.holds(x) {
		return
	}
	if !s.dead || x.Stats.Err == nil {
		x.Stats.Err = cause
	}
	s.cut = true
	s.drop()
	s.finish()
}

// broke notes what the Server did wrong.
func (s *stream) broke(err error) {
	front.Broke(s.f.parts.Log, &s.x, err)
}
