package front

// Link is what has a T stand in a List. It is a part of that T.
type Link[T any] struct {
	prev, next *Link[T]
	of         *T
}

// Of says whose Link it is. Call it once, before all else.
func (k *Link[T]) Of(t *T) { k.of = t }

// Unlink takes the T off the List that it is in, if any.
func (k *Link[T]) Unlink() {
	if k.next != nil {
		k.prev.next, k.next.prev = k.next, k.prev
		k.prev, k.next = nil, nil
	}
}

// List is a list of the connections on a Loop, oldest first. A connection is in one
// List at most. The zero value is an empty List; it must stay where it is.
type List[T any] struct{ root Link[T] }

// Push moves whose Link k is to the end of l.
func (l *List[T]) Push(k *Link[T]) {
	if l.root.next == nil {
		l.root.prev, l.root.next = &l.root, &l.root
	}
	k.Unlink()
	k.prev, k.next = l.root.prev, &l.root
	k.prev.next, k.next.prev = k, k
}

// Oldest returns the first, or nil.
func (l *List[T]) Oldest() *T {
	if l.root.next == nil {
		return nil
	}
	return l.root.next.of
}

// Each calls f for every one, which f may take off the List.
func (l *List[T]) Each(f func(*T)) {
	if l.root.next == nil {
		return
	}
	for k := l.root.next; k != &l.root; {
		next := k.next
		f(k.of)
		k = next
	}
}
