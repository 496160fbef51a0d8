package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// A Problem is one mistake, or something that is likely one.
type Problem struct {
	// Where is the file, the environment variable or the flag; empty where it is
	// none of them.
	Where string
	// Line and Column are from 1, the column in characters; 0 outside a file.
	Line, Column int
	// Text says what is wrong and what to do.
	Text string

	order int
}

// String writes the problem as "file:line:column: text" or "where: text".
func (p Problem) String() string {
	switch {
	case p.Where == "":
		return p.Text
	case p.Line == 0:
		return p.Where + ": " + p.Text
	}
	return fmt.Sprintf("%s:%d:%d: %s", p.Where, p.Line, p.Column, p.Text)
}

// Mistakes is the error that holds every mistake found, those of the file first,
// in its order.
type Mistakes []Problem

// Error returns a line for each mistake.
func (m Mistakes) Error() string {
	list := make([]string, len(m))
	for i, p := range m {
		list[i] = p.String()
	}
	return strings.Join(list, "\n")
}

// inOrder sorts problems by their place: the file's, then the environment's,
// the flags' and the rest.
func inOrder(list []Problem) []Problem {
	slices.SortStableFunc(list, func(a, b Problem) int {
		return cmp.Or(a.order-b.order, a.Line-b.Line, a.Column-b.Column)
	})
	return slices.CompactFunc(list, func(a, b Problem) bool { return a == b })
}

// origin is where a value came from.
type origin struct {
	name  string // file, variable or flag
	place        // in a file
	order int    // of its kind: see Problem
}

// The orders of origins.
const (
	orderFile = iota
	orderEnvironment
	orderFlag
	orderNone
)

func (o origin) problem(format string, args ...any) Problem {
	return Problem{o.name, o.line, o.column, fmt.Sprintf(format, args...), o.order}
}

// about is problem for a mistake in the value of a key: in a file the key has to
// be named.
func (o origin) about(key, text string) Problem {
	if o.order == orderEnvironment || o.order == orderFlag {
		return o.problem("%s", text)
	}
	return o.problem("%s: %s", key, text)
}
