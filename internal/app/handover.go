package app

import (
	"fmt"

	"rickhouse/internal/back/static"
	"rickhouse/internal/config"
	"rickhouse/internal/exchange"
	"rickhouse/internal/handover"
	"rickhouse/internal/route"
	"rickhouse/internal/worker"
)

// handover lets what answers r name files and routes of g that answer in its place.
func (s *server) handover(g *generation, c config.Route, r *route.Route) error {
	parts := handover.Parts{Rights: g.rights(c.App)}
	if dir := c.Handover.XSendfile; dir != "" {
		cfg, err := static.NamedFolder(dir)
		if err != nil {
			return fmt.Errorf("x_sendfile = %q: %w", dir, err)
		}
		folder, err := s.openFolder(g, identity(c.Config), cfg, parts.Rights)
		if err != nil {
			return fmt.Errorf("x_sendfile = %q: %w", dir, err)
		}
		parts.File = static.NewNamed(folder, s.filePool()).Serve
	}
	if c.Handover.XAccelRedirect {
		parts.Redirect = exchange.HandlerFunc(func(x *exchange.Exchange) { g.router.Serve(x) })
	}
	if wrap := handover.New(c.Handover, parts); wrap != nil {
		r.Handler = wrap(r.Handler)
	}
	return nil
}

// rights are those of the workers of an application, nil if it has those of this
// process. An upstream has no user that anybody here knows.
func (g *generation) rights(app string) *exchange.Rights {
	for _, a := range g.apps {
		if a.cfg.Name == app {
			return a.rights
		}
	}
	return nil
}

// rightsOf are the rights of those who run as id.
func rightsOf(id *worker.Identity) *exchange.Rights {
	if id == nil {
		return nil
	}
	return &exchange.Rights{UID: id.UID, GID: id.GID, Groups: id.Groups}
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
