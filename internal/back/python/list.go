package python

// list is a doubly linked list of jobs. A job is in one list at most: the queue,
// or those that one worker holds.
type list struct {
	first, last *job
	n           int
}

func (l *list) pushBack(j *job) {
	j.in, j.prev, j.next = l, l.last, nil
	if l.last == nil {
		l.first = j
	} else {
		l.last.next = j
	}
	l.last = j
	l.n++
}

func (l *list) pushFront(j *job) {
	j.in, j.prev, j.next = l, nil, l.first
	if l.first == nil {
		l.last = j
	} else {
		l.first.prev = j
	}
	l.first = j
	l.n++
}

// leave takes j out of the list it is in, if any.
func (j *job) leave() {
	l := j.in
	if l == nil {
		return
	}
	if j.prev == nil {
		l.first = j.next
	} else {
		j.prev.next = j.next
	}
	if j.next == nil {
		l.last = j.prev
	} else {
		j.next.prev = j.prev
	}
	j.in, j.prev, j.next = nil, nil, nil
	l.n--
}
