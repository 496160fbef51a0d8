package route

import (
	"bytes"
	"slices"
	"strings"
)

// pattern is a condition on the path. Of a path like /users/{id}/* the segments
// are "users" and {id}, and prefix is set. No segments with prefix is no
// condition.
type pattern struct {
	segments []segment
	prefix   bool
	// stem is the path without /* where no segment is a parameter.
	stem    string
	literal bool
}

// segment is a parameter, by its name, or a text.
type segment struct {
	text      string
	parameter bool
}

// match is what a path that fits has in place of what may differ.
type match struct {
	// mount is the length of what the segments took.
	mount int
	// rest is what /* stands for, with the / before it; empty for the path alone.
	rest   []byte
	values [maxParameters][]byte // of the parameters, in order
}

func newPattern(s string) pattern {
	if s == "" {
		return pattern{prefix: true, literal: true}
	}
	p := pattern{literal: true}
	p.stem, p.prefix = strings.CutSuffix(s, "/*")
	if p.stem == "" {
		return p
	}
	for s := range strings.SplitSeq(p.stem[1:], "/") {
		name, isParameter := parameter(s)
		if isParameter {
			p.literal, s = false, name
		}
		p.segments = append(p.segments, segment{s, isParameter})
	}
	return p
}

// parameter returns the name in a segment like {name}.
func parameter(s string) (name string, ok bool) {
	if len(s) < 3 || s[0] != '{' || s[len(s)-1] != '}' {
		return "", false
	}
	name = s[1 : len(s)-1]
	return name, !strings.ContainsFunc(name, func(c rune) bool {
		return c != '_' && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9')
	})
}

// matches reports whether path fits, and notes in m what it has.
func (p *pattern) matches(path []byte, m *match) bool {
	if p.literal {
		n := len(p.stem)
		if len(path) < n || string(path[:n]) != p.stem || !p.ends(path, n) {
			return false
		}
		m.mount, m.rest = n, path[n:]
		return true
	}
	at, value := 0, 0
	for i := range p.segments {
		if at == len(path) || path[at] != '/' {
			return false
		}
		at++
		end := len(path)
		if n := bytes.IndexByte(path[at:], '/'); n >= 0 {
			end = at + n
		}
		s := &p.segments[i]
		switch {
		case !s.parameter:
			if string(path[at:end]) != s.text {
				return false
			}
		case at == end:
			return false
		default:
			m.values[value] = path[at:end]
			value++
		}
		at = end
	}
	m.mount, m.rest = at, path[at:]
	return p.ends(path, at)
}

// ends reports whether what follows the first n octets of path may follow.
func (p *pattern) ends(path []byte, n int) bool {
	return len(path) == n || p.prefix && (n == 0 || path[n] == '/')
}

// covers reports whether p matches every path that q matches.
func (p *pattern) covers(q *pattern) bool {
	if len(p.segments) > len(q.segments) || !p.prefix && (q.prefix || len(p.segments) < len(q.segments)) {
		return false
	}
	for i, s := range p.segments {
		t := q.segments[i]
		// A parameter is no empty segment.
		if s.parameter && !t.parameter && t.text == "" || !s.parameter && (t.parameter || s.text != t.text) {
			return false
		}
	}
	return true
}

// value returns where the value of a parameter is in match.values.
func (p *pattern) value(name string) (int, bool) {
	n := 0
	for _, s := range p.segments {
		if !s.parameter {
			continue
		}
		if s.text == name {
			return n, true
		}
		n++
	}
	return 0, false
}

// names are those of the parameters.
func (p *pattern) names() []string {
	var list []string
	for _, s := range p.segments {
		if s.parameter {
			list = append(list, s.text)
		}
	}
	return slices.Clip(list)
}
