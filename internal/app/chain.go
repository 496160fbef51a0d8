package app

import (
	"fmt"

	"rickhouse/internal/chain"
	"rickhouse/internal/config"
	"rickhouse/internal/route"
)

// chain puts what c carries before what answers r.
func (s *server) chain(g *generation, c config.Route, r *route.Route) error {
	if s.chains == nil {
		s.chains = chain.NewShared()
	}
	var err error
	if r.Wrap, err = chain.New(c.Chain, s.chains, s.keep(g, identity(c.Config))); err != nil {
		return fmt.Errorf("a route with path = %q: %w", c.Path, err)
	}
	return nil
}
