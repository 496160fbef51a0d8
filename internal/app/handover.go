package app

import (
	"fmt"

	"rickhouse/internal/back/static"
	"rickhouse/internal/config"
	"rickhouse/internal/exchange"
	"rickhouse/internal/handover"
	"rickhouse/internal/route"
)

// handover lets what answers r name files and routes of g that answer in its place.
func (s *server) handover(g *generation, c config.Route, r *route.Route) error {
	var parts handover.Parts
	if dir := c.Handover.XSendfile; dir != "" {
		files, err := static.NewNamed(dir, s.filePool())
		if err != nil {
			return fmt.Errorf("x_sendfile = %q: %w", dir, err)
		}
		g.parts = append(g.parts, &part{value: files, users: 1, close: files.Close})
		parts.File = files.Serve
	}
	if c.Handover.XAccelRedirect {
		parts.Redirect = exchange.HandlerFunc(func(x *exchange.Exchange) { g.router.Serve(x) })
	}
	if wrap := handover.New(c.Handover, parts); wrap != nil {
		r.Handler = wrap(r.Handler)
	}
	return nil
}

// filePool returns what looks for files.
func (s *server) filePool() *static.Pool {
	if s.pool == nil {
		s.pool = static.NewPool()
	}
	return s.pool
}

// guard keeps clients from r if it is internal.
func guard(c config.Route, r *route.Route) {
	if !c.Internal {
		return
	}
	wrap := r.Wrap
	r.Wrap = func(next exchange.Handler) exchange.Handler {
		if wrap != nil {
			next = wrap(next)
		}
		return handover.Internal(next)
	}
}
