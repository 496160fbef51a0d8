package chain

import (
	"bytes"
	"net"
	"net/http"
	"strconv"
	"strings"

	"rickhouse/internal/exchange"
)

// ToHTTPS sends every client to the same place by https, but for what an ACME
// server asks for.
type ToHTTPS struct {
	// Port is where https is; 443 is not written.
	Port int
	// Challenge, if not nil, answers the challenges of ACME (RFC 8555 §8.3). It is
	// called on a goroutine.
	Challenge func(host, path string) (answer string, ok bool)
}

// challenges is where ACME servers ask (RFC 8555 §8.3).
const challenges = "/.well-known/acme-challenge/"

// Serve implements exchange.Handler.
func (h *ToHTTPS) Serve(x *exchange.Exchange) {
	if h.Challenge != nil && bytes.HasPrefix(x.Request.Path, []byte(challenges)) {
		h.challenge(x)
		return
	}
	h.redirect(x)
}

// redirect answers 301 to what may be asked again as it is, else 308, which keeps
// method and content (RFC 9110 §15.4). A target that is no path cannot be asked
// for there.
func (h *ToHTTPS) redirect(x *exchange.Exchange) {
	r := &x.Request
	host := hostOf(string(r.Host))
	if host == "" || r.Form != exchange.OriginForm && r.Form != exchange.AbsoluteForm {
		x.Fail(&exchange.Error{Status: http.StatusBadRequest, Reason: "a request that cannot be redirected to https"})
		return
	}
	if h.Port != 443 {
		host += ":" + strconv.Itoa(h.Port)
	}
	target := "https://" + host + string(r.RawPath)
	if i := bytes.IndexByte(r.Target, '?'); i >= 0 {
		target += string(r.Target[i:])
	}
	status := http.StatusPermanentRedirect
	if m := string(r.Method); m == http.MethodGet || m == http.MethodHead {
		status = http.StatusMovedPermanently
	}
	x.Response.Add("Location", target)
	x.Answer(status, "This is served by https: "+target+"\n")
}

// hostOf is an authority without its port; an IPv6 address stays in brackets.
func hostOf(authority string) string {
	host, _, err := net.SplitHostPort(authority)
	if err != nil {
		return authority
	}
	if strings.Contains(host, ":") {
		return "[" + host + "]"
	}
	return host
}

// challenge has the answer looked up, which may need a disk, and gives it.
func (h *ToHTTPS) challenge(x *exchange.Exchange) {
	x.Server = nowhere{}
	host, path, loop := string(x.Request.Host), string(x.Request.Path), x.Executor
	go func() {
		answer, ok := h.Challenge(host, path)
		loop.Post(exchange.TaskFunc(func() {
			switch {
			case x.Canceled:
				x.Abort(exchange.ErrClientGone)
			case ok:
				x.Answer(http.StatusOK, answer)
			default:
				x.Fail(&exchange.Error{Status: http.StatusNotFound, Reason: "no such ACME challenge"})
			}
		}))
	}()
}
