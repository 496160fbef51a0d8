package handover

import (
	"net/http"
	"sync"

	"rickhouse/internal/exchange"
)

// Parts are what a Handler hands on to.
type Parts struct {
	// File answers with the file that X-Sendfile names; nil if Config.XSendfile is
	// empty.
	File func(x *exchange.Exchange, path string)
	// Redirect answers by Request.Path; nil if Config.XAccelRedirect is false.
	Redirect exchange.Handler
	// Rights are those of whoever names paths; nil for those of this process. What
	// Redirect answers has them in Route.Rights.
	Rights *exchange.Rights
}

// maxRedirects is how often an Exchange may be redirected within the server.
const maxRedirects = 10

// handler stands before whoever answers. Any number of Executors may use it.
type handler struct {
	parts Parts
	next  exchange.Handler
	taps  sync.Pool // of *tap
}

// New makes what puts the Config before a Handler, or nil if that asks for nothing.
func New(c Config, parts Parts) func(next exchange.Handler) exchange.Handler {
	if !c.Asks() {
		return nil
	}
	return func(next exchange.Handler) exchange.Handler { return &handler{parts: parts, next: next} }
}

// Serve implements exchange.Handler.
func (h *handler) Serve(x *exchange.Exchange) {
	t, ok := h.taps.Get().(*tap)
	if !ok {
		t = &tap{h: h}
	}
	t.client, x.Client = x.Client, t
	h.next.Serve(x)
}

// redirects and sends report whether a field is one that is honoured.
func (h *handler) redirects(f exchange.Field) bool {
	return h.parts.Redirect != nil && is(f, "x-accel-redirect")
}

func (h *handler) sends(f exchange.Field) bool { return h.parts.File != nil && is(f, "x-sendfile") }

// redirect answers x by the path of target.
func (h *handler) redirect(x *exchange.Exchange, target string) {
	r, err := parse(target)
	switch {
	case err != nil:
		x.Fail(err)
		return
	case x.Route.Redirects >= maxRedirects:
		x.Fail(failure("the routes of X-Accel-Redirect go round in a circle", target))
		return
	}
	x.Route.Redirects++
	x.Route.Rights = h.parts.Rights
	x.Request.RawPath, x.Request.Path, x.Request.Query, x.Request.Mount = r.RawPath, r.Path, r.Query, 0
	h.parts.Redirect.Serve(x)
}

func failure(reason, value string) *exchange.Error {
	const most = 200
	return &exchange.Error{Status: http.StatusInternalServerError, Reason: reason + ": \"" + value[:min(len(value), most)] + "\""}
}
