package gateway

import (
	"net/http"
	"os"

	"rickhouse/internal/exchange"
	"rickhouse/internal/front"
	"rickhouse/internal/wire/cgi"
)

var _ exchange.Client = (*conn)(nil)

// holding returns c's work if x is the Exchange that the Server holds, else nil:
// whoever calls too late reaches nobody else's answer.
func (c *conn) holding(x *exchange.Exchange) *work {
	if c.state != serving || x != &c.w.x {
		front.Nobody{Log: c.d.f.parts.Log}.Late()
		return nil
	}
	return c.w
}

// unwanted reports whether nobody waits for the answer.
func (c *conn) unwanted() bool { return c.dead || c.w.x.Canceled }

// Demand implements exchange.Client.
func (c *conn) Demand(x *exchange.Exchange, n int) {
	w := c.holding(x)
	if w == nil || w.done || n <= 0 {
		return
	}
	w.demand = front.More(w.demand, n)
	c.full = false
	c.touch()
}

// Head implements exchange.Client. The protocols know no interim answers.
func (c *conn) Head(x *exchange.Exchange) {
	w := c.holding(x)
	switch status := x.Response.Status; {
	case w == nil:
	case x.HeadSent:
		c.broke(front.ErrTwoHeads)
	case status >= 100 && status < 200 && status != http.StatusSwitchingProtocols:
	case c.unwanted():
		x.HeadSent, w.Swallow = true, true
	default:
		c.head(x)
		c.touch()
	}
}

// head sends the final head, or 500 in place of one that cannot be sent.
func (c *conn) head(x *exchange.Exchange) {
	head, framing, err := cgi.AppendHead(nil, &x.Response, c.p.form(), x.Request.IsHead())
	if err != nil {
		c.broke(err)
		c.standIn(http.StatusInternalServerError, err)
		return
	}
	c.p.put(c, head, 0)
	c.w.Begin(x, framing)
}

// allowed returns how much of n octets of content may go out, and logs once if
// that is less.
func (c *conn) allowed(x *exchange.Exchange, n int64) int64 {
	if c.unwanted() {
		return 0
	}
	n, err := c.w.Take(x, n)
	if err != nil {
		c.broke(err)
	}
	if !x.HeadSent {
		c.standIn(http.StatusInternalServerError, err)
	}
	return n
}

// Data implements exchange.Client.
func (c *conn) Data(x *exchange.Exchange, p []byte) {
	w := c.holding(x)
	if w == nil || len(p) == 0 {
		return
	}
	n := c.allowed(x, int64(len(p)))
	w.out.Skip(int64(len(p)) - n)
	if n > 0 {
		c.p.put(c, p[:n], int(n))
	}
	c.touch()
}

// File implements exchange.Client.
func (c *conn) File(x *exchange.Exchange, f *os.File, offset, length int64) {
	w := c.holding(x)
	if w != nil && length > 0 {
		length = c.allowed(x, length)
	}
	if w == nil || length <= 0 {
		_ = f.Close()
		if w != nil {
			w.out.Skip(exchange.FileCost)
			c.touch()
		}
		return
	}
	w.out.PutFile(f, offset, length, c.p.frame())
	c.touch()
}

// End implements exchange.Client.
func (c *conn) End(x *exchange.Exchange) {
	w := c.holding(x)
	if w == nil {
		return
	}
	if !c.unwanted() {
		err := w.Over(x)
		if err != nil {
			c.broke(err)
		}
		switch {
		case !x.HeadSent:
			c.standIn(http.StatusInternalServerError, err)
		case err != nil:
			w.cut = true
		}
	}
	c.over()
}

// Abort implements exchange.Client.
func (c *conn) Abort(x *exchange.Exchange, cause error) {
	w := c.holding(x)
	if w == nil {
		return
	}
	x.Stats.Err = cause
	w.cut = !c.unwanted()
	c.over()
}

// over takes the Exchange back from the Server.
func (c *conn) over() {
	if c.dead {
		c.buried()
		return
	}
	w := c.w
	if w.cut || !c.p.end(c) || c.draining() {
		w.close = true
	}
	c.state = ending
	c.touch()
}

// broke notes what the Server did wrong.
func (c *conn) broke(err error) { front.Broke(c.d.f.parts.Log, &c.w.x, err) }
