package front

import (
	"rickhouse/internal/exchange"
	wire "rickhouse/internal/wire/http1"
)

// Answer is what the head of an answer said of its content, and how much of that
// is still to come. A front keeps one for each Exchange.
type Answer struct {
	// Framing is how the content is framed; the zero value before the head.
	Framing wire.Framing
	// Left is how many octets of content are to come, where Framing is ByLength.
	Left int64
	// Swallow says that content goes nowhere.
	Swallow bool
}

// Begin notes that the head of x went out.
func (a *Answer) Begin(x *exchange.Exchange, framing wire.Framing) {
	x.HeadSent = true
	a.Framing = framing
	switch framing {
	case wire.NoContent:
		a.Swallow = true
	case wire.ByLength:
		a.Left = x.Response.ContentLength
	case wire.Tunnel:
		x.Release()
	}
}

// Replace notes that the head of a stand-in went out; what the Server of x sends
// goes nowhere.
func (a *Answer) Replace(x *exchange.Exchange, framing wire.Framing) {
	x.HeadSent, a.Swallow, a.Framing = true, true, framing
}

// Take returns how many of n octets of content may go out. The error is
// ErrNoHead, or ErrTooLong the first time that the content is too long.
func (a *Answer) Take(x *exchange.Exchange, n int64) (int64, error) {
	var err error
	switch {
	case !x.HeadSent:
		return 0, ErrNoHead
	case a.Swallow:
		return 0, nil
	case a.Framing == wire.ByLength:
		if n > a.Left {
			if x.Stats.Err == nil {
				err = ErrTooLong
			}
			n = a.Left
		}
		a.Left -= n
	}
	x.Stats.ContentOut += n
	return n, err
}

// Over returns what is wrong with an answer that ends now: ErrNoHead, ErrTooShort
// or nothing.
func (a *Answer) Over(x *exchange.Exchange) error {
	switch {
	case !x.HeadSent:
		return ErrNoHead
	case !a.Swallow && a.Framing == wire.ByLength && a.Left > 0:
		return ErrTooShort
	}
	return nil
}
