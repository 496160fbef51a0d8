package front

import (
	"errors"
	"fmt"
	"io"
	"net/http"

	"rickhouse/internal/exchange"
	"rickhouse/internal/loop"
)

// ErrSlowReader is why an answer is cut whose client does not take it.
var ErrSlowReader = errors.New("the client takes the answer too slowly (min_rate, min_rate_grace, idle_timeout)")

// TooLarge says that the content has more than max_body.
func TooLarge(limit any) *exchange.Error {
	return Refusal(http.StatusRequestEntityTooLarge, "the body is larger than max_body (%v)", limit)
}

// SlowContent says that the content came to a halt.
func SlowContent() *exchange.Error {
	return Refusal(http.StatusRequestTimeout, "the body comes too slowly (min_rate, min_rate_grace, idle_timeout)")
}

// SlowHead says that a head did not come whole.
func SlowHead() *exchange.Error {
	return Refusal(http.StatusRequestTimeout, "the request head did not come whole in time (header_timeout)")
}

// CutContent says that the content is not whole.
func CutContent() *exchange.Error {
	return &exchange.Error{Status: http.StatusBadRequest, Reason: "the body ended before it was whole", Err: exchange.ErrClientGone}
}

// Refusal is an error with an answer.
func Refusal(status int, format string, args ...any) *exchange.Error {
	return &exchange.Error{Status: status, Reason: fmt.Sprintf(format, args...)}
}

// StandIn makes x.Response the head of an answer in place of what could not be
// answered, because of err, and returns its content.
func StandIn(x *exchange.Exchange, status int, err error) []byte {
	page := x.Pages.Of(status)
	x.Stats.Err = err
	x.Response.Reset()
	x.Response.Status = status
	x.Response.ContentLength = int64(len(page.Content))
	x.Response.Add("Content-Type", page.ContentType)
	return page.Content
}

// WhyHungUp returns what a Server is told where a Stream's Hup had err.
func WhyHungUp(err error) error {
	var bug *loop.PanicError
	switch {
	case err == nil || errors.Is(err, io.EOF):
		return exchange.ErrClientGone
	case errors.As(err, &bug):
		return err
	}
	return ClientGone{Err: err}
}

// TellGone tells the Server of x that nobody waits any more, because of cause.
func TellGone(x *exchange.Exchange, cause error) {
	if x.Stats.Err == nil {
		x.Stats.Err = cause
	}
	if x.Server != nil {
		x.Server.Gone(x, cause)
	}
}

// ClientGone is exchange.ErrClientGone with what the kernel said.
type ClientGone struct{ Err error }

func (e ClientGone) Error() string { return exchange.ErrClientGone.Error() + ": " + e.Err.Error() }

// Unwrap returns what the kernel said.
func (e ClientGone) Unwrap() error { return e.Err }

// Is makes it an exchange.ErrClientGone.
func (e ClientGone) Is(target error) bool { return target == exchange.ErrClientGone }
