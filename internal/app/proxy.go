package app

import (
	"fmt"

	"rickhouse/internal/back/proxy"
	"rickhouse/internal/config"
	"rickhouse/internal/route"
)

// openProxy makes r pass requests to the upstreams of c.
func (s *server) openProxy(g *generation, c config.Route, r *route.Route) error {
	p, err := proxy.New(c.Proxy, proxy.Parts{Loops: s.loops, Log: s.log})
	if err != nil {
		return fmt.Errorf("proxy = %q: %w", c.Proxy.Upstreams, err)
	}
	g.closers = append(g.closers, p)
	g.proxies = append(g.proxies, p)
	r.Name, r.Handler = "proxy", p
	return nil
}

// drainProxies ends what would keep the upstreams of g in use for ever.
func (g *generation) drainProxies() {
	if g == nil {
		return
	}
	for _, p := range g.proxies {
		p.Drain()
	}
}
