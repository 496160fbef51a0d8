package app

import (
	"fmt"

	"rickhouse/internal/back/proxy"
	"rickhouse/internal/config"
	"rickhouse/internal/route"
)

// openProxy makes r pass requests to the upstreams of c. A Proxy with other settings
// takes the place of the one that the route has now.
func (s *server) openProxy(g *generation, c config.Route, r *route.Route) error {
	at := identity(c.Config)
	v, err := s.part(g, at, named[proxy.Config]{c.Proxy, contentsOf(c.Proxy.Files())}, func() (*part, error) {
		parts := proxy.Parts{Loops: s.loops, Log: s.log, Store: s.store}
		if s.now != nil {
			parts.Before = s.now.proxies[at]
		}
		p, err := proxy.New(c.Proxy, parts)
		if err != nil {
			return nil, err
		}
		return &part{value: p, begin: p.Begin, drain: p.Drain, close: p.Close}, nil
	})
	if err != nil {
		return fmt.Errorf("proxy = %q: %w", c.Proxy.Upstreams, err)
	}
	p := v.(*proxy.Proxy)
	g.proxies[at] = p
	r.Name, r.Handler = "proxy", p
	return nil
}
