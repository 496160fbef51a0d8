package spool

import (
	"os"
	"syscall"
)

// oTmpfile is O_TMPFILE, which the syscall package does not name.
const oTmpfile = 0x400000 | syscall.O_DIRECTORY

// temporary makes a file without a name: not even for a moment can anybody else
// open it, and nothing is left of it after a crash. Where the file system cannot
// do that it is named at first.
func temporary(directory string) (*os.File, error) {
	f, err := os.OpenFile(directory, os.O_RDWR|os.O_EXCL|oTmpfile, 0o600)
	if err == nil {
		return f, nil
	}
	return unlinked(directory)
}
