package proxy

import (
	"net/http"
	"strconv"

	"rickhouse/internal/exchange"
)

// passing are the methods that Allow names. Others that upstreams know pass as well.
const passing = "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"

// answersItself answers what no upstream gets, and reports whether it has: CONNECT;
// TRACE, whose answer would show a script the credentials of a request and what proxies
// have added to it (RFC 9110 §9.3.8); and OPTIONS that may go no further (§7.6.2).
func answersItself(x *exchange.Exchange) bool {
	q := &x.Request
	switch {
	case q.Form == exchange.AuthorityForm, string(q.Method) == http.MethodTrace:
		x.Response.Add("Allow", passing)
		x.Refuse(http.StatusMethodNotAllowed)
	case string(q.Method) == http.MethodOptions && isOver(q):
		x.Response.Add("Allow", passing)
		x.Answer(http.StatusOK, "")
	default:
		return false
	}
	return true
}

// isOver reports whether a Max-Forwards of q is used up.
func isOver(q *exchange.Request) bool {
	for _, f := range q.Fields {
		if n, ok := forwards(f); ok && n == 0 {
			return true
		}
	}
	return false
}

// forwards returns how often a request may be passed on, if f says that.
func forwards(f exchange.Field) (n uint64, ok bool) {
	if string(f.Name) != "max-forwards" {
		return 0, false
	}
	n, err := strconv.ParseUint(string(f.Value), 10, 64)
	return n, err == nil
}
