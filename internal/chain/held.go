package chain

import (
	"errors"

	"rickhouse/internal/exchange"
)

// held is the Server of an Exchange that waits for something before it goes on.
// No content comes, as none is demanded, but its end may: it is remembered.
type held struct {
	ended bool
	err   error // why the content is not whole
	gone  error // why nobody waits
}

// nowhere is a Server that nothing matters to: that of an Exchange that was
// answered in its Server's place, or that is finished when something is done,
// whoever waits for it.
type nowhere struct{}

func (nowhere) Content(*exchange.Exchange, []byte)   {}
func (nowhere) ContentEnd(*exchange.Exchange, error) {}
func (nowhere) Drained(*exchange.Exchange, int)      {}
func (nowhere) Gone(*exchange.Exchange, error)       {}

// hold makes h the Server of x.
func (h *held) hold(x *exchange.Exchange) {
	*h = held{}
	x.Server = h
}

// Content implements exchange.Server.
func (*held) Content(*exchange.Exchange, []byte) {}

// ContentEnd implements exchange.Server.
func (h *held) ContentEnd(_ *exchange.Exchange, err error) { h.ended, h.err = true, err }

// Drained implements exchange.Server.
func (*held) Drained(*exchange.Exchange, int) {}

// Gone implements exchange.Server. A client that only stopped sending may wait for
// its answer.
func (h *held) Gone(_ *exchange.Exchange, cause error) {
	if !errors.Is(cause, exchange.ErrHalfClosed) {
		h.gone = cause
	}
}

// over reports whether there is nothing to go on with, and finishes x then.
func (h *held) over(x *exchange.Exchange) bool {
	x.Server = nil
	switch {
	case h.gone != nil:
		x.Abort(h.gone)
	case x.Canceled:
		x.Abort(exchange.ErrClientGone)
	case h.err != nil:
		x.Fail(h.err)
	default:
		return false
	}
	return true
}

// goOn hands x, which is not over, to next. Content that has ended without a
// single octet is no content.
func (h *held) goOn(x *exchange.Exchange, next exchange.Handler) {
	if h.ended {
		x.HasContent, x.Request.ContentLength = false, 0
	}
	next.Serve(x)
}
