package control

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"rickhouse/internal/listen"
)

const (
	// patience is how long a command may take to be sent, and its outcome to be
	// taken.
	patience = 10 * time.Second
	// maxCommand is how long a command may be, in octets.
	maxCommand = 256
)

// Server answers at a control socket. It is safe for concurrent use.
type Server struct {
	listener *listen.Listener
	sockets  net.Listener
	do       func(command string) Outcome
	running  sync.WaitGroup
}

// Serve listens at path, with mode 0600. do is called for each command, from a
// goroutine of its own, and may take its time.
func Serve(path string, do func(command string) Outcome) (*Server, error) {
	l, err := listen.Listen(listen.Addr{Path: path}, listen.Config{Mode: "0600", Backlog: 16})
	if err != nil {
		return nil, fmt.Errorf("the control socket: %w", err)
	}
	s := &Server{listener: l, do: do}
	if s.sockets, err = fileListener(l.FD()); err != nil {
		return nil, errors.Join(fmt.Errorf("the control socket: %w", err), l.Close())
	}
	s.running.Go(s.accept)
	return s, nil
}

// fileListener makes a net.Listener of a copy of fd.
func fileListener(fd int) (net.Listener, error) {
	syscall.ForkLock.RLock()
	copied, err := syscall.Dup(fd)
	if err == nil {
		syscall.CloseOnExec(copied)
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, os.NewSyscallError("dup", err)
	}
	f := os.NewFile(uintptr(copied), "control")
	defer func() { _ = f.Close() }()
	return net.FileListener(f)
}

func (s *Server) accept() {
	for {
		c, err := s.sockets.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			time.Sleep(100 * time.Millisecond) // no descriptors: those who ask wait
		default:
			s.running.Go(func() { s.serve(c) })
		}
	}
}

func (s *Server) serve(c net.Conn) {
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(patience))
	if !allowed(c) {
		return
	}
	line, err := bufio.NewReader(io.LimitReader(c, maxCommand)).ReadString('\n')
	if err != nil {
		return
	}
	outcome := s.do(strings.TrimSpace(line))
	_ = c.SetDeadline(time.Now().Add(patience))
	_ = json.NewEncoder(c).Encode(outcome)
}

// Close ends listening and waits for the commands that are being done.
func (s *Server) Close() error {
	err := errors.Join(s.listener.Close(), s.sockets.Close())
	s.running.Wait()
	return err
}

// Send sends a command to the server at path and waits for its outcome.
func Send(path, command string) (Outcome, error) {
	c, err := net.DialTimeout("unix", path, patience)
	if err != nil {
		return Outcome{}, fmt.Errorf("no server can be reached at %s: %w", path, errors.Unwrap(err))
	}
	defer func() { _ = c.Close() }()
	if _, err := io.WriteString(c, command+"\n"); err != nil {
		return Outcome{}, fmt.Errorf("asking the server at %s: %w", path, err)
	}
	var o Outcome
	switch err := json.NewDecoder(c).Decode(&o); {
	case errors.Is(err, io.EOF):
		return o, fmt.Errorf("the server at %s ended, or does not listen to this user", path)
	case err != nil:
		return o, fmt.Errorf("reading what the server at %s says: %w", path, err)
	}
	return o, nil
}
