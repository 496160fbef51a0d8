package telemetry

import "golang.org/x/sys/unix"

func hasTermios(fd int) bool {
	_, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	return err == nil
}
