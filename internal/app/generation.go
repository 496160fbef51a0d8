package app

import (
	"slices"

	"rickhouse/internal/back/forward"
	"rickhouse/internal/back/proxy"
	"rickhouse/internal/config"
	"rickhouse/internal/exchange"
	"rickhouse/internal/route"
	"rickhouse/internal/supervise"
)

// generation is what belongs to one configuration: what answers, and the routes
// to it. Applications whose settings did not change belong to several. It belongs
// to the goroutine that called Run.
type generation struct {
	cfg     config.Server
	apps    []*application // in the order of the configuration
	router  *route.Router
	forward *forward.Proxy // nil if there is none
	parts   []*part
	files   contents // of what routes name, as they were read

	routes    map[string]bool // the identities of all
	proxies   map[string]*proxy.Proxy
	inventory inventory
}

// newGeneration makes all that answers by cfg. Applications and parts of the
// generation of now that are as cfg has them are taken over; the others are
// started. What was made is in the generation even if there is an error.
func (s *server) newGeneration(cfg config.Server) (*generation, error) {
	g := &generation{cfg: cfg, files: routeContents(cfg), routes: map[string]bool{}, proxies: map[string]*proxy.Proxy{}, inventory: inventory{}}
	for _, c := range cfg.Routes {
		g.routes[identity(c.Config)] = true
	}
	s.generations[g] = struct{}{}
	if err := s.startApps(g); err != nil {
		return g, err
	}
	list := make([]route.Route, len(cfg.Routes))
	for i, c := range cfg.Routes {
		list[i] = route.Route{Config: c.Config}
		if err := s.answerer(g, c, &list[i]); err != nil {
			return g, err
		}
		if err := s.handover(g, c, &list[i]); err != nil {
			return g, err
		}
		if err := s.chain(g, c, &list[i]); err != nil {
			return g, err
		}
		guard(c, &list[i])
	}
	g.router = route.New(list)
	return g, s.newForward(g)
}

// answerer makes what answers where r matches, if that is no matter of routes
// alone.
func (s *server) answerer(g *generation, c config.Route, r *route.Route) error {
	switch {
	case c.App != "":
		r.Handler = g.app(c.App)
	case c.Files.Files != "":
		return s.openFiles(g, c, r)
	case c.Proxy.On():
		return s.openProxy(g, c, r)
	}
	return nil
}

// app returns the application of that name.
func (g *generation) app(name string) exchange.Handler {
	for _, a := range g.apps {
		switch {
		case a.cfg.Name != name:
		case a.beside != nil:
			return a.beside
		default:
			return a.app
		}
	}
	return nil // config makes sure that there is one
}

// use has g answer from now on, on every lane, and the fronts go by the settings of
// now: each loop has both at once. What answered before is retired when nothing uses
// it any more.
func (s *server) use(g *generation) {
	g.begin()
	sg := supervise.NewGeneration(g.router, len(s.lanes)+1, s.useForward(g, func() {
		s.events.post(event{kind: unused, generation: g})
	}))
	tasks := make([]func(), len(s.loops))
	next := s.settings
	for i := range s.loops {
		tasks[i] = func() {
			s.lanes[i].Use(sg)
			s.useSettings(i, next)
		}
	}
	s.onLoops(s.loops, tasks)
	s.shared.Use(sg)
	if s.http3 != nil {
		s.http3.Use(next.http3)
	}
	s.now = g
}

// has reports whether a belongs to g.
func (g *generation) has(a *application) bool { return slices.Contains(g.apps, a) }

// retire closes g, which nothing uses any more. Applications that belong to no
// other end.
func (s *server) retire(g *generation) {
	delete(s.generations, g)
	g.close(s.warn)
	for _, a := range g.apps {
		if a.users--; a.users == 0 {
			s.stopApp(a, a.until)
		}
	}
}
