package app

import (
	"fmt"

	"rickhouse/internal/chain"
	"rickhouse/internal/config"
	"rickhouse/internal/exchange"
	"rickhouse/internal/route"
)

// chain puts what c carries before what answers r.
func (s *server) chain(g *generation, c config.Route, r *route.Route) error {
	if s.chains == nil {
		s.chains = chain.NewShared()
	}
	wrap, err := s.part(g, named[chain.Config]{c.Chain, contentsOf(c.Chain.Files())}, func() (*part, error) {
		wrap, err := chain.New(c.Chain, s.chains)
		return &part{value: wrap}, err
	})
	if err != nil {
		return fmt.Errorf("a route with path = %q: %w", c.Path, err)
	}
	r.Wrap = wrap.(func(exchange.Handler) exchange.Handler)
	return nil
}
