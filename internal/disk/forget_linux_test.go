package disk

import (
	"errors"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// forget takes a file out of the page cache, and reports whether that worked and its
// file system can say so.
func forget(f *os.File) bool {
	if _, err := unix.Preadv2(int(f.Fd()), [][]byte{make([]byte, 1)}, 0, unix.RWF_NOWAIT); err != nil && !errors.Is(err, unix.EAGAIN) {
		return false
	}
	if f.Sync() != nil || unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED) != nil {
		return false
	}
	m, err := unix.Mmap(int(f.Fd()), 0, Chunk, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return false
	}
	defer func() { _ = unix.Munmap(m) }()
	pages := make([]byte, Chunk/os.Getpagesize())
	_, _, e := unix.Syscall(unix.SYS_MINCORE, uintptr(unsafe.Pointer(&m[0])), uintptr(len(m)), uintptr(unsafe.Pointer(&pages[0])))
	return e == 0 && pages[0]&1 == 0
}
