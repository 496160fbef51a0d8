//go:build !linux

package loop

import (
	"net/netip"
	"syscall"
	"time"
)

// Monotonic gives the Loop's clock a start that is not 0, which means "never".
func Monotonic() int64 { return int64(time.Second) }

// acceptOne accepts from a non-blocking socket.
func acceptOne(fd int) (int, netip.AddrPort, error) {
	syscall.ForkLock.RLock()
	n, sa, err := syscall.Accept(fd)
	if err == nil {
		syscall.CloseOnExec(n)
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return -1, netip.AddrPort{}, err
	}
	if err := syscall.SetNonblock(n, true); err != nil {
		_ = syscall.Close(n)
		return -1, netip.AddrPort{}, err
	}
	switch in := sa.(type) {
	case *syscall.SockaddrInet4:
		return n, netip.AddrPortFrom(netip.AddrFrom4(in.Addr), uint16(in.Port)), nil
	case *syscall.SockaddrInet6:
		return n, netip.AddrPortFrom(netip.AddrFrom16(in.Addr).Unmap(), uint16(in.Port)), nil
	}
	return n, netip.AddrPort{}, nil
}
