package route

import (
	"maps"
	"slices"
	"strings"
)

// Covers reports whether c matches every request that d matches, so that d,
// standing after c, is never reached.
func (c Config) Covers(d Config) bool {
	p, q := newPattern(c.Path), newPattern(d.Path)
	return coversHost(c.Host, d.Host) && p.covers(&q) && c.coversRest(d)
}

// coversRest compares the conditions that few routes have: each has to be
// absent in c, or the same in d.
func (c Config) coversRest(d Config) bool {
	return (len(c.Method) == 0 || slices.Equal(c.Method, d.Method)) &&
		(len(c.Header) == 0 || maps.Equal(c.Header, d.Header)) &&
		(len(c.Query) == 0 || maps.Equal(c.Query, d.Query)) &&
		(len(c.Client) == 0 || slices.Equal(c.Client, d.Client)) &&
		(len(c.Listener) == 0 || slices.Equal(c.Listener, d.Listener)) &&
		(c.Scheme == "" || c.Scheme == d.Scheme)
}

func coversHost(c, d string) bool {
	if c == "" {
		return true
	}
	a := newHost(c)
	if d == "" {
		return false
	}
	b := newHost(d)
	if !a.wild {
		return !b.wild && a.name == b.name
	}
	return strings.HasSuffix("."+b.name, "."+a.name) && (b.wild || b.name != a.name)
}
