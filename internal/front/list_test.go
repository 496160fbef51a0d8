package front

import (
	"slices"
	"testing"
)

func TestList(t *testing.T) {
	type item struct {
		n    int
		link Link[item]
	}
	var items [4]item
	for i := range items {
		items[i].n = i
		items[i].link.Of(&items[i])
	}
	var l, other List[item]
	is := func(l *List[item], want ...int) {
		t.Helper()
		var got []int
		l.Each(func(i *item) { got = append(got, i.n) })
		if !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		if oldest := l.Oldest(); (oldest == nil) != (len(want) == 0) || oldest != nil && oldest.n != want[0] {
			t.Errorf("the oldest is %v", oldest)
		}
	}
	is(&l)
	for i := range items {
		l.Push(&items[i].link)
	}
	is(&l, 0, 1, 2, 3)
	l.Push(&items[1].link)
	other.Push(&items[3].link)
	is(&l, 0, 2, 1)
	is(&other, 3)
	l.Each(func(i *item) {
		if i.n != 2 {
			i.link.Unlink()
			i.link.Unlink()
		}
	})
	is(&l, 2)
	items[2].link.Unlink()
	is(&l)
}
