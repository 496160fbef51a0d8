package handover

import (
	"net/http"

	"rickhouse/internal/exchange"
)

// Internal puts what keeps clients away before a Handler: they are told that there
// is nothing, and only what the server itself has redirected passes.
func Internal(next exchange.Handler) exchange.Handler {
	return exchange.HandlerFunc(func(x *exchange.Exchange) {
		if x.Route.Redirects == 0 {
			x.Fail(&exchange.Error{Status: http.StatusNotFound, Reason: "the route is internal"})
			return
		}
		next.Serve(x)
	})
}
