package proxy

import (
	"os"

	"rickhouse/internal/exchange"
)

// far is an Exchange whose Executor is no loop, and the Exchange that stands for it
// on one. Each side posts to the other: it is the Server of the first, on that one's
// Executor, and the Client of the second, on the loop.
type far struct {
	s    *shard
	home exchange.Executor

	x    *exchange.Exchange // of home; nil once it is finished
	near exchange.Exchange  // of the loop
	over bool               // near is finished
	held int                // octets drained and not yet told
}

func (p *Proxy) serveFar(x *exchange.Exchange) {
	s := p.shards[int(p.next.Add(1))%len(p.shards)]
	f := &far{s: s, home: x.Executor, x: x}
	f.near = exchange.Exchange{Request: x.Request, Route: x.Route, HasContent: x.HasContent, Executor: s.l, Client: f}
	f.near.Request.Trailers = nil
	f.near.Response.ContentLength = -1
	x.Server = f
	s.l.Post(exchange.TaskFunc(func() { s.serve(&f.near) }))
}

// loop runs task on the loop as long as the Exchange there is not finished, client
// on the Executor likewise.
func (f *far) loop(task func()) {
	f.s.l.Post(exchange.TaskFunc(func() {
		if !f.over && f.near.Server != nil {
			task()
		}
	}))
}

func (f *far) client(task func(x *exchange.Exchange)) {
	f.home.Post(exchange.TaskFunc(func() {
		if f.x != nil {
			task(f.x)
		}
	}))
}

// Content implements exchange.Server.
func (f *far) Content(_ *exchange.Exchange, p []byte) {
	p = append([]byte(nil), p...)
	f.loop(func() { f.near.Server.Content(&f.near, p) })
}

// ContentEnd implements exchange.Server.
func (f *far) ContentEnd(x *exchange.Exchange, err error) {
	trailers := x.Request.Trailers
	f.loop(func() {
		f.near.Request.Trailers = trailers
		f.near.Server.ContentEnd(&f.near, err)
	})
}

// Drained implements exchange.Server.
func (f *far) Drained(_ *exchange.Exchange, n int) {
	if f.held += n; f.held < window/4 {
		return
	}
	n, f.held = f.held, 0
	f.loop(func() { f.near.Server.Drained(&f.near, n) })
}

// Gone implements exchange.Server.
func (f *far) Gone(_ *exchange.Exchange, cause error) {
	f.loop(func() {
		f.near.Canceled = true
		f.near.Server.Gone(&f.near, cause)
	})
}

// Demand implements exchange.Client.
func (f *far) Demand(_ *exchange.Exchange, n int) {
	f.client(func(x *exchange.Exchange) { x.Demand(n) })
}

// Head implements exchange.Client.
func (f *far) Head(near *exchange.Exchange) {
	res := copyResponse(&near.Response)
	started := near.Stats.Started
	near.HeadSent = near.HeadSent || res.Status >= 200 || res.Status == 101
	f.client(func(x *exchange.Exchange) {
		x.Stats.Started = started
		x.Response.Status, x.Response.Reason, x.Response.ContentLength, x.Response.Whole = res.Status, res.Reason, res.ContentLength, res.Whole
		x.Response.Fields = append(x.Response.Fields[:0], res.Fields...)
		x.Head()
	})
}

// copyResponse copies what of a head would not outlive the call.
func copyResponse(r *exchange.Response) exchange.Response {
	c := *r
	c.Reason = append([]byte(nil), r.Reason...)
	c.Fields = copyFields(r.Fields)
	return c
}

func copyFields(fields []exchange.Field) []exchange.Field {
	c := make([]exchange.Field, len(fields))
	for i, f := range fields {
		c[i] = exchange.Field{Name: append([]byte(nil), f.Name...), Value: append([]byte(nil), f.Value...)}
	}
	return c
}

// Data implements exchange.Client.
func (f *far) Data(_ *exchange.Exchange, p []byte) {
	p = append([]byte(nil), p...)
	f.client(func(x *exchange.Exchange) { x.Data(p) })
}

// File implements exchange.Client.
func (f *far) File(_ *exchange.Exchange, file *os.File, offset, length int64) {
	f.home.Post(exchange.TaskFunc(func() {
		if f.x == nil {
			_ = file.Close()
			return
		}
		f.x.File(file, offset, length)
	}))
}

// End implements exchange.Client.
func (f *far) End(near *exchange.Exchange) {
	f.over = true
	stats, trailers := near.Stats, copyFields(near.Response.Trailers)
	f.client(func(x *exchange.Exchange) {
		f.x = nil
		f.stats(x, stats)
		x.Response.Trailers = trailers
		x.End()
	})
}

// Abort implements exchange.Client.
func (f *far) Abort(near *exchange.Exchange, cause error) {
	f.over = true
	stats := near.Stats
	f.client(func(x *exchange.Exchange) {
		f.x = nil
		f.stats(x, stats)
		x.Abort(cause)
	})
}

// stats copies what the loop knows.
func (f *far) stats(x *exchange.Exchange, s exchange.Stats) {
	x.Stats.Queued, x.Stats.Started, x.Stats.Reruns = s.Queued, s.Started, s.Reruns
	if s.Err != nil {
		x.Stats.Err = s.Err
	}
}
