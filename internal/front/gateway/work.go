package gateway

import (
	"rickhouse/internal/exchange"
	"rickhouse/internal/front"
	"rickhouse/internal/wire/cgi"
)

// work is what a connection needs while it is not idle. Works are used again:
// everything in them is either reset or overwritten.
type work struct {
	x        exchange.Exchange
	settings *Settings // those that the request began with
	head     *cgi.Head
	vars     []byte // the variables, as the protocol writes them
	in       []byte // in[r:] has come and is not taken
	r        int
	out      front.Output
	body
	front.Answer
	close  bool // the connection closes after the answer
	cut    bool // the answer is not whole
	linger bool // the peer may still be sending
	// remote is the client's address in text, addr a forwarded one.
	remote, addr [64]byte
}

// body is the state of request content.
type body struct {
	left   int64 // octets to come; -1 where that is not known
	demand int64 // octets the Server takes
	done   bool  // ContentEnd was called, or there is nothing to come
	pace   front.Pace
}

// take lends a work to c.
func (d *Door) take(c *conn) *work {
	var w *work
	if n := len(d.spare); n > 0 {
		w = d.spare[n-1]
		d.spare[n-1] = nil
		d.spare = d.spare[:n-1]
	} else {
		w = &work{head: cgi.NewHead(&d.settings.Limits), out: front.NewOutput(&d.output)}
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
	w.head.SetLimits(&s.Limits)
}

// give takes back a work whose exchange is over.
func (d *Door) give(w *work) {
	w.next()
	w.x.Client = d.nobody
	w.out.Stream, w.out.Owner = nil, nil
	if len(d.spare) >= maxSpare || cap(w.in) > maxKept || cap(w.vars) > maxKept {
		return
	}
	w.in, w.r = w.in[:0], 0
	d.spare = append(d.spare, w)
}

// next makes w ready for the next request of the same connection.
func (w *work) next() {
	w.x.Reset()
	w.out.Reset()
	w.vars = w.vars[:0]
	w.body, w.Answer = body{}, front.Answer{}
	w.close, w.cut, w.linger = false, false, false
}

// buffered is how many octets have come and are not taken.
func (w *work) buffered() int { return len(w.in) - w.r }

// buffer appends p to what is buffered.
func (w *work) buffer(p []byte) {
	if w.r > 0 && len(w.in)+len(p) > cap(w.in) {
		n := copy(w.in, w.in[w.r:])
		w.in, w.r = w.in[:n], 0
	}
	w.in = append(w.in, p...)
}

// consume takes n octets off.
func (w *work) consume(n int) {
	w.r += n
	if w.r == len(w.in) {
		w.in, w.r = w.in[:0], 0
	}
}
