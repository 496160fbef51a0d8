package gateway

import (
	"errors"
	"net/http"

	"rickhouse/internal/exchange"
	"rickhouse/internal/front"
	"rickhouse/internal/wire/cgi"
)

// readHead goes on with a head and reports whether there is another thing to do.
func (c *conn) readHead() bool {
	ready, err := c.p.head(c)
	switch {
	case c.state == closed:
		return false
	case err != nil:
		c.refuse(err)
		return true
	case ready:
		c.begin()
		return true
	case c.eof, c.w.close:
		c.w.close = true
		c.state = ending
		return true
	case !c.p.begun(c):
		c.rest()
	}
	return false
}

// rest makes c idle once what was answered about no request is out.
func (c *conn) rest() {
	c.push()
	if c.state != reading || c.w.out.Pending() {
		return
	}
	w := c.w
	c.w = nil
	c.d.give(w)
	if c.draining() && c.requests > 0 {
		c.close(false)
		return
	}
	c.await(c.patience(int64(c.d.settings.IdleTimeout)))
}

// begin hands the request whose variables are complete on.
func (c *conn) begin() {
	d, w := c.d, c.w
	x := &w.x
	c.requests++
	c.live = true
	c.told = false
	x.Client = c
	x.Stats.Received = d.l.Now()
	if err := c.variables(&x.Request); err != nil {
		c.refuse(err)
		return
	}
	d.counters.Requests++
	limit := w.settings.KeepaliveRequests
	w.close = limit > 0 && c.requests >= limit
	x.HasContent = x.Request.ContentLength != 0
	w.left = x.Request.ContentLength
	w.done = !x.HasContent
	if most := w.settings.MostBody(); x.Request.ContentLength > int64(most) {
		c.refuse(front.TooLarge(most))
		return
	}
	c.state = serving
	d.conns.Push(&c.link)
	c.handler.Serve(x)
}

// variables makes req of the variables that have come.
func (c *conn) variables(req *exchange.Request) *exchange.Error {
	w, h := c.w, c.w.head
	c.o.Identify(req)
	c.peer.Identify(req)
	h.Begin(req)
	for vars := w.vars; len(vars) > 0; {
		name, value, rest, err := c.p.next(vars)
		if err != nil {
			return &exchange.Error{Status: http.StatusBadRequest, Reason: err.Error()}
		}
		h.Add(req, name, value)
		vars = rest
	}
	req.Scheme = h.Scheme(req.Scheme)
	unix := c.o.Unix
	if client, told := h.Client(); told {
		unix = !client.IsValid()
		req.ClientAddr, req.ClientPort = nil, client.Port()
		if !unix {
			req.ClientAddr = client.Addr().AppendTo(w.remote[:0])
		}
	}
	if err := h.End(req); err != nil {
		return err
	}
	if name, port, told := h.Server(); told {
		req.ServerAddr, req.ServerPort = name, port
	}
	if absent, chunked := h.Unknown(); absent {
		var err *exchange.Error
		if req.ContentLength, err = c.p.length(chunked); err != nil {
			return err
		}
	}
	w.settings.Proxies.Apply(req, unix, w.addr[:0])
	return nil
}

// client is the address of the client as far as it is known, for the log.
func (c *conn) client() string {
	if c.live && len(c.w.x.Request.ClientAddr) > 0 {
		return string(c.w.x.Request.ClientAddr)
	}
	return c.peer.String()
}

// refuse answers a request that broke a rule, if it can be answered. What follows on
// the connection is not read as a request.
func (c *conn) refuse(err *exchange.Error) {
	w := c.w
	c.d.counters.Refused++
	front.LogRefusal(c.d.f.parts.Log, c.client(), &w.x.Request, err)
	w.close, w.linger = true, true
	if !c.p.answers() {
		c.state = ending
		return
	}
	if !c.live {
		c.live = true
		w.x.Stats.Received = c.d.l.Now()
		c.o.Identify(&w.x.Request)
		c.peer.Identify(&w.x.Request)
	}
	c.standIn(err.Status, err)
	c.p.end(c)
	c.state = ending
}

// standIn answers in place of what could not be answered; what the Server sends
// then goes nowhere.
func (c *conn) standIn(status int, err error) {
	x := &c.w.x
	text := front.StandIn(x, status, err)
	if errors.Is(err, cgi.ErrDangerous) {
		// Who reads it has to know what to remove from where.
		text = []byte(err.Error() + "\n")
		x.Response.Fields = x.Response.Fields[:0]
		x.Response.Add("Content-Type", "text/plain; charset=utf-8")
		x.Response.ContentLength = int64(len(text))
	}
	// Nothing in this head can be refused.
	head, framing, _ := cgi.AppendHead(nil, &x.Response, c.p.form(), x.Request.IsHead())
	if len(text) > 0 && !x.Request.IsHead() {
		head = append(head, text...)
		x.Stats.ContentOut += int64(len(text))
	}
	c.p.put(c, head, 0)
	c.w.Replace(x, framing)
}

// deliver gives the Server what it has demanded of what is there.
func (c *conn) deliver() {
	w := c.w
	for c.state == serving && !c.dead && !w.done {
		data, ended, err := c.p.content(c, w.demand)
		if c.state != serving || c.dead || w.done {
			break
		}
		switch {
		case err != nil:
			c.contentFailed(err)
		case len(data) > 0:
			c.content(data)
		}
		switch {
		case c.state != serving || c.dead || w.done:
		case ended:
			c.contentEnd()
		case err == nil && len(data) == 0 && c.eof && (w.demand > 0 || w.buffered() == 0):
			c.contentFailed(front.CutContent())
		case err == nil && len(data) == 0:
			return
		}
	}
	if c.state != serving || c.dead {
		return
	}
	if err := c.p.watch(c); err != nil && !c.dead && c.state == serving {
		c.d.counters.Refused++
		front.LogRefusal(c.d.f.parts.Log, c.client(), &w.x.Request, err)
		c.lost(err)
		return
	}
	c.halfClosed()
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
	if w.x.Server != nil {
		w.x.Server.ContentEnd(&w.x, nil)
	}
}

// contentFailed tells the Server that the content will not be whole. Nothing more
// is read as a request.
func (c *conn) contentFailed(err *exchange.Error) {
	w := c.w
	w.done, w.close, w.linger, w.demand = true, true, true, 0
	c.d.counters.Refused++
	front.LogRefusal(c.d.f.parts.Log, c.client(), &w.x.Request, err)
	if w.x.Server != nil {
		w.x.Server.ContentEnd(&w.x, err)
	}
}

// halfClosed tells the Server, once, that the peer has finished sending.
func (c *conn) halfClosed() {
	if !c.eof || c.told || c.w.linger || c.w.settings.HalfClose {
		return
	}
	c.told = true
	if x := &c.w.x; x.Server != nil {
		x.Server.Gone(x, exchange.ErrHalfClosed)
	}
}

// aborted is called when the peer wants the answer no more and keeps the
// connection: ABORT_REQUEST.
func (c *conn) aborted() {
	w := c.w
	if c.state != serving {
		// There is no Exchange yet, or no more.
		if c.state == reading {
			w.close = !c.p.end(c)
			w.vars = w.vars[:0]
		}
		return
	}
	w.done, w.demand, w.Swallow, w.left = true, 0, true, 0
	w.x.Canceled = true
	c.gone = exchange.ErrClientGone
	c.later()
}
