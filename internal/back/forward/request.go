package forward

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"

	"rickhouse/internal/exchange"
	"rickhouse/internal/htpasswd"
)

// request is one request to the proxy. Everything in it belongs to the Executor of
// its Exchange.
type request struct {
	p      *Proxy
	x      *exchange.Exchange // nil once it is finished
	client netip.Addr         // the zero Addr on a Unix socket
	to     hostPort
	user   string
	role   *role
	would  string // what policy would have refused it for
	began  int64
	cancel context.CancelFunc // of reaching a server; nil before
}

// hostPort is what is to be reached; host is in its normal form.
type hostPort struct {
	host string
	port uint16
}

func (h hostPort) String() string { return net.JoinHostPort(h.host, strconv.Itoa(int(h.port))) }

// splitHostPort reads host:port.
func splitHostPort(text string) (hostPort, error) {
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		return hostPort{}, fail(http.StatusBadRequest, "http_request_error", err, "%.100q is not host:port", text)
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	name, _, err := normal(host)
	n, errPort := strconv.ParseUint(port, 10, 16)
	if err != nil || errPort != nil || n == 0 {
		return hostPort{}, fail(http.StatusBadRequest, "http_request_error", err, "%.100q is not host:port", text)
	}
	return hostPort{name, uint16(n)}, nil
}

// Serve implements exchange.Handler.
func (p *Proxy) Serve(x *exchange.Exchange) {
	r := &request{p: p, x: x, began: x.Executor.Now()}
	r.client, _ = netip.ParseAddr(string(x.Request.ClientAddr))
	r.client = r.client.Unmap()
	x.Server = r
	if f := r.understand(); f != nil {
		r.fail(f)
		return
	}
	if !p.clients.has(r.client) && r.refuse("the client is in none of the networks of clients") {
		return
	}
	r.identify()
}

// understand takes the request apart.
func (r *request) understand() *failure {
	in := &r.x.Request
	switch {
	case r.hasBeenHere():
		return fail(http.StatusLoopDetected, "proxy_loop_detected", nil, "the request has been here before (Via)")
	case string(in.Method) == http.MethodTrace:
		return fail(http.StatusMethodNotAllowed, "http_request_denied", nil, "TRACE is not served")
	}
	authority := string(in.Host)
	switch in.Form {
	case exchange.AuthorityForm:
	case exchange.AbsoluteForm:
		if !bytes.EqualFold(in.Target[:5], []byte("http:")) {
			return fail(http.StatusNotImplemented, "http_request_error", nil, "https URIs are reached by CONNECT")
		}
		if i := strings.LastIndexByte(authority, ':'); i < 0 || strings.HasSuffix(authority, "]") {
			authority += ":80"
		} else if i == len(authority)-1 {
			authority += "80"
		}
	default:
		return fail(http.StatusBadRequest, "http_request_error", nil, "this is a proxy: the target has to be a whole http URI, or that of CONNECT")
	}
	var err error
	if r.to, err = splitHostPort(authority); err != nil {
		return asFailure(err)
	}
	return nil
}

// hasBeenHere reports whether Via names us (RFC 9110 §7.6.3).
func (r *request) hasBeenHere() bool {
	for _, f := range r.x.Request.Fields {
		if string(f.Name) == "via" && bytes.Contains(f.Value, []byte(r.p.name)) {
			return true
		}
	}
	return false
}

// identify finds out who the user is, and goes on.
func (r *request) identify() {
	if r.p.users == nil {
		r.authorize()
		return
	}
	users := r.p.users.Checker()
	name, password, given := htpasswd.Basic(r.x.Request.Get("proxy-authorization"))
	switch {
	case !given:
		r.unknown("the client does not say who it is")
		return
	case users.Known(name, password):
		r.user = name
		r.authorize()
		return
	}
	home := r.x.Executor
	checked := users.Check(name, password, func(ok bool) {
		home.Post(exchange.TaskFunc(func() {
			switch {
			case r.x == nil:
			case ok:
				r.user = name
				r.authorize()
			default:
				r.unknown("the name or password is wrong")
			}
		}))
	})
	if !checked {
		r.fail(fail(http.StatusServiceUnavailable, "http_request_denied", nil, "too many passwords wait to be checked"))
	}
}

// unknown asks the client who it is.
func (r *request) unknown(reason string) {
	if r.p.cfg.DryRun {
		r.note(reason)
		r.authorize()
		return
	}
	r.x.Response.Add("Proxy-Authenticate", `Basic realm="`+r.p.cfg.Realm+`", charset="UTF-8"`)
	f := fail(http.StatusProxyAuthRequired, "http_request_denied", nil, "%s", reason)
	f.refused = true
	r.fail(f)
}

// authorize finds the role, and goes on if that may.
func (r *request) authorize() {
	for _, role := range r.p.roles {
		if role.isFor(r.user, r.client) {
			r.role = role
			break
		}
	}
	if r.role == nil {
		if r.refuse("no role is for the client") {
			return
		}
		r.role = r.p.roles[0] // a dry run: what it may reach matters no more
	}
	r.x.Route.Name = r.role.name
	if !r.role.allows(r.to.host, r.to.port) && r.refuse("the role may not reach "+r.to.String()) {
		return
	}
	if r.x.Request.Form == exchange.AuthorityForm {
		r.connect()
	} else {
		r.plain()
	}
}

// refuse answers what policy refuses, and reports whether it did: a dry run only
// notes it.
func (r *request) refuse(reason string) bool {
	if r.p.cfg.DryRun {
		r.note(reason)
		return false
	}
	f := fail(http.StatusForbidden, "http_request_denied", nil, "%s", reason)
	f.refused = true
	r.fail(f)
	return true
}

func (r *request) note(reason string) {
	if r.would != "" {
		r.would += "; "
	}
	r.would += reason
}

// fail answers with f. What was added to the answer before is kept.
func (r *request) fail(f *failure) {
	x := r.x
	r.x = nil
	r.log(x, f, x.Stats.ContentIn, 0)
	x.Stats.Err = &f.what
	if f.what.RetryAfter > 0 {
		x.Response.Add("Retry-After", "1")
	}
	x.Response.Add("Proxy-Status", r.p.name+"; error="+f.kind) // RFC 9209
	x.Refuse(f.what.Status)
}

// Content implements exchange.Server; none is demanded before a server is reached.
func (r *request) Content(*exchange.Exchange, []byte) {}

// ContentEnd implements exchange.Server.
func (r *request) ContentEnd(*exchange.Exchange, error) {}

// Drained implements exchange.Server.
func (r *request) Drained(*exchange.Exchange, int) {}

// Gone implements exchange.Server.
func (r *request) Gone(x *exchange.Exchange, cause error) {
	if r.x == nil {
		return
	}
	r.x = nil
	if r.cancel != nil {
		r.cancel()
	}
	r.log(x, cause, 0, 0)
	x.Abort(cause)
}
