//go:build !linux

package worker

// Unread is how many octets are not written to the worker yet: what it has not
// read of the others cannot be known.
func (w *Worker) Unread() int { return w.Backlog() }
