package worker

import (
	"slices"
	"strings"
	"testing"
)

func TestLines(t *testing.T) {
	long := strings.Repeat("x", maxLine+10)
	var got []string
	lines(strings.NewReader("one\ntwo\r\n\n"+long+"\nlast"), func(l []byte) { got = append(got, string(l)) })
	want := []string{"one", "two", "", long[:maxLine], long[maxLine:], "last"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}
