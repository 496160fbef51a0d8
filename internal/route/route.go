package route

import (
	"net/http"
	"strings"

	"rickhouse/internal/exchange"
)

// Route is a Config and who answers where it matches.
type Route struct {
	Config
	Handler exchange.Handler
}

// Router is a Handler that hands each Exchange to the first Route that matches.
// It is not changed once made: any number of Executors may use it.
type Router struct {
	routes []rule
	none   *exchange.Error
}

// rule is a Route, ready to be compared.
type rule struct {
	host    host
	path    path
	strip   bool
	noRerun bool
	app     string
	handler exchange.Handler
}

// host is a condition on the host: none if name is empty.
type host struct {
	name string // in lower case
	wild bool
}

// path is a condition on the path: stem alone or, with prefix, what is below
// it too. The empty stem with prefix is no condition.
type path struct {
	stem   string
	prefix bool
}

// New makes a Router of valid routes.
func New(routes []Route) *Router {
	r := &Router{none: &exchange.Error{Status: http.StatusNotFound, Reason: "no route matches"}}
	for _, c := range routes {
		r.routes = append(r.routes, rule{
			host: newHost(c.Host), path: newPath(c.Path),
			strip: c.Strip, noRerun: c.NoRerun, app: c.App, handler: c.Handler,
		})
	}
	return r
}

func newHost(s string) host {
	name, wild := strings.CutPrefix(strings.ToLower(s), "*.")
	return host{strings.TrimSuffix(name, "."), wild}
}

func newPath(s string) path {
	if s == "" {
		return path{prefix: true}
	}
	stem, prefix := strings.CutSuffix(s, "/*")
	return path{stem, prefix}
}

// Serve hands x to the first route that matches, or answers 404. It sets
// x.Route. A stripping route makes ScriptName the first octets of Request.Path,
// which itself stays whole.
func (r *Router) Serve(x *exchange.Exchange) {
	name := hostname(x.Request.Host)
	for i := range r.routes {
		c := &r.routes[i]
		if !c.host.matches(name) || !c.path.matches(x.Request.Path) {
			continue
		}
		x.Route.Name = c.app
		x.Route.NoRerun = c.noRerun
		x.Route.ScriptName = nil
		if c.strip {
			x.Route.ScriptName = x.Request.Path[:len(c.path.stem)]
		}
		c.handler.Serve(x)
		return
	}
	x.Fail(r.none)
}

func (p *path) matches(b []byte) bool {
	n := len(p.stem)
	if len(b) < n || string(b[:n]) != p.stem {
		return false
	}
	return len(b) == n || p.prefix && (n == 0 || b[n] == '/')
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
		return dot > 0 && b[dot] == '.' && equalFold(b[dot+1:], h.name)
	}
	return equalFold(b, h.name)
}

// equalFold compares b in lower case (ASCII) with s, which is in lower case.
func equalFold(b []byte, s string) bool {
	if len(b) != len(s) {
		return false
	}
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != s[i] {
			return false
		}
	}
	return true
}
