package http1

import (
	"net/http"
	"os"

	"rickhouse/internal/exchange"
	"rickhouse/internal/front"
	wire "rickhouse/internal/wire/http1"
)

var (
	_ exchange.Client     = (*conn)(nil)
	_ exchange.HalfCloser = (*conn)(nil)
)

// holding returns c's work if x is the Exchange that the Server holds, else nil:
// whoever calls too late reaches nobody else's answer.
func (c *conn) holding(x *exchange.Exchange) *work {
	if c.state != serving || x != &c.w.x {
		front.Nobody{Log: c.d.f.parts.Log}.Late()
		return nil
	}
	return c.w
}

// Head implements exchange.Client.
func (c *conn) Head(x *exchange.Exchange) {
	w := c.holding(x)
	switch {
	case w == nil:
	case x.HeadSent:
		c.broke(front.ErrTwoHeads)
	case x.Response.Status >= 100 && x.Response.Status < 200 && x.Response.Status != http.StatusSwitchingProtocols:
		c.interim(x)
	case c.dead:
		x.HeadSent, w.Swallow = true, true
	default:
		c.head(x)
		c.touch()
	}
}

// interim sends a 1xx, which HTTP/1.0 does not know.
func (c *conn) interim(x *exchange.Exchange) {
	w := c.w
	if c.dead || x.Request.Version == exchange.HTTP10 {
		return
	}
	out, _, err := wire.AppendHead(w.out.Buf, &x.Response, c.reply(x))
	if err != nil {
		c.broke(err)
		return
	}
	if x.Response.Status == http.StatusContinue {
		w.expect = false
	}
	w.out.Buf = out
	c.touch()
}

// head sends the final head, or 500 in place of one that cannot be sent.
func (c *conn) head(x *exchange.Exchange) {
	w := c.w
	var framing wire.Framing
	var err error
	if x.Response.Status == http.StatusSwitchingProtocols && (x.Request.Upgrade == nil || !w.done) {
		err = front.ErrNoUpgrade
	} else {
		w.close = w.close || c.leavesContent()
		w.out.Buf, framing, err = wire.AppendHead(w.out.Buf, &x.Response, c.reply(x))
	}
	if err != nil {
		c.broke(err)
		c.standIn(http.StatusInternalServerError, err)
		return
	}
	w.Begin(x, framing)
	w.close = w.close || c.eof && w.buffered() == 0 || c.draining()
	switch framing {
	case wire.ByClose:
		w.close = true
	case wire.Tunnel:
		w.close, w.done, w.demanded = true, false, true
		w.out.Tunnel = true
	}
}

// reply says what an answer now depends on.
func (c *conn) reply(x *exchange.Exchange) *wire.Reply {
	w, r := c.w, &c.d.reply
	r.Version = max(x.Request.Version, exchange.HTTP10)
	r.Head = x.Request.IsHead()
	r.Connect = x.Request.Form == exchange.AuthorityForm
	r.Close = w.close || c.draining() || c.eof && w.buffered() == 0
	r.Date = c.d.l.Date()
	r.Server, r.Extra = w.settings.Server, w.extra
	return r
}

// leavesContent reports whether the Server answers and leaves content of which
// too much is to come, or which may never come. One that has begun to take it in
// may go on, unless its answer is whole.
func (c *conn) leavesContent() bool {
	w := c.w
	if w.done || w.demanded && !w.x.Response.Whole {
		return false
	}
	return w.expect || w.body.left > maxSkip
}

// standIn answers in place of what could not be answered; what the Server sends
// then goes nowhere.
func (c *conn) standIn(status int, err error) {
	w := c.w
	x := &w.x
	text := front.StandIn(x, status, err)
	// Nothing in this head can be refused.
	out, framing, _ := wire.AppendHead(w.out.Buf, &x.Response, c.reply(x))
	if framing == wire.ByLength {
		out = append(out, text...)
		x.Stats.ContentOut += int64(len(text))
	}
	w.out.Buf = out
	w.Replace(x, framing)
}

