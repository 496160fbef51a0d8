//go:build linux && (amd64 || arm64) && !noepoll

package loop

import (
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"syscall"
	"unsafe"
)

const (
	// maxPieces bounds the pieces of one writev.
	maxPieces = 64
	// maxSendFile bounds what one SendFile gives a client that takes it as fast
	// as it comes: others are to have their turn.
	maxSendFile = 1 << 20

	messageFlags = syscall.MSG_DONTWAIT | syscall.MSG_NOSIGNAL
)

// stream is a Stream on a socket in epoll. Its calls ask the kernel not to
// wait each time, so that a socket that somebody else put into blocking mode
// cannot hold the process up.
type stream struct {
	l    *Loop
	h    Handler
	fd   int32 // -1 when closed
	want uint32
}

// Attach makes a Stream of fd, a connected socket in non-blocking mode, and
// takes it over: on an error, too, fd is closed.
func (l *Loop) Attach(fd int, h Handler) (Stream, error) {
	s := &stream{l: l, h: h, fd: int32(fd), want: eventIn}
	if err := l.poll.add(fd, s, eventIn); err != nil {
		_ = syscall.Close(fd)
		return nil, err
	}
	return s, nil
}

func (s *stream) handler() Handler     { return s.h }
func (s *stream) SetHandler(h Handler) { s.h = h }
func (s *stream) open() bool           { return s.fd >= 0 }

// event delivers what epoll says. Octets that came before an end are read before
// the end is told, if reading is wanted.
func (s *stream) event(ev uint32) {
	s.l.current = s
	readable := ev&s.want&eventIn != 0
	if ev&(eventErr|eventHup) != 0 && !readable {
		s.h.Hup(s.failure(ev))
		return
	}
	if readable {
		s.h.Readable()
	}
	if ev&s.want&eventOut != 0 && s.fd >= 0 {
		s.h.Writable()
	}
}

// failure is why the kernel reports an end.
func (s *stream) failure(ev uint32) error {
	n, err := syscall.GetsockoptInt(int(s.fd), syscall.SOL_SOCKET, syscall.SO_ERROR)
	switch {
	case err != nil:
		return os.NewSyscallError("getsockopt", err)
	case n != 0:
		return syscall.Errno(n)
	case ev&eventErr != 0:
		return syscall.EPIPE
	}
	return io.EOF
}

func (s *stream) Read(p []byte) (int, error) {
	if s.fd < 0 {
		return 0, net.ErrClosed
	}
	if len(p) == 0 {
		return 0, nil
	}
	for {
		n, _, e := syscall.RawSyscall6(syscall.SYS_RECVFROM, uintptr(s.fd), uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)), syscall.MSG_DONTWAIT, 0, 0)
		if e == syscall.EINTR {
			continue
		}
		return received(n, "recvfrom", e)
	}
}

// received gives the outcome of a system call that reads.
func received(n uintptr, call string, e syscall.Errno) (int, error) {
	switch {
	case e == syscall.EAGAIN:
		return 0, ErrAgain
	case e != 0:
		return 0, os.NewSyscallError(call, e)
	case n == 0:
		return 0, io.EOF
	}
	return int(n), nil
}

func (s *stream) Write(p []byte) (int, error) { return s.send(p, messageFlags) }

func (s *stream) WriteMore(p []byte) (int, error) { return s.send(p, messageFlags|syscall.MSG_MORE) }

// send writes p with flags of sendto.
func (s *stream) send(p []byte, flags uintptr) (int, error) {
	if s.fd < 0 {
		return 0, net.ErrClosed
	}
	if len(p) == 0 {
		return 0, nil
	}
	for {
		n, _, e := syscall.RawSyscall6(syscall.SYS_SENDTO, uintptr(s.fd), uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)), flags, 0, 0)
		if e == syscall.EINTR {
			continue
		}
		return sent(n, len(p), "sendto", e)
	}
}

// sent gives the outcome of a system call that writes: one that takes less than
// all has filled the socket.
func sent(n uintptr, all int, call string, e syscall.Errno) (int, error) {
	switch {
	case e == syscall.EAGAIN:
		return 0, ErrAgain
	case e != 0:
		return 0, os.NewSyscallError(call, e)
	case int(n) < all:
		return int(n), ErrAgain
	}
	return int(n), nil
}

func (s *stream) Writev(pieces [][]byte) (int, error) {
	if s.fd < 0 {
		return 0, net.ErrClosed
	}
	total := 0
	for len(pieces) > 0 {
		n, used, err := s.writev(pieces)
		total += n
		if err != nil {
			return total, err
		}
		pieces = pieces[used:]
	}
	return total, nil
}

