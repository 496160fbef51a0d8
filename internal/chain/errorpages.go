package chain

import (
	"errors"
	"os"
	"sync"

	"rickhouse/internal/errorpage"
	"rickhouse/internal/exchange"
)

// ErrorPagesConfig has files stand for the content of answers that say what went
// wrong. The zero value does not.
type ErrorPagesConfig struct {
	Pages map[string]string `toml:"error_pages" default:"none" help:"Files to answer with by status, read at the start: { 404 = \"404.html\", 5xx = \"sorry.html\" }. They take the place of what the server itself would say: .html, .json, .txt, .xml or .svg."`
	App   bool              `toml:"error_pages_app" default:"false" help:"Let them take the place of what applications and upstreams answer as well."`
}

// Validate reports every mistake in c, each as "key: what is wrong".
func (c ErrorPagesConfig) Validate() error {
	if len(c.Pages) == 0 {
		return needs("error_pages", map[string]bool{"error_pages_app": c.App})
	}
	return errors.Join(errorpage.Check("error_pages", c.Pages)...)
}

// errorPages is the wrapper that puts pages in the place of answers.
type errorPages struct {
	next  exchange.Handler
	pages exchange.Pages
	app   bool
	taps  sync.Pool // of *pageTap
}

// newErrorPages reads the pages. It returns nil if there are none.
func newErrorPages(c ErrorPagesConfig) (wrapper, error) {
	if len(c.Pages) == 0 {
		return nil, nil
	}
	pages, err := errorpage.Read("error_pages", c.Pages)
	if err != nil {
		return nil, err
	}
	return func(next exchange.Handler) exchange.Handler { return &errorPages{next: next, pages: pages, app: c.App} }, nil
}

// Serve implements exchange.Handler.
func (e *errorPages) Serve(x *exchange.Exchange) {
	t, ok := e.taps.Get().(*pageTap)
	if !ok {
		t = &pageTap{e: e}
		t.self = t
	}
	t.x, t.replaced, t.over = x, false, false
	t.put(x)
	e.next.Serve(x)
}

// pageTap puts a page in the place of one answer. From then on it stands before
// the Server as well, whose content goes nowhere.
type pageTap struct {
	tap
	e        *errorPages
	x        *exchange.Exchange
	server   exchange.Server
	replaced bool
	posted   bool // Run will come
	over     bool
	dropped  int // octets of which the Server does not know yet that they went nowhere
}

// Head implements exchange.Client.
func (t *pageTap) Head(x *exchange.Exchange) {
	p := (*page)(t.e.pages[x.Response.Status])
	// What fails has an error; what answers at once and has no Server is a route's own.
	ours := x.Stats.Err != nil || x.Server == nil
	if x.HeadSent || p == nil || !ours && !t.e.app {
		t.client.Head(x)
		return
	}
	t.replaced = true
	if x.Server != nil {
		t.server, x.Server = x.Server, t
	}
	p.head(&x.Response)
	t.client.Head(x)
	if !x.Request.IsHead() && len(p.Content) > 0 {
		t.client.Data(x, p.Content)
	}
}

// Data implements exchange.Client.
func (t *pageTap) Data(x *exchange.Exchange, p []byte) {
	if !t.replaced {
		t.client.Data(x, p)
		return
	}
	t.drop(len(p))
}

// File implements exchange.Client.
func (t *pageTap) File(x *exchange.Exchange, f *os.File, offset, length int64) {
	if !t.replaced {
		t.client.File(x, f, offset, length)
		return
	}
	_ = f.Close()
	t.drop(exchange.FileCost)
}

// drop has the Server told, not from within its call, that n octets went nowhere.
func (t *pageTap) drop(n int) {
	t.dropped += n
	if !t.posted && t.server != nil {
		t.posted = true
		t.x.Executor.Post(t)
	}
}

// Run implements exchange.Task.
func (t *pageTap) Run() {
	t.posted = false
	if t.over {
		t.e.taps.Put(t)
		return
	}
	n := t.dropped
	t.dropped = 0
	t.server.Drained(t.x, n)
}

// End implements exchange.Client.
func (t *pageTap) End(x *exchange.Exchange) { t.finish(x).End(x) }

// Abort implements exchange.Client. An answer that was replaced is whole.
func (t *pageTap) Abort(x *exchange.Exchange, cause error) {
	replaced := t.replaced
	c := t.finish(x)
	if replaced && !x.Canceled {
		c.End(x)
		return
	}
	c.Abort(x, cause)
}

func (t *pageTap) finish(x *exchange.Exchange) exchange.Client {
	if t.server != nil {
		x.Server = nil
	}
	x.Response.Trailers = clearIf(t.replaced, x.Response.Trailers)
	t.x, t.server, t.over, t.dropped = nil, nil, true, 0
	c := t.leave(x)
	if !t.posted {
		t.e.taps.Put(t)
	}
	return c
}

// clearIf empties a list.
func clearIf(empty bool, fields []exchange.Field) []exchange.Field {
	if empty {
		return fields[:0]
	}
	return fields
}

// Content implements exchange.Server.
func (t *pageTap) Content(x *exchange.Exchange, p []byte) { t.server.Content(x, p) }

// ContentEnd implements exchange.Server.
func (t *pageTap) ContentEnd(x *exchange.Exchange, err error) { t.server.ContentEnd(x, err) }

// Drained implements exchange.Server: it is the page that has left.
func (*pageTap) Drained(*exchange.Exchange, int) {}

// Gone implements exchange.Server.
func (t *pageTap) Gone(x *exchange.Exchange, cause error) { t.server.Gone(x, cause) }
