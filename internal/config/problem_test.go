package config

import (
	"slices"
	"testing"
)

func TestProblemsAreInOrder(t *testing.T) {
	list := inOrder([]Problem{
		{Text: "none", order: orderNone},
		{Where: "-w", Text: "flag", order: orderFlag},
		{Where: "f", Line: 2, Column: 1, Text: "second"},
		{Where: "V", Text: "variable", order: orderEnvironment},
		{Where: "f", Line: 1, Column: 9, Text: "first"},
		{Where: "f", Line: 2, Column: 1, Text: "second"},
	})
	want := []string{"f:1:9: first", "f:2:1: second", "V: variable", "-w: flag", "none"}
	var got []string
	for _, p := range list {
		got = append(got, p.String())
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
