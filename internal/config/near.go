package config

import (
	"slices"
	"strings"
)

// Nearest returns the candidate that s is most likely a slip of the hand for, or
// "" if none is near: a few letters wrong, or - for _.
func Nearest(s string, candidates []string) string {
	s = strings.ToLower(strings.ReplaceAll(s, "-", "_"))
	best, least := "", len(s)/3+2
	for _, c := range candidates {
		d := distance(s, strings.ToLower(c))
		if d < least {
			best, least = c, d
		}
	}
	if best == "" && len(s) >= 4 {
		for _, c := range candidates {
			if strings.Contains(c, s) || len(c) >= 4 && strings.Contains(s, c) {
				return c
			}
		}
	}
	return best
}

// distance counts the letters to insert, delete, replace or swap with their
// neighbour to make b of a (optimal string alignment).
func distance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return 64
	}
	before, last := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(row[j-1]+1, last[j]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}

func sorted[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for n := range m {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

func names(keys []Key) []string {
	list := make([]string, len(keys))
	for i, k := range keys {
		list[i] = k.Name
	}
	return list
}
