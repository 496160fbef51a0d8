package route

import (
	"net/http"
	"strings"

	"rickhouse/internal/exchange"
)

// Route is a Config and who answers where it matches.
type Route struct {
	Config
	// Handler answers. A route that redirects, or has a fixed answer, needs none.
	Handler exchange.Handler
	// Passing, if not nil, makes the Handler of one that may leave a request to
	// the routes below, which next tries.
	Passing func(next exchange.Handler) exchange.Handler
	// Wrap, if not nil, puts a Handler before whatever answers, redirects and fixed
	// answers included. What a Passing Handler leaves to the routes below stays behind
	// it. It is called once.
	Wrap func(next exchange.Handler) exchange.Handler
	// Name is what the logs call the route, if it is not App.
	Name string
	// Mounted makes what the segments of the path took the mount point, as Strip
	// does.
	Mounted bool
}

// Router is a Handler that hands each Exchange to the first Route that matches.
// It is not changed once made: any number of Executors may use it.
type Router struct {
	routes []rule
	index  *index
	none   *exchange.Error
	tunnel *exchange.Error
}

// rule is a Route, ready to be compared.
type rule struct {
	host       host
	path       pattern
	conditions *conditions // nil for none
	strip      bool
	noRerun    bool
	name       string
	rewrite    *template // nil for none

	// One of these answers.
	handler  exchange.Handler
	redirect *redirect
	fixed    *fixed
}

// host is a condition on the host: none if name is empty.
type host struct {
	name string // in lower case
	wild bool
}

// New makes a Router of valid routes.
func New(routes []Route) *Router {
	r := &Router{
		routes: make([]rule, len(routes)),
		none:   &exchange.Error{Status: http.StatusNotFound, Reason: "no route matches"},
		tunnel: &exchange.Error{Status: http.StatusNotImplemented, Reason: "no route opens a tunnel"},
	}
	for i := range routes {
		r.routes[i] = newRule(&routes[i])
		if make := routes[i].Passing; make != nil {
			r.routes[i].handler = make(after{r, i + 1})
		}
		if wrap := routes[i].Wrap; wrap != nil {
			r.routes[i].wrap(wrap)
		}
	}
	r.index = newIndex(r.routes)
	return r
}

func newRule(c *Route) rule {
	u := rule{
		host: newHost(c.Host), path: newPattern(c.Path), conditions: newConditions(&c.Config),
		strip: c.Strip || c.Mounted, noRerun: c.NoRerun, name: c.App, handler: c.Handler,
	}
	if c.Rewrite != "" {
		u.rewrite, _ = newTemplate(c.Rewrite, u.path, false) // Validate knows of no error
	}
	switch {
	case c.Handler != nil || c.Passing != nil:
	case c.Redirect != "":
		u.name, u.redirect = "redirect", newRedirect(&c.Config, u.path)
	default:
		u.name, u.fixed = "respond", newFixed(&c.Config)
	}
	if c.Name != "" {
		u.name = c.Name
	}
	return u
}

// wrap puts a Handler before what answers.
func (c *rule) wrap(before func(exchange.Handler) exchange.Handler) {
	if c.handler == nil {
		c.handler = own{&rule{path: c.path, redirect: c.redirect, fixed: c.fixed}}
		c.redirect, c.fixed = nil, nil
	}
	c.handler = before(c.handler)
}

// own answers with the redirect or the fixed answer of a rule behind a Handler.
type own struct{ c *rule }

func (o own) Serve(x *exchange.Exchange) {
	var m match
	o.c.path.matches(x.Request.Path, &m)
	if o.c.redirect != nil {
		o.c.redirect.serve(x, &m)
		return
	}
	o.c.fixed.serve(x)
}

func newHost(s string) host {
	name, wild := strings.CutPrefix(strings.ToLower(s), "*.")
	return host{strings.TrimSuffix(name, "."), wild}
}

// after tries the routes from an index on.
type after struct {
	r    *Router
	from int
}

func (a after) Serve(x *exchange.Exchange) { a.r.serve(x, a.from) }

// Serve hands x to the first route that matches, or answers 404. It sets
// x.Route. A stripping route, or a gateway in front, makes ScriptName the first
// octets of Request.Path, which itself stays whole.
//
// CONNECT is answered 501 (RFC 9110 §9.3.6): an application that answers every
// method 200 would become a tunnel. An extended CONNECT comes as GET.
func (r *Router) Serve(x *exchange.Exchange) {
	if string(x.Request.Method) == http.MethodConnect {
		x.Fail(r.tunnel)
		return
	}
	r.serve(x, 0)
}

func (r *Router) serve(x *exchange.Exchange, from int) {
	var m match
	if i := r.find(&x.Request, from, &m); i >= 0 {
		r.routes[i].serve(x, &m)
		return
	}
	x.Fail(r.none)
}

// find returns the first rule from an index on that matches, or -1.
func (r *Router) find(req *exchange.Request, from int, m *match) int {
	name := hostname(req.Host)
	var c candidates
	if !r.index.find(name, req.Path, &c) {
		return r.scan(req, name, from, m)
	}
	if from > 0 {
		c.from(from)
	}
	for i := c.next(); i >= 0; i = c.next() {
		if r.routes[i].matches(req, name, m) {
			return i
		}
	}
	return -1
}

// scan is find by going through all rules.
func (r *Router) scan(req *exchange.Request, name []byte, from int, m *match) int {
	for i := from; i < len(r.routes); i++ {
		if r.routes[i].matches(req, name, m) {
			return i
		}
	}
	return -1
}

// matches reports whether all conditions hold, and notes in m what the path has.
func (c *rule) matches(req *exchange.Request, name []byte, m *match) bool {
	return c.host.matches(name) && c.path.matches(req.Path, m) && (c.conditions == nil || c.conditions.hold(req))
}

func (c *rule) serve(x *exchange.Exchange, m *match) {
	x.Route.Name = c.name
	x.Route.NoRerun = c.noRerun
	x.Route.ScriptName = nil
	if c.strip {
		x.Route.ScriptName = x.Request.Path[:m.mount]
	}
	if n := x.Request.Mount; n > len(x.Route.ScriptName) && c.rewrite == nil {
		x.Route.ScriptName = x.Request.Path[:n]
	}
	switch {
	case c.redirect != nil:
		c.redirect.serve(x, m)
	case c.fixed != nil:
		c.fixed.serve(x)
	default:
		if c.rewrite != nil {
			x.Request.Path = c.rewrite.appendTo(nil, m, nil, asIs)
			x.Request.RawPath = appendEncoded(nil, x.Request.Path, false)
		}
		c.handler.Serve(x)
	}
}

// hostname is the authority without its port and the dot of a full name.
func hostname(b []byte) []byte {
	end := len(b)
	for i := end - 1; i >= 0 && (b[i] == ':' || b[i] >= '0' && b[i] <= '9'); i-- {
		if b[i] == ':' {
			end = i
			break
		}
	}
	if end > 0 && b[end-1] == '.' {
		end--
	}
	return b[:end]
}

func (h *host) matches(b []byte) bool {
	if h.name == "" {
		return true
	}
	if h.wild {
		dot := len(b) - len(h.name) - 1
		return dot > 0 && b[dot] == '.' && exchange.EqualFold(b[dot+1:], h.name)
	}
	return exchange.EqualFold(b, h.name)
}
