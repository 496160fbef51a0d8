package http1

import (
	"rickhouse/internal/exchange"
	"rickhouse/internal/front"
	wire "rickhouse/internal/wire/http1"
)

// maxKept is how large a buffer may be to be kept for later.
const maxKept = 32 << 10

// work is what a connection needs while it is not idle. Works are used again:
// everything in them is either reset or overwritten.
type work struct {
	x        exchange.Exchange
	settings *Settings // those that the request began with
	extra    []exchange.Field
	parser   *wire.Parser

	// in[:head] is the head of x.Request; in[r:] has not been consumed.
	in      []byte
	head, r int

	body
	answer
	out  front.Output
	addr [64]byte // a forwarded address in text
}

// body is the state of request content.
type body struct {
	chunked  wire.Chunked
	left     int64 // octets to come, where the length is known
	demand   int64 // octets the Server takes
	demanded bool  // Demand has been called
	expect   bool  // the client waits for 100
	done     bool  // ContentEnd was called, or there is nothing to come
	skipped  int64 // octets thrown away
	pace     front.Pace
}

// answer is the state of the response.
type answer struct {
	front.Answer
	close  bool // the connection closes after the answer
	cut    bool // the answer is not whole
	linger bool // the client may still be sending
	shut   bool // a tunnel's octets to the client end with what waits
	halved bool // FIN was sent behind them
}

// take lends a work to c.
func (d *Door) take(c *conn) *work {
	var w *work
	if n := len(d.spare); n > 0 {
		w = d.spare[n-1]
		d.spare[n-1] = nil
		d.spare = d.spare[:n-1]
	} else {
		w = &work{parser: wire.NewParser(&d.settings.Limits), out: front.NewOutput(&d.output)}
		w.x.Executor = d.l
		w.x.Reset()
	}
	w.out.Stream, w.out.Owner = c.s, c
	w.goBy(d.settings)
	return w
}

// goBy has the request that begins go by s.
func (w *work) goBy(s *Settings) {
	w.settings, w.out.Settings, w.x.Pages = s, s.Settings, s.Pages
	w.parser.SetLimits(&s.Limits)
}

// give takes back a work whose exchange is over.
func (d *Door) give(w *work) {
	w.reset()
	w.x.Client = d.nobody
	w.out.Stream, w.out.Owner = nil, nil
	if len(d.spare) >= maxSpare {
		return
	}
	w.in = w.in[:0]
	if cap(w.in) > maxKept {
		w.in = nil
	}
	w.parser.Reset()
	d.spare = append(d.spare, w)
}

// reset makes w ready for the next request of the same connection.
func (w *work) reset() {
	w.x.Reset()
	chunked := w.chunked
	w.body = body{chunked: chunked}
	w.answer = answer{}
	w.out.Reset()
	w.head, w.r = 0, 0
}

// buffered is how many octets have come and not been consumed.
func (w *work) buffered() int { return len(w.in) - w.r }

// buffer appends p to what is buffered. Where it would grow it moves what has not
// been consumed over what has, but never over the head.
func (w *work) buffer(p []byte) {
	if len(w.in)+len(p) > cap(w.in) && w.r > w.head {
		n := copy(w.in[w.head:], w.in[w.r:])
		w.in, w.r = w.in[:w.head+n], w.head
	}
	w.in = append(w.in, p...)
}

// consume takes n octets off.
func (w *work) consume(n int) {
	w.r += n
	if w.r == len(w.in) {
		w.in = w.in[:w.head]
		w.r = w.head
	}
}
