package testkit

import "syscall"

// attributes puts a server into a process group of its own, as a shell does,
// and lets it end with the tests.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
