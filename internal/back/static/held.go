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

// take returns n files of their own for the same open file, or nil if that was let
// go or the process has too many. It does not block.
func (h *held) take(n int) []*os.File {
	if h == nil {
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.f == nil {
		return nil
	}
	files := make([]*os.File, 0, n)
	for range n {
		fd, err := unix.FcntlInt(h.f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			closeAll(files)
			return nil
		}
		files = append(files, os.NewFile(uintptr(fd), h.f.Name()))
	}
	return files
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

func closeAll(files []*os.File) {
	for _, f := range files {
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
