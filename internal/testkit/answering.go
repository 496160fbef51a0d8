package testkit

import (
	"testing"
	"time"

	"rickhouse/internal/exchange"
)

// Wait takes from ch, within Patience, or fails the test.
func Wait[T any](t testing.TB, ch <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(Patience):
		t.Fatalf("it never came to this: %s", what)
		panic("unreachable")
	}
}

// Hello answers with the path.
func Hello(x *exchange.Exchange) { x.Answer(200, "hello "+string(x.Request.Path)) }

// Collector is a Server that gathers the content, window by window, and then calls
// Done.
type Collector struct {
	Window int
	Got    []byte
	Done   func(x *exchange.Exchange, content []byte, err error)
	// OnGone is called where the client is gone; nil to abort.
	OnGone func(x *exchange.Exchange, cause error)
}

// Content implements exchange.Server.
func (s *Collector) Content(x *exchange.Exchange, p []byte) {
	if len(p) > s.Window {
		panic("more content than was demanded")
	}
	s.Got = append(s.Got, p...)
	x.Demand(len(p))
}

// ContentEnd implements exchange.Server.
func (s *Collector) ContentEnd(x *exchange.Exchange, err error) { s.Done(x, s.Got, err) }

// Drained implements exchange.Server.
func (s *Collector) Drained(*exchange.Exchange, int) {}

// Gone implements exchange.Server.
func (s *Collector) Gone(x *exchange.Exchange, cause error) {
	if s.OnGone != nil {
		s.OnGone(x, cause)
		return
	}
	x.Abort(cause)
}

// Collect has answer called with the content of each request, which is demanded in
// windows. One whose content does not come whole fails.
func Collect(window int, answer func(x *exchange.Exchange, content []byte)) exchange.Handler {
	return exchange.HandlerFunc(func(x *exchange.Exchange) {
		if !x.HasContent {
			answer(x, nil)
			return
		}
		x.Server = &Collector{Window: window, Done: func(x *exchange.Exchange, content []byte, err error) {
			if err != nil {
				x.Fail(err)
				return
			}
			answer(x, content)
		}}
		x.Demand(window)
	})
}

// Echo answers with the content, and with X-Trailer fields that tell its trailers.
func Echo(window int) exchange.Handler {
	return Collect(window, func(x *exchange.Exchange, content []byte) {
		for _, f := range x.Request.Trailers {
			x.Response.Add("X-Trailer", string(f.Name)+"="+string(f.Value))
		}
		x.Answer(200, string(content))
	})
}

// Held is a Handler, and the Server of what it is given, that leaves everything to
// the test.
type Held struct {
	// Began gets each Exchange, Ends what ContentEnd and Causes what Gone were called
	// with.
	Began  chan *exchange.Exchange
	Ends   chan error
	Causes chan error
	// Got is the content. It belongs to the Executor.
	Got []byte
	// OnContent and OnDrained, if not nil, are called on the Executor.
	OnContent func(x *exchange.Exchange, p []byte)
	OnDrained func(x *exchange.Exchange, n int)
}

// NewHeld makes a Held.
func NewHeld() *Held {
	const many = 1000
	return &Held{Began: make(chan *exchange.Exchange, many), Ends: make(chan error, many), Causes: make(chan error, many)}
}

// Serve implements exchange.Handler.
func (h *Held) Serve(x *exchange.Exchange) {
	x.Server = h
	h.Began <- x
}

// Content implements exchange.Server.
func (h *Held) Content(x *exchange.Exchange, p []byte) {
	h.Got = append(h.Got, p...)
	if h.OnContent != nil {
		h.OnContent(x, p)
	}
}

// ContentEnd implements exchange.Server.
func (h *Held) ContentEnd(_ *exchange.Exchange, err error) { h.Ends <- err }

// Drained implements exchange.Server.
func (h *Held) Drained(x *exchange.Exchange, n int) {
	if h.OnDrained != nil {
		h.OnDrained(x, n)
	}
}

// Gone implements exchange.Server.
func (h *Held) Gone(_ *exchange.Exchange, cause error) { h.Causes <- cause }
