package app

import (
	"fmt"
	"io"
	"slices"

	"rickhouse/internal/chain"
	"rickhouse/internal/route"
)

// part is what a route needs and generations share whose configuration has it
// unchanged: a proxy with its connections, limits with what they have counted. It
// belongs to the goroutine that called Run.
type part struct {
	value any
	users int         // generations it belongs to
	last  *generation // the one that has taken it last
	// begin, if not nil, is called once, when the first generation that has it comes
	// into use. drain, if not nil, has it end what goes on for ever; it is called when
	// no generation needs it for what is new. close, if not nil, is called when none
	// has it any more.
	begin func()
	drain func()
	close func() error
}

// identity is what a route, or whatever else has a part, is known by: its conditions,
// not its place among others. It is text, as that of a configuration is, so that
// parts are found by it.
func identity(r route.Config) string { return text(r.Matcher()) }

// text is the same for equal values of a type, and no other ones.
func text(v any) string { return fmt.Sprintf("%T%#v", v, v) }

// inventory has the parts of a generation that a later one may take over, by what they
// were made of.
type inventory map[string][]item

// item is a part, and the identity of the route that has it.
type item struct {
	*part
	route string
}

// idle returns a part that next does not have, or nil: that of a route, else one of a
// route that next does not have either.
func (v inventory) idle(next *generation, route, cfg string) *part {
	var other *part
	for _, i := range v[cfg] {
		switch {
		case i.last == next:
		case i.route == route:
			return i.part
		case other == nil && !next.routes[i.route]:
			other = i.part
		}
	}
	return other
}

// part returns what the generation of now has made of an equal cfg for the route of
// that identity, once for each time that it has, else what make makes. What a route
// had that is no more goes to another one.
func (s *server) part(g *generation, route string, cfg any, make func() (*part, error)) (any, error) {
	made := text(cfg)
	var p *part
	if s.now != nil {
		p = s.now.inventory.idle(g, route, made)
	}
	if p == nil {
		var err error
		if p, err = make(); err != nil {
			return nil, err
		}
	}
	p.last = g
	p.users++
	g.parts = append(g.parts, p)
	g.inventory[made] = append(g.inventory[made], item{p, route})
	return p.value, nil
}

// keep has what a chain counts go on in the chains of that route in later generations.
func (s *server) keep(g *generation, route string) chain.Keep {
	return func(key any, make func() any) any {
		v, _ := s.part(g, route, key, func() (*part, error) { // which makes no error
			p := &part{value: make()}
			if c, ok := p.value.(io.Closer); ok {
				p.close = c.Close
			}
			return p, nil
		})
		return v
	}
}

// begin has the parts of g that are new do what they do by themselves.
func (g *generation) begin() {
	for _, p := range g.parts {
		if p.begin != nil {
			p.begin()
			p.begin = nil
		}
	}
}

// drain has the parts of g that next does not have end what goes on for ever.
func (g *generation) drain(next *generation) {
	for _, p := range g.parts {
		if p.drain != nil && (next == nil || p.last != next) {
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
	g.parts, g.inventory = nil, nil
}
