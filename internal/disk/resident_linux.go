package disk

import (
	"errors"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// resident reports whether n octets of f from offset on can be had without waiting
// for a disk, as far as the first and the last of them tell: the kernel reads
// files ahead, so that what is between comes with them. A file system that cannot
// say counts as one that need not be waited for. It does not block.
func resident(f *os.File, offset, n int64) bool {
	var b [1]byte
	fd := int(f.Fd())
	defer runtime.KeepAlive(f)
	for _, at := range [...]int64{offset, offset + n - 1} {
		if _, err := unix.Preadv2(fd, [][]byte{b[:]}, at, unix.RWF_NOWAIT); errors.Is(err, unix.EAGAIN) {
			return false
		}
	}
	return true
}
