//go:build linux && (amd64 || arm64) && !noepoll

package proxy

import (
	"errors"
	"os"
	"syscall"

	"rickhouse/internal/loop"
)

// connect begins a connection on the loop. It is made when h is told that it is
// Writable, or when made is true. tryAgain says that the upstream's backlog is full,
// which only a Unix socket tells.
func connect(l *loop.Loop, a address, h loop.Handler) (s loop.Stream, made, tryAgain bool, err error) {
	family, sa := sockaddr(a)
	fd, err := syscall.Socket(family, syscall.SOCK_STREAM|syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, false, false, os.NewSyscallError("socket", err)
	}
	if family != syscall.AF_UNIX {
		_ = syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1)
	}
	err = syscall.Connect(fd, sa)
	if err != nil && !errors.Is(err, syscall.EINPROGRESS) {
		_ = syscall.Close(fd)
		return nil, false, errors.Is(err, syscall.EAGAIN), os.NewSyscallError("connect", err)
	}
	made = err == nil
	s, err = l.Attach(fd, h)
	return s, made, false, err
}

func sockaddr(a address) (int, syscall.Sockaddr) {
	if a.path != "" {
		return syscall.AF_UNIX, &syscall.SockaddrUnix{Name: a.path}
	}
	ip := a.ip.Addr()
	if ip.Is4() || ip.Is4In6() {
		return syscall.AF_INET, &syscall.SockaddrInet4{Addr: ip.Unmap().As4(), Port: int(a.ip.Port())}
	}
	return syscall.AF_INET6, &syscall.SockaddrInet6{Addr: ip.As16(), Port: int(a.ip.Port())}
}

// raw says that connect works here.
const raw = true
