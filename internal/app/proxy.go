package app

import (
	"fmt"

	"rickhouse/internal/back/proxy"
	"rickhouse/internal/config"
	"rickhouse/internal/route"
)

// openProxy makes r pass requests to the upstreams of c.
func (s *server) openProxy(g *generation, c config.Route, r *route.Route) error {
	p, err := s.part(g, identity(c.Config), named[proxy.Config]{c.Proxy, contentsOf(c.Proxy.Files())}, func() (*part, error) {
		p, err := proxy.New(c.Proxy, proxy.Parts{
			Loops: s.loops, Log: s.log, Store: s.store, Memory: int(s.cfg.Spool.WithDefaults().Memory),
		})
		if err != nil {
			return nil, err
		}
		return &part{value: p, drain: p.Drain, close: p.Close}, nil
	})
	if err != nil {
		return fmt.Errorf("proxy = %q: %w", c.Proxy.Upstreams, err)
	}
	r.Name, r.Handler = "proxy", p.(*proxy.Proxy)
	return nil
}
