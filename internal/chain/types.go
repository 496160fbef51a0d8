package chain

import (
	"bytes"
	"strings"
)

// typeSet is a set of content types: whole ones, and those that begin or end with
// something.
type typeSet struct {
	whole            map[string]bool
	begins, endsWith []string
}

// newTypeSet reads patterns as text/css, text/* or *+json.
func newTypeSet(patterns []string) typeSet {
	s := typeSet{whole: map[string]bool{}}
	for _, p := range patterns {
		p = strings.ToLower(p)
		if p == "*/*" {
			p = "*"
		}
		if begin, ok := strings.CutSuffix(p, "*"); ok {
			s.begins = append(s.begins, begin)
		} else if end, ok := strings.CutPrefix(p, "*"); ok {
			s.endsWith = append(s.endsWith, end)
		} else {
			s.whole[p] = true
		}
	}
	return s
}

// longestType is longer than any type that is registered.
const longestType = 100

// has reports whether the type of a Content-Type is in the set.
func (s *typeSet) has(value []byte) bool {
	value, _, _ = bytes.Cut(value, []byte(";"))
	value = bytes.TrimSpace(value)
	if len(value) == 0 || len(value) > longestType {
		return false
	}
	var buf [longestType]byte
	name := buf[:len(value)]
	for i, c := range value {
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		name[i] = c
	}
	if s.whole[string(name)] {
		return true
	}
	for _, p := range s.begins {
		if len(name) >= len(p) && string(name[:len(p)]) == p {
			return true
		}
	}
	for _, p := range s.endsWith {
		if len(name) >= len(p) && string(name[len(name)-len(p):]) == p {
			return true
		}
	}
	return false
}
