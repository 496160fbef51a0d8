package http1

// connList is a list of connections, oldest first. A connection is in one list
// at most.
type connList struct{ root conn }

func (l *connList) init() { l.root.prev, l.root.next = &l.root, &l.root }

// oldest returns the first connection, or nil.
func (l *connList) oldest() *conn {
	if l.root.next == &l.root {
		return nil
	}
	return l.root.next
}

// push moves c to the end of l.
func (l *connList) push(c *conn) {
	c.unlink()
	c.prev, c.next = l.root.prev, &l.root
	c.prev.next, c.next.prev = c, c
}

// each calls f for every connection, which f may take off the list.
func (l *connList) each(f func(*conn)) {
	for c := l.root.next; c != &l.root; {
		next := c.next
		f(c)
		c = next
	}
}

// unlink takes c off its list.
func (c *conn) unlink() {
	if c.next != nil {
		c.prev.next, c.next.prev = c.next, c.prev
		c.prev, c.next = nil, nil
	}
}
