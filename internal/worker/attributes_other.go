//go:build !linux

package worker

import "syscall"

// processAttributes: a group of its own, as Ctrl-C is the front's business. The
// end of the link ends the worker where there is no parent-death signal.
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
