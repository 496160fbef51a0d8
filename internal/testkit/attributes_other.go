//go:build unix && !linux

package testkit

import "syscall"

// attributes puts a server into a process group of its own, as a shell does.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
