package http1

import (
	"math"

	"rickhouse/internal/exchange"
	"rickhouse/internal/front"
	wire "rickhouse/internal/wire/http1"
)

const tunnel = wire.Tunnel

// maxSkip is how much content that no Server wanted is read to keep a
// connection.
const maxSkip = 64 << 10

// readHead goes on with a head and reports whether it is complete.
func (c *conn) readHead() bool {
	w := c.w
	if c.requests == 0 && w.in[0] == 'P' && c.o.prior && w.settings.HTTP2 && c.d.f.parts.HTTP2 != nil {
		if whole, part := prefaced(w.in); whole || part && !c.eof {
			if whole {
				c.handOff(c.d.f.parts.HTTP2)
			}
			return false
		}
	}
	n, err := w.parser.Parse(w.in, &w.x.Request)
	switch {
	case err != nil:
		c.refuse(err)
		return true
	case n > 0:
		c.begin(n)
		return true
	case c.eof:
		c.close(false)
	}
	return false
}

// begin hands the request whose head is complete on.
func (c *conn) begin(n int) {
	d, w := c.d, c.w
	x := &w.x
	w.head, w.r = n, n
	x.Client = c
	x.Stats.Received = d.l.Now()
	c.requests++
	d.counters.Requests++
	c.busy()
	limit := w.settings.KeepaliveRequests
	w.close = !w.parser.KeepAlive || limit > 0 && int(c.requests) >= limit || c.o.once
	w.expect = w.parser.Expect
	x.HasContent = x.Request.ContentLength != 0
	w.body.left = x.Request.ContentLength
	w.done = !x.HasContent
	if x.Request.ContentLength < 0 {
		w.chunked.Reset(&w.settings.Limits)
	}
	c.identify(&x.Request)
	w.settings.Proxies.Apply(&x.Request, c.o.Unix, w.addr[:0])
	c.state = serving
	if most := w.settings.MostBody(); x.Request.ContentLength > int64(most) {
		c.refuse(front.TooLarge(most))
		return
	}
	c.o.handler.Serve(x)
}

// busy takes c out of the idle ones.
func (c *conn) busy() {
	c.d.busy.Push(&c.link)
	c.d.counters.Idle--
}

// identify fills in who is at both ends of the connection.
func (c *conn) identify(req *exchange.Request) {
	c.o.Identify(req)
	if c.w.extra = nil; c.o.tls != nil {
		c.w.extra = c.o.gate.Extra
	}
	req.TLS = c.tls
	c.peer.Identify(req)
}

// bulk reports whether content is to come that needs no parsing, of which nothing
// is buffered: it is read past the buffer, and never more than is wanted.
func (w *work) bulk() bool {
	return !w.done && w.demand > 0 && (w.body.left > 0 || w.Framing == tunnel) && w.buffered() == 0
}

// readBulk reads content and delivers it.
func (c *conn) readBulk() {
	w := c.w
	limit := min(bulkRead, w.demand)
	if w.Framing != tunnel {
		limit = min(limit, w.body.left)
	}
	n, err := c.s.Read(c.d.scratch[:limit])
	if !c.received(n, err) || n == 0 {
		return
	}
	if w.Framing != tunnel {
		w.body.left -= int64(n)
	}
	c.advancing = true
	c.content(c.d.scratch[:n])
	c.advancing = false
}

// deliver gives the Server what it has demanded of what is there.
func (c *conn) deliver() {
	w := c.w
	for c.state == serving && !c.dead && !w.done {
		data, err := w.nextContent()
		switch {
		case err != nil:
			c.contentFailed(err)
		case len(data) > 0:
			c.content(data)
		case w.complete():
			c.contentEnd()
		case c.eof && w.buffered() == 0:
			if w.Framing == tunnel {
				c.contentEnd()
			} else {
				c.contentFailed(front.CutContent())
			}
		default:
			if w.demand > 0 || w.buffered() < headRead {
				c.full = false
			}
			return
		}
	}
	if c.state == serving && !c.dead {
		if w.buffered() < headRead {
			c.full = false
		}
		c.halfClosed()
	}
}