// writev writes as many of pieces as one call takes.
func (s *stream) writev(pieces [][]byte) (n, used int, err error) {
	p := &s.l.poll
	count, all := 0, 0
	for used < len(pieces) && count < maxPieces {
		if b := pieces[used]; len(b) > 0 {
			p.iov[count].Base = &b[0]
			p.iov[count].SetLen(len(b))
			all += len(b)
			count++
		}
		used++
	}
	if count == 0 {
		return 0, used, nil
	}
	p.msg = syscall.Msghdr{Iov: &p.iov[0]}
	setIovlen(&p.msg, count)
	r, e := s.sendmsg()
	clear(p.iov[:count])
	n, err = sent(r, all, "sendmsg", e)
	return n, used, err
}

func (s *stream) sendmsg() (uintptr, syscall.Errno) {
	for {
		n, _, e := syscall.RawSyscall(syscall.SYS_SENDMSG, uintptr(s.fd), uintptr(unsafe.Pointer(&s.l.poll.msg)), messageFlags)
		if e != syscall.EINTR {
			return n, e
		}
	}
}

func setIovlen(m *syscall.Msghdr, n int) { m.Iovlen = uint64(n) }

func (s *stream) SendFile(f *os.File, offset, length int64) (int64, error) {
	if s.fd < 0 {
		return 0, net.ErrClosed
	}
	if length <= 0 {
		return 0, nil
	}
	count := min(length, maxSendFile)
	for {
		// The file may have to come from a disk: the scheduler is told.
		n, _, e := syscall.Syscall6(syscall.SYS_SENDFILE, uintptr(s.fd), f.Fd(), uintptr(unsafe.Pointer(&offset)), uintptr(count), 0, 0)
		runtime.KeepAlive(f)
		switch {
		case e == syscall.EINTR:
		case e == 0 && n == 0:
			return 0, io.ErrUnexpectedEOF
		default:
			done, err := sent(n, int(length), "sendfile", e)
			return int64(done), err
		}
	}
}

func (s *stream) ReadMsg(b []byte) (int, []*os.File, error) {
	if s.fd < 0 {
		return 0, nil, net.ErrClosed
	}
	if len(b) == 0 {
		return 0, nil, nil
	}
	p := &s.l.poll
	p.iov[0].Base = &b[0]
	p.iov[0].SetLen(len(b))
	for {
		p.msg = syscall.Msghdr{Iov: &p.iov[0], Control: &p.control[0]}
		setIovlen(&p.msg, 1)
		p.msg.SetControllen(len(p.control))
		r, _, e := syscall.RawSyscall(syscall.SYS_RECVMSG, uintptr(s.fd), uintptr(unsafe.Pointer(&p.msg)), syscall.MSG_DONTWAIT|syscall.MSG_CMSG_CLOEXEC)
		if e == syscall.EINTR {
			continue
		}
		p.iov[0] = syscall.Iovec{}
		n, err := received(r, "recvmsg", e)
		if err != nil || (p.msg.Controllen == 0 && p.msg.Flags&syscall.MSG_CTRUNC == 0) {
			return n, nil, err
		}
		files, err := files(p.control[:p.msg.Controllen], int(p.msg.Flags))
		if err != nil {
			return 0, nil, err
		}
		return n, files, nil
	}
}

func (s *stream) WriteMsg(b []byte, f *os.File) (int, error) {
	if s.fd < 0 {
		return 0, net.ErrClosed
	}
	if len(b) == 0 {
		return 0, errors.New("loop: a descriptor needs an octet to go with")
	}
	p := &s.l.poll
	control := rights(p.control[:0], f)
	p.iov[0].Base = &b[0]
	p.iov[0].SetLen(len(b))
	p.msg = syscall.Msghdr{Iov: &p.iov[0], Control: &control[0]}
	setIovlen(&p.msg, 1)
	p.msg.SetControllen(len(control))
	r, e := s.sendmsg()
	runtime.KeepAlive(f)
	p.iov[0] = syscall.Iovec{}
	return sent(r, len(b), "sendmsg", e)
}

func (s *stream) Want(read, write bool) {
	want := uint32(0)
	if read {
		want |= eventIn
	}
	if write {
		want |= eventOut
	}
	if want == s.want || s.fd < 0 {
		return
	}
	s.want = want
	// Changing what is there fails only where there is nothing.
	_ = s.l.poll.modify(int(s.fd), want)
}

func (s *stream) CloseWrite() error {
	if s.fd < 0 {
		return net.ErrClosed
	}
	return os.NewSyscallError("shutdown", syscall.Shutdown(int(s.fd), syscall.SHUT_WR))
}

func (s *stream) Close(reset bool) {
	if s.fd < 0 {
		return
	}
	fd := int(s.fd)
	s.fd = -1
	s.l.poll.remove(fd)
	if reset {
		_ = syscall.SetsockoptLinger(fd, syscall.SOL_SOCKET, syscall.SO_LINGER, &syscall.Linger{Onoff: 1})
	}
	_ = syscall.Close(fd)
}
