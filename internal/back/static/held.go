package static

import (
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// held is an open file that is kept for the next requests.
type held struct {
	mu sync.Mutex
	f  *os.File // nil once let go
}

// hold keeps f.
func hold(f *os.File) *held { return &held{f: f} }

// take returns a file of its own for the same open file, or nil if that was let go
// or the process has too many. It does not block.
func (h *held) take() *os.File {
	if h == nil {
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.f == nil {
		return nil
	}
	f, err := duplicate(h.f)
	if err != nil {
		return nil
	}
	return f
}

// duplicate returns a file of its own for the same open file.
func duplicate(f *os.File) (*os.File, error) {
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("fcntl", err)
	}
	return os.NewFile(uintptr(fd), f.Name()), nil
}

// alive reports whether the file is still open.
func (h *held) alive() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.f != nil
}

// release lets the file go.
func (h *held) release() {
	h.mu.Lock()
	f := h.f
	h.f = nil
	h.mu.Unlock()
	if f != nil {
		_ = f.Close()
	}
}

// holds reports whether a file of e is h.
func (e *entry) holds(h *held) bool {
	if e == nil {
		return false
	}
	for i := range e.variants {
		if e.variants[i].open == h {
			return true
		}
	}
	return false
}

// release lets go the files of e that other, which may be nil, does not have.
func (e *entry) release(other *entry) {
	for i := range e.variants {
		if h := e.variants[i].open; h != nil && !other.holds(h) {
			h.release()
		}
	}
}

// files is how many files e holds.
func (e *entry) files() int {
	n := 0
	for i := range e.variants {
		if e.variants[i].open != nil {
			n++
		}
	}
	return n
}
