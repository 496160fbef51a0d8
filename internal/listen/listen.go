package listen

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"sync"
	"syscall"
)

// A Listener is a listening stream socket.
type Listener struct {
	fd   int
	addr Addr

	once sync.Once
	// file is the file of a Unix socket that this Listener made, or nil.
	file os.FileInfo
}

// Listen opens a. What it returns is non-blocking and close-on-exec.
func Listen(a Addr, c Config) (*Listener, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	c = c.WithDefaults()
	switch {
	case a.Inherited:
		return inherit(a)
	case a.Path != "":
		return listenUnix(a, c)
	}
	return listenTCP(a, c)
}

// FD is the listening socket. It stays the Listener's.
func (l *Listener) FD() int { return l.fd }

// Addr is where the Listener really listens: with the port that the system
// chose, and the address of an inherited socket.
func (l *Listener) Addr() Addr { return l.addr }

// Quiesce lets no new connection begin, so that all that the kernel holds can be
// accepted before Close: the file of a Unix socket is removed, and TCP ignores
// who asks to connect (the client asks again a second later, and finds whoever
// listens then). A TCP handshake that has begun goes on to its end: accept for
// another moment, at least a round trip, before Close. An inherited socket may
// be somebody else's too and is left alone.
func (l *Listener) Quiesce() error {
	switch {
	case l.addr.Inherited:
		return nil
	case l.addr.Path != "":
		return l.removeFile()
	}
	return ignoreNew(l.fd)
}

// Close closes the socket, and removes its file if that is still the
// Listener's. No loop may accept from it any more.
func (l *Listener) Close() error {
	var err error
	l.once.Do(func() {
		err = errors.Join(l.removeFile(), os.NewSyscallError("close", syscall.Close(l.fd)))
	})
	return err
}

// newSocket makes a socket that is non-blocking and close-on-exec.
func newSocket(family int) (int, error) {
	syscall.ForkLock.RLock()
	fd, err := syscall.Socket(family, syscall.SOCK_STREAM, 0)
	if err == nil {
		syscall.CloseOnExec(fd)
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	if err := syscall.SetNonblock(fd, true); err != nil {
		_ = syscall.Close(fd)
		return -1, os.NewSyscallError("fcntl", err)
	}
	return fd, nil
}

// inherit takes over a socket that the process was started with.
func inherit(a Addr) (*Listener, error) {
	kind, err := syscall.GetsockoptInt(a.FD, syscall.SOL_SOCKET, syscall.SO_TYPE)
	switch {
	case errors.Is(err, syscall.EBADF):
		return nil, fmt.Errorf("%v: no such descriptor was inherited: whoever starts rickhouse must pass a listening socket with that number", a)
	case errors.Is(err, syscall.ENOTSOCK):
		return nil, fmt.Errorf("%v is not a socket: pass a listening TCP or Unix socket", a)
	case err != nil:
		return nil, fmt.Errorf("%v: %w", a, os.NewSyscallError("getsockopt", err))
	case kind != syscall.SOCK_STREAM:
		return nil, fmt.Errorf("%v is not a stream socket: pass a listening TCP or Unix socket", a)
	}
	listening, err := syscall.GetsockoptInt(a.FD, syscall.SOL_SOCKET, syscall.SO_ACCEPTCONN)
	if err == nil && listening == 0 {
		return nil, fmt.Errorf("%v is a socket that does not listen: whoever passes it must call listen first (systemd: Accept=no)", a)
	}
	syscall.CloseOnExec(a.FD)
	if err := syscall.SetNonblock(a.FD, true); err != nil {
		return nil, fmt.Errorf("%v: %w", a, os.NewSyscallError("fcntl", err))
	}
	l := &Listener{fd: a.FD, addr: a}
	if err := l.locate(); err != nil {
		return nil, fmt.Errorf("%v: %w", a, err)
	}
	if l.addr.Path != "" {
		l.addr.TLS = false // none is spoken on Unix sockets
		return l, nil
	}
	if err := noDelay(l.fd); err != nil {
		return nil, fmt.Errorf("%v: %w", a, err)
	}
	return l, nil
}

// locate asks the kernel where the socket listens. Of an address that the user
// wrote only the port can be news.
func (l *Listener) locate() error {
	sa, err := syscall.Getsockname(l.fd)
	if err != nil {
		return os.NewSyscallError("getsockname", err)
	}
	host := l.addr.Host
	switch sa := sa.(type) {
	case *syscall.SockaddrUnix:
		l.addr.Path = sa.Name
	case *syscall.SockaddrInet4:
		l.addr.Port = sa.Port
		host = netip.AddrFrom4(sa.Addr).String()
	case *syscall.SockaddrInet6:
		l.addr.Port = sa.Port
		host = netip.AddrFrom16(sa.Addr).String()
	}
	if l.addr.Inherited {
		l.addr.Host = host
	}
	return nil
}

// Change has l go by c as far as a socket that listens can: its backlog, and the mode
// of the file that it made. An inherited socket may be somebody else's too and is
// left alone.
func (l *Listener) Change(c Config) error {
	mode, err := c.mode()
	if err != nil || l.addr.Inherited {
		return err
	}
	if l.file != nil {
		if err := os.Chmod(l.addr.Path, mode); err != nil {
			return fmt.Errorf("listen on %v: %w", l.addr, err)
		}
	}
	if err := syscall.Listen(l.fd, c.WithDefaults().Backlog); err != nil {
		return fmt.Errorf("listen on %v: %w", l.addr, os.NewSyscallError("listen", err))
	}
	return nil
}