// allowed returns how much of n octets of content may go out, and logs once if
// that is less.
func (c *conn) allowed(x *exchange.Exchange, n int64) int64 {
	n, err := c.w.Take(x, n)
	if err != nil {
		c.broke(err)
	}
	if !x.HeadSent {
		c.standIn(http.StatusInternalServerError, err)
	}
	return n
}

// putFraming puts p, which was appended to the Door's small buffer.
func (c *conn) putFraming(p []byte) {
	c.d.small = p
	c.w.out.Put(p)
}

// Data implements exchange.Client.
func (c *conn) Data(x *exchange.Exchange, p []byte) {
	w := c.holding(x)
	if w == nil || len(p) == 0 {
		return
	}
	n := c.allowed(x, int64(len(p)))
	w.out.Skip(int64(len(p)) - n)
	p = p[:n]
	if len(p) == 0 || c.dead {
		c.touch()
		return
	}
	if w.Framing == wire.ByChunks {
		c.putFraming(wire.AppendChunkSize(c.d.small[:0], len(p)))
	}
	w.out.PutContent(p, len(p))
	if w.Framing == wire.ByChunks {
		c.putFraming(append(c.d.small[:0], "\r\n"...))
	}
	c.touch()
}

// File implements exchange.Client.
func (c *conn) File(x *exchange.Exchange, f *os.File, offset, length int64) {
	w := c.holding(x)
	if w != nil && length > 0 {
		length = c.allowed(x, length)
	}
	if w == nil || length <= 0 || c.dead {
		_ = f.Close()
		if w != nil {
			w.out.Skip(exchange.FileCost)
			c.touch()
		}
		return
	}
	if w.Framing == wire.ByChunks {
		c.putFraming(wire.AppendChunkSize(c.d.small[:0], int(length)))
	}
	w.out.PutFile(f, offset, length, nil)
	if w.Framing == wire.ByChunks {
		c.putFraming(append(c.d.small[:0], "\r\n"...))
	}
	c.touch()
}

// CloseWrite implements exchange.HalfCloser.
func (c *conn) CloseWrite(x *exchange.Exchange) {
	if w := c.holding(x); w != nil && !c.dead && w.Framing == wire.Tunnel {
		w.shut = true
		c.touch()
	}
}

// End implements exchange.Client.
func (c *conn) End(x *exchange.Exchange) {
	w := c.holding(x)
	if w == nil {
		return
	}
	err := w.Over(x)
	if err != nil && !c.dead {
		c.broke(err)
	}
	switch {
	case c.dead:
	case !x.HeadSent:
		c.standIn(http.StatusInternalServerError, err)
	case err != nil:
		w.close, w.cut = true, true
	case w.Framing == wire.ByChunks && !w.Swallow:
		c.endChunks(x)
	}
	c.over()
}

func (c *conn) endChunks(x *exchange.Exchange) {
	trailers := x.Response.Trailers
	if !x.Request.TrailersOK {
		trailers = nil
	}
	last, err := wire.AppendLastChunk(c.d.small[:0], trailers)
	if err != nil {
		c.broke(err)
		last, _ = wire.AppendLastChunk(last, nil)
	}
	c.putFraming(last)
}

// Abort implements exchange.Client.
func (c *conn) Abort(x *exchange.Exchange, cause error) {
	w := c.holding(x)
	if w == nil {
		return
	}
	x.Stats.Err = cause
	w.close, w.cut = true, true
	c.over()
}

// over takes the Exchange back from the Server.
func (c *conn) over() {
	if c.dead {
		c.buried()
		return
	}
	c.state = ending
	if c.advancing {
		return
	}
	c.advancing = true
	c.finish()
	c.advancing = false
	if c.state == reading || c.state == skipping || c.state == idle && c.draining() {
		c.touch()
	}
	if c.state != closed {
		c.want()
		c.arm()
	}
}

// broke notes what the Server did wrong.
func (c *conn) broke(err error) {
	front.Broke(c.d.f.parts.Log, &c.w.x, err)
}
