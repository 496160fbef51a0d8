package worker

import (
	"os"

	"golang.org/x/sys/unix"
)

func ledgerFile() (*os.File, error) {
	fd, err := unix.MemfdCreate("rickhouse-ledger", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	return os.NewFile(uintptr(fd), "ledger"), nil
}

// seal fixes the ledger's size: a worker that cut it would have the front read
// memory that is not there.
func seal(f *os.File) error {
	_, err := unix.FcntlInt(f.Fd(), unix.F_ADD_SEALS, unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_SEAL)
	return os.NewSyscallError("fcntl", err)
}
