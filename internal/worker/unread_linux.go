package worker

import "golang.org/x/sys/unix"

// Unread is how many octets that were written to the worker it has not read, as
// the kernel counts them, and what is not written yet; 0 if that cannot be known.
func (w *Worker) Unread() int {
	if w.link.stream == nil || w.link.ended {
		return 0
	}
	n, err := unix.IoctlGetInt(w.process.link, unix.SIOCOUTQ)
	if err != nil {
		n = 0
	}
	return n + w.Backlog()
}
