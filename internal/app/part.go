package app

import (
	"reflect"
	"slices"
)

// part is what a route needs and generations share whose configuration has it
// unchanged: a proxy with its connections, limits with what they have counted. It
// belongs to the goroutine that called Run.
type part struct {
	cfg   any // what it was made of
	value any
	users int // generations it belongs to
	// drain, if not nil, has it end what goes on for ever; it is called when no
	// generation needs it for what is new. close, if not nil, is called when none
	// has it any more.
	drain func()
	close func() error
}

// part returns what the generation of now has made of an equal cfg, once for each
// time that it has, else what make makes.
func (s *server) part(g *generation, cfg any, make func() (*part, error)) (any, error) {
	p := s.now.idle(g, cfg)
	if p == nil {
		var err error
		if p, err = make(); err != nil {
			return nil, err
		}
		p.cfg = cfg
	}
	p.users++
	g.parts = append(g.parts, p)
	return p.value, nil
}

// idle returns a part of g that was made of cfg and that next does not have.
func (g *generation) idle(next *generation, cfg any) *part {
	if g == nil {
		return nil
	}
	for _, p := range g.parts {
		if reflect.DeepEqual(p.cfg, cfg) && !slices.Contains(next.parts, p) {
			return p
		}
	}
	return nil
}

// drain has the parts of g that next does not have end what goes on for ever.
func (g *generation) drain(next *generation) {
	for _, p := range g.parts {
		if p.drain != nil && (next == nil || !slices.Contains(next.parts, p)) {
			p.drain()
		}
	}
}

// close gives back what g alone holds. Nothing uses it any more.
func (g *generation) close(warn func(text string, err error)) {
	for _, p := range slices.Backward(g.parts) {
		if p.users--; p.users > 0 || p.close == nil {
			continue
		}
		if err := p.close(); err != nil {
			warn("cannot close what a route answers with", err)
		}
	}
	g.parts = nil
}
