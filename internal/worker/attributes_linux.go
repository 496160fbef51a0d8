package worker

import "syscall"

// processAttributes: a group of its own, as Ctrl-C is the front's business, and
// an end when the front ends, however it ends.
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
