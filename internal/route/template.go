package route

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// template is a text with places for what a match has.
type template struct {
	parts []part
	rest  bool // one part is the rest
}

// part is a text, or stands for something.
type part struct {
	kind  partKind
	text  string
	value int  // in match.values
	query bool // after the "?"
}

type partKind uint8

const (
	textPart partKind = iota
	valuePart
	restPart
	hostPart
)

// hostName is what templates call the host that the client addressed.
const hostName = "host"

// cutAny splits s before the first of chars.
func cutAny(s, chars string) (before, after string, found bool) {
	if i := strings.IndexAny(s, chars); i >= 0 {
		return s[:i], s[i:], true
	}
	return s, "", false
}

// newTemplate reads {name} and * in text; host allows {host}.
func newTemplate(text string, p pattern, host bool) (*template, error) {
	t := &template{}
	query := false
	for text != "" {
		before, after, found := cutAny(text, "{}*")
		if before != "" {
			t.parts = append(t.parts, part{text: before})
			query = query || strings.Contains(before, "?")
		}
		if !found {
			break
		}
		if after[0] == '*' {
			t.rest = true
			t.parts = append(t.parts, part{kind: restPart, query: query})
			text = after[1:]
			continue
		}
		end := strings.IndexByte(after, '}') + 1
		name, ok := parameter(after[:end])
		if !ok {
			return nil, errors.New("{ and } stand only around the name of a parameter")
		}
		text = after[end:]
		n, known := p.value(name)
		switch {
		case name == hostName && host:
			t.parts = append(t.parts, part{kind: hostPart})
		case known:
			t.parts = append(t.parts, part{kind: valuePart, value: n, query: query})
		case len(p.names()) == 0:
			return nil, fmt.Errorf("path has no parameter {%s}", name)
		default:
			return nil, fmt.Errorf("path has no parameter {%s}: there is {%s}", name, strings.Join(p.names(), "}, {"))
		}
	}
	return t, nil
}

// An encoder writes what came from the client into a path or a query.
type encoder func(dst, s []byte, query bool) []byte

// appendTo fills the template in.
func (t *template) appendTo(dst []byte, m *match, host []byte, encode encoder) []byte {
	for i := range t.parts {
		switch p := &t.parts[i]; p.kind {
		case textPart:
			dst = append(dst, p.text...)
		case valuePart:
			dst = encode(dst, m.values[p.value], p.query)
		case hostPart:
			dst = append(dst, host...)
		case restPart:
			rest := m.rest
			if len(rest) > 0 && rest[0] == '/' {
				rest = rest[1:] // the template has its own
			} else if m.mount > 0 && i == len(t.parts)-1 && len(dst) > 1 && dst[len(dst)-1] == '/' {
				dst = dst[:len(dst)-1] // the mount point itself, without /
			}
			dst = encode(dst, rest, p.query)
		}
	}
	return dst
}

// hasHost reports whether the host the client addressed is put in.
func (t *template) hasHost() bool {
	return slices.ContainsFunc(t.parts, func(p part) bool { return p.kind == hostPart })
}

func asIs(dst, s []byte, _ bool) []byte { return append(dst, s...) }

// appendEncoded writes a decoded path as a URI has it: all but what RFC 3986
// §3.3 allows in a path is percent-encoded, and in a query what separates its
// parameters as well. "?", "#", "\" and "%" are never left as they are, nor
// is what could end a line.
func appendEncoded(dst, s []byte, query bool) []byte {
	const hex = "0123456789ABCDEF"
	for _, c := range s {
		plain := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-._~!$'()*,:@/", c) >= 0
		if plain || !query && strings.IndexByte("&+;=", c) >= 0 {
			dst = append(dst, c)
		} else {
			dst = append(dst, '%', hex[c>>4], hex[c&15])
		}
	}
	return dst
}
