package route

import (
	"bytes"
	"slices"
)

// index finds the rules that may match a request, by its host and its path, so
// that many rules cost no more than a few. What it finds is compared as a whole
// all the same: it must only never miss one. It does not change once made.
type index struct {
	any   *node            // of rules for every host
	exact map[string]*node // of rules for one host, by its name
	below map[string]*node // of rules for the hosts below a name
}

// node is a place in a tree of paths, an edge of which is a segment.
type node struct {
	children  map[string]*node
	parameter *node // for any segment that is not empty
	// here are the rules whose path ends here, under those whose path goes on with
	// /*, each in order.
	here, under []int32
}

// newIndex makes the index of rules.
func newIndex(rules []rule) *index {
	x := &index{any: &node{}, exact: map[string]*node{}, below: map[string]*node{}}
	for i := range rules {
		x.of(&rules[i].host).add(&rules[i].path, int32(i))
	}
	return x
}

// of returns the tree of a host, which it makes if it is not there.
func (x *index) of(h *host) *node {
	trees := x.exact
	switch {
	case h.name == "":
		return x.any
	case h.wild:
		trees = x.below
	}
	if trees[h.name] == nil {
		trees[h.name] = &node{}
	}
	return trees[h.name]
}

// add puts a rule where its path leads.
func (n *node) add(p *pattern, rule int32) {
	for _, s := range p.segments {
		switch {
		case s.parameter && n.parameter == nil:
			n.parameter = &node{}
			n = n.parameter
		case s.parameter:
			n = n.parameter
		default:
			if n.children == nil {
				n.children = map[string]*node{}
			}
			if n.children[s.text] == nil {
				n.children[s.text] = &node{}
			}
			n = n.children[s.text]
		}
	}
	if p.prefix {
		n.under = append(n.under, rule)
	} else {
		n.here = append(n.here, rule)
	}
}

const (
	// maxHost is the longest host name that is looked up. No real one is longer.
	maxHost = 255
	// maxLists is how many lists of rules may have to do with one request.
	maxLists = 24
)

// candidates are the rules that may match a request: lists in order, to be gone
// through together.
type candidates struct {
	lists [maxLists][]int32
	n     int
	over  bool // there are more than fit
}

// find fills c and reports whether all are in it that may match.
func (x *index) find(name, path []byte, c *candidates) bool {
	if len(name) > maxHost {
		return false
	}
	c.walk(x.any, path)
	if len(x.exact)+len(x.below) == 0 {
		return !c.over
	}
	var buf [maxHost]byte
	for i, b := range name {
		if b >= 'A' && b <= 'Z' {
			b += 'a' - 'A'
		}
		buf[i] = b
	}
	name = buf[:len(name)]
	if n := x.exact[string(name)]; n != nil {
		c.walk(n, path)
	}
	for i := 1; i < len(name) && len(x.below) > 0; i++ {
		if name[i] != '.' {
			continue
		}
		if n := x.below[string(name[i+1:])]; n != nil {
			c.walk(n, path)
		}
	}
	return !c.over
}

// walk adds the lists of a tree that a path leads to.
func (c *candidates) walk(n *node, path []byte) {
	for n != nil && !c.over {
		c.add(n.under)
		if len(path) == 0 {
			c.add(n.here)
			return
		}
		if path[0] != '/' {
			return
		}
		end := len(path)
		if i := bytes.IndexByte(path[1:], '/'); i >= 0 {
			end = i + 1
		}
		segment, rest := path[1:end], path[end:]
		if n.parameter != nil && len(segment) > 0 {
			c.walk(n.parameter, rest)
		}
		n, path = n.children[string(segment)], rest
	}
}

func (c *candidates) add(list []int32) {
	switch {
	case len(list) == 0:
	case c.n == maxLists:
		c.over = true
	default:
		c.lists[c.n] = list
		c.n++
	}
}

// from drops the rules before one.
func (c *candidates) from(first int) {
	for i := range c.lists[:c.n] {
		at, _ := slices.BinarySearch(c.lists[i], int32(first))
		c.lists[i] = c.lists[i][at:]
	}
}

// next returns the first rule that is left, and takes it off, or -1.
func (c *candidates) next() int {
	best := -1
	for i := range c.lists[:c.n] {
		if list := c.lists[i]; len(list) > 0 && (best < 0 || list[0] < c.lists[best][0]) {
			best = i
		}
	}
	if best < 0 {
		return -1
	}
	rule := c.lists[best][0]
	c.lists[best] = c.lists[best][1:]
	return int(rule)
}
