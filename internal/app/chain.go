package app

import (
	"fmt"

	"rickhouse/internal/chain"
	"rickhouse/internal/config"
	"rickhouse/internal/route"
)

// chain puts what c carries before what answers r.
func (s *server) chain(c config.Route, r *route.Route) error {
	wrap, err := chain.New(c.Chain)
	if err != nil {
		return fmt.Errorf("a route with path = %q: %w", c.Path, err)
	}
	r.Wrap = wrap
	return nil
}
