package listen

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// listenUnix listens on the file of a Unix socket. A file that nobody listens on
// any more is replaced.
func listenUnix(a Addr, c Config) (*Listener, error) {
	if longest := len(syscall.RawSockaddrUnix{}.Path) - 1; len(a.Path) > longest {
		return nil, fmt.Errorf("address %v: the path has %d octets, and the system allows %d: choose a shorter one, or a relative one", a, len(a.Path), longest)
	}
	unlock, err := lockFolder(filepath.Dir(a.Path))
	if err != nil {
		return nil, fmt.Errorf("address %v: %w", a, err)
	}
	defer unlock()
	if err := removeStale(a); err != nil {
		return nil, err
	}
	fd, err := newSocket(syscall.AF_UNIX)
	if err != nil {
		return nil, fmt.Errorf("listen on %v: %w", a, err)
	}
	l := &Listener{fd: fd, addr: a}
	if err := l.bindUnix(c); err != nil {
		_ = l.Close()
		return nil, err
	}
	return l, nil
}

// bindUnix sets the mode before anybody can connect: until listen, a connection
// is refused.
func (l *Listener) bindUnix(c Config) error {
	mode, err := c.mode()
	if err != nil {
		return err
	}
	path := l.addr.Path
	if err := syscall.Bind(l.fd, &syscall.SockaddrUnix{Name: path}); err != nil {
		return fmt.Errorf("listen on %v: %w: rickhouse must be allowed to make files in %s", l.addr, os.NewSyscallError("bind", err), filepath.Dir(path))
	}
	if l.file, err = os.Lstat(path); err != nil {
		return fmt.Errorf("listen on %v: %w", l.addr, err)
	}
	if err := os.Chmod(path, mode); err != nil {
		return fmt.Errorf("listen on %v: %w", l.addr, err)
	}
	if err := syscall.Listen(l.fd, c.Backlog); err != nil {
		return fmt.Errorf("listen on %v: %w", l.addr, os.NewSyscallError("listen", err))
	}
	return nil
}

// removeFile removes the socket's file, unless somebody has put another in its
// place.
func (l *Listener) removeFile() error {
	if l.file == nil {
		return nil
	}
	now, err := os.Lstat(l.addr.Path)
	if err == nil && os.SameFile(now, l.file) {
		err = os.Remove(l.addr.Path)
	}
	l.file = nil
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the file of a socket: %w", err)
	}
	return nil
}

// removeStale makes room for a socket if what is there is one that nobody
// listens on.
func removeStale(a Addr) error {
	st, err := os.Lstat(a.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("address %v: %w", a, err)
	case st.Mode().Type() != fs.ModeSocket:
		return fmt.Errorf("address %v: a file that is not a socket is in the way; remove it, or choose another path", a)
	}
	switch err := probe(a.Path); {
	case errors.Is(err, syscall.ECONNREFUSED):
		if err := os.Remove(a.Path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("address %v: remove a socket that nobody listens on: %w", a, err)
		}
		return nil
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err == nil || errors.Is(err, syscall.EAGAIN):
		return fmt.Errorf("address %v is already in use: another process listens there (find it with: ss -lxp src %s); stop it, or choose another path with -b", a, a.Path)
	default:
		return fmt.Errorf("address %v: a socket is there already, and whether anybody listens cannot be told: %w", a, err)
	}
}

// probe connects without waiting: EAGAIN is a listener whose backlog is full.
func probe(path string) error {
	fd, err := newSocket(syscall.AF_UNIX)
	if err != nil {
		return err
	}
	defer func() { _ = syscall.Close(fd) }()
	return os.NewSyscallError("connect", syscall.Connect(fd, &syscall.SockaddrUnix{Name: path}))
}

// lockFolder keeps another rickhouse from taking the file that this one is about
// to make for a stale one: between bind and listen it looks like that. Who
// holds the lock for long is somebody else, and is not waited for.
func lockFolder(path string) (unlock func(), err error) {
	folder, err := os.Open(path)
	if errors.Is(err, fs.ErrPermission) {
		return func() {}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("the folder of the socket: %w", err)
	}
	for range 100 {
		if err := syscall.Flock(int(folder.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); !errors.Is(err, syscall.EWOULDBLOCK) {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	return func() { _ = folder.Close() }, nil
}
