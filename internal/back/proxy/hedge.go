package proxy

import (
	"errors"
	"net/http"
	"os"

	"rickhouse/internal/exchange"
)

// hedge is a second attempt at a request whose first is slow: a call with an Exchange
// of its own on the same loop, whose Client the hedge is. Whichever call has a final
// head first answers, and the other is given up; the hedge then is the Server of the
// client's Exchange if that was its own. Where one of them fails the other goes on.
type hedge struct {
	x     *exchange.Exchange // the client's; nil once it is none of ours
	first *call              // nil once x is ours alone
	near  exchange.Exchange
}

// mayHedge reports whether the request may be sent to two upstreams: its method is
// safe (RFC 9110 §9.2.1), it has no content, and no connection is to be changed by it.
func (w *call) mayHedge() bool {
	cfg, q := &w.sh.p.cfg, &w.x.Request
	if cfg.HedgeAfter == 0 || w.hedged || w.x.HasContent || w.x.Route.NoRerun {
		return false
	}
	method := string(q.Method)
	return (method == http.MethodGet || method == http.MethodHead) && q.Upgrade == nil
}

// armHedge has the request hedged, unless it is answered in time.
func (w *call) armHedge() {
	if !w.timer.Active() && w.mayHedge() {
		w.sh.l.SetTimer(&w.timer, w.sh.l.Now()+int64(w.sh.p.cfg.HedgeAfter))
	}
}

// hedge sends the request to another peer as well, if there is one, within the budget
// of retries.
func (w *call) hedge() {
	s, x := w.sh, w.x
	w.hedged = true
	if s.draining || !w.another() || !s.spend() {
		return
	}
	h := &hedge{x: x, first: w}
	h.near = exchange.Exchange{Request: x.Request, Route: x.Route, Executor: x.Executor, Client: h}
	h.near.Response.ContentLength = -1
	h.near.Stats.Queued = s.l.Now()
	second := s.newCall()
	second.x, second.idempotent, second.contentEnded, second.hedged = &h.near, true, true, true
	second.tried = append(append(second.tried, w.tried...), w.peer)
	second.attempts = w.attempts
	h.near.Server, w.rival = second, h
	x.Stats.Reruns++
	s.p.log.Info("a request goes to a second upstream", "slow", w.peer.name, "method", string(x.Request.Method), "path", string(x.Request.Path))
	second.start()
}

// another reports whether somebody else could have the request: not one that is left
// alone, nor a backup of who has it.
func (w *call) another() bool {
	c := chooser{sh: w.sh, x: w.x, now: w.sh.l.Now(), tried: append(w.tried, w.peer)}
	for _, p := range *w.sh.p.peers.Load() {
		c.backup = p.backup
		if (!p.backup || w.peer.backup) && c.candidate(p) {
			return true
		}
	}
	return false
}

// spare reports whether w is the second call of a hedge whose first goes on.
func (w *call) spare() bool {
	h, is := w.x.Client.(*hedge)
	return is && h.first != nil
}

// yields ends a call that would have to wait for a connection if it is a spare one,
// and reports that.
func (w *call) yields() bool {
	if !w.spare() {
		return false
	}
	h := w.x.Client.(*hedge)
	w.leave()
	h.failed(nil)
	return true
}

// settled ends a call that has failed where the other one of a hedge goes on, and
// reports that.
func (w *call) settled() bool {
	h := w.rival
	switch {
	case h != nil:
		w.sh.p.tell(w, w.last)
		w.rival = nil
		h.own()
		w.leave()
		return true
	case w.spare():
		w.fail(w.last)
		return true
	}
	return false
}

// own makes x the hedge's.
func (h *hedge) own() {
	h.first = nil
	h.x.Server = h
	h.x.Response.Reset()
	if h.x.Stats.Started == 0 {
		h.x.Stats.Started = h.near.Stats.Started
	}
}

// giveUp ends the second call of w, if there is one.
func (w *call) giveUp() {
	h := w.rival
	if h == nil {
		return
	}
	w.rival, h.x, h.first = nil, nil, nil
	if second, is := h.near.Server.(*call); is && second.x == &h.near {
		second.leave()
	}
}

// failed is told that the second call has ended without an answer.
func (h *hedge) failed(err error) {
	x, first := h.x, h.first
	h.x, h.first = nil, nil
	switch {
	case x == nil:
	case first != nil:
		first.rival = nil
	default:
		x.Fail(err)
	}
}

// Head implements exchange.Client.
func (h *hedge) Head(near *exchange.Exchange) {
	res := &near.Response
	final := res.Status >= 200 || res.Status == http.StatusSwitchingProtocols
	if first := h.first; first != nil {
		if !final {
			return // nobody has won yet
		}
		first.rival = nil
		h.own()
		first.leave()
	}
	near.HeadSent = near.HeadSent || final
	x := h.x
	x.Response.Status, x.Response.Reason, x.Response.ContentLength, x.Response.Whole = res.Status, res.Reason, res.ContentLength, res.Whole
	x.Response.Fields = append(x.Response.Fields[:0], res.Fields...)
	x.Head()
}

// Data implements exchange.Client.
func (h *hedge) Data(_ *exchange.Exchange, p []byte) { h.x.Data(p) }

// File implements exchange.Client.
func (h *hedge) File(_ *exchange.Exchange, f *os.File, offset, length int64) {
	h.x.File(f, offset, length)
}

// Demand implements exchange.Client: there is no content.
func (h *hedge) Demand(*exchange.Exchange, int) {}

// End implements exchange.Client.
func (h *hedge) End(near *exchange.Exchange) {
	x := h.x
	h.x = nil
	x.Response.Trailers = append(x.Response.Trailers[:0], near.Response.Trailers...)
	x.End()
}

// Abort implements exchange.Client.
func (h *hedge) Abort(_ *exchange.Exchange, cause error) {
	x := h.x
	h.x = nil
	x.Abort(cause)
}

// Content implements exchange.Server: there is none.
func (h *hedge) Content(*exchange.Exchange, []byte) {}

// ContentEnd implements exchange.Server.
func (h *hedge) ContentEnd(*exchange.Exchange, error) {}

// Drained implements exchange.Server.
func (h *hedge) Drained(_ *exchange.Exchange, n int) { h.near.Server.Drained(&h.near, n) }

// Gone implements exchange.Server.
func (h *hedge) Gone(_ *exchange.Exchange, cause error) {
	if !errors.Is(cause, exchange.ErrHalfClosed) {
		h.near.Canceled = true
	}
	h.near.Server.Gone(&h.near, cause)
}