// nextContent takes the next piece of content, within the demand, out of the
// buffer.
func (w *work) nextContent() ([]byte, *exchange.Error) {
	src := w.in[w.r:]
	if w.x.Request.ContentLength < 0 && w.Framing != tunnel {
		for len(src) > 0 && !w.chunked.Done() {
			data, n, err := w.chunked.Next(src, w.demand)
			w.consume(n)
			if err != nil || len(data) > 0 || n == 0 {
				return data, err
			}
			src = src[n:]
		}
		return nil, nil
	}
	n := int64(len(src))
	if w.Framing != tunnel {
		n = min(n, w.body.left)
		w.body.left -= min(n, w.demand)
	}
	n = min(n, w.demand)
	w.consume(int(n))
	return src[:n], nil
}

// complete reports whether all content has been taken.
func (w *work) complete() bool {
	switch {
	case w.Framing == tunnel:
		return false
	case w.x.Request.ContentLength < 0:
		return w.chunked.Done()
	}
	return w.body.left == 0
}

// content delivers p.
func (c *conn) content(p []byte) {
	w := c.w
	w.demand -= int64(len(p))
	w.body.pace.Progress(len(p), c.d.l.Now(), &w.settings.Config)
	if err := w.settings.Deliver(&w.x, p, w.Framing); err != nil {
		c.contentFailed(err)
	}
}

// contentEnd tells the Server that the content is whole.
func (c *conn) contentEnd() {
	w := c.w
	w.done = true
	if w.x.Request.ContentLength < 0 && w.Framing != tunnel {
		w.x.Request.Trailers = w.chunked.AppendTrailers(w.x.Request.Trailers[:0])
	}
	if w.x.Server != nil {
		w.x.Server.ContentEnd(&w.x, nil)
	}
}

// contentFailed tells the Server that the content will not be whole. Nothing
// more is read as a request.
func (c *conn) contentFailed(err *exchange.Error) {
	w := c.w
	w.done, w.close, w.linger, w.demand = true, true, true, 0
	c.d.counters.Refused++
	c.logRefusal(err)
	if w.x.Server != nil {
		w.x.Server.ContentEnd(&w.x, err)
	}
}

// halfClosed tells the Server, once, that the client has finished sending.
func (c *conn) halfClosed() {
	if !c.eof || c.told || c.w.linger || c.w.settings.HalfClose || c.w.Framing == tunnel {
		return
	}
	c.told = true
	x := &c.w.x
	if x.Server != nil {
		x.Server.Gone(x, exchange.ErrHalfClosed)
	}
}

// skip throws the rest of the content away, within bounds, and reports whether
// there is a next request to look for.
func (c *conn) skip() bool {
	w := c.w
	w.demand = math.MaxInt64
	for !w.complete() {
		data, err := w.nextContent()
		w.skipped += int64(len(data))
		w.body.pace.Progress(len(data), c.d.l.Now(), &w.settings.Config)
		switch {
		case err != nil || w.skipped > maxSkip:
			c.leaveLingering()
			return false
		case len(data) > 0 || w.complete():
		case c.eof:
			c.close(false)
			return false
		default:
			c.full = false
			return false
		}
	}
	w.done = true
	return c.nextRequest()
}

// Demand implements exchange.Client.
func (c *conn) Demand(x *exchange.Exchange, n int) {
	w := c.holding(x)
	if w == nil || w.done && w.Framing != tunnel || n <= 0 {
		return
	}
	w.demand = front.More(w.demand, n)
	if !w.demanded && w.expect && !x.HeadSent && w.buffered() == 0 && !c.dead {
		w.out.Buf = append(w.out.Buf, wire.Continue...)
	}
	w.demanded, w.expect = true, false
	c.full = false
	c.touch()
}
