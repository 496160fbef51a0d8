package static

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// open opens a file for reading. name is clean; "" is the folder.
func (r *root) open(name string) (*os.File, error) {
	if name == "" {
		name = "."
	}
	how := unix.OpenHow{
		Flags:   unix.O_RDONLY | unix.O_CLOEXEC | unix.O_NONBLOCK | unix.O_NOCTTY,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_MAGICLINKS,
	}
	if !r.symlinks {
		how.Resolve |= unix.RESOLVE_NO_SYMLINKS
	}
	for tries := 0; ; tries++ {
		fd, err := unix.Openat2(int(r.dir.Fd()), name, &how)
		switch {
		case err == nil:
			return os.NewFile(uintptr(fd), name), nil
		case (errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR)) && tries < 16:
			// EAGAIN: something was moved meanwhile.
		case errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EPERM):
			return r.slowOpen(name)
		default:
			return nil, &os.PathError{Op: "open", Path: name, Err: err}
		}
	}
}
