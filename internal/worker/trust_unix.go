package worker

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// trustworthy checks that path is a plain folder or file of ours (or of root)
// that nobody else can write, on a file system that code may be run from.
func trustworthy(path string) error {
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return fmt.Errorf("looking at %s: %w", path, err)
	}
	kind := st.Mode & unix.S_IFMT
	if kind != unix.S_IFDIR && kind != unix.S_IFREG {
		return fmt.Errorf("%s is not a plain folder or file", path)
	}
	if int(st.Uid) != os.Getuid() && st.Uid != 0 {
		return fmt.Errorf("%s belongs to another user", path)
	}
	if st.Mode&0o022 != 0 {
		return fmt.Errorf("%s can be written by others", path)
	}
	if noexec(path) {
		return fmt.Errorf("%s is on a file system mounted noexec", path)
	}
	return nil
}
