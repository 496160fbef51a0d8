package testkit

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Options say how a server is started.
type Options struct {
	// Binary is the server; Args follow "serve". Without a -b among them it
	// listens on a free port of the loopback.
	Binary string
	Args   []string
	// Bound says that the configuration says where it listens.
	Bound bool
	// Dir is the current folder, Env the whole environment; nil inherits.
	Dir string
	Env []string
}

// Server is a running server.
type Server struct {
	// URL is the first address it printed, without a slash at the end.
	URL string
	// Log is what it wrote to stdout and stderr.
	Log *Log

	cmd    *exec.Cmd
	exited chan struct{}
}

// Launch starts a server and does not wait for it to serve.
func Launch(o Options) (*Server, error) {
	args := append([]string{"serve"}, o.Args...)
	if !o.Bound && !slices.Contains(args, "-b") {
		args = append(args, "-b", "127.0.0.1:0")
	}
	s := &Server{Log: &Log{}, cmd: exec.Command(o.Binary, args...), exited: make(chan struct{})}
	s.cmd.Dir, s.cmd.Env = o.Dir, o.Env
	s.cmd.Stdout, s.cmd.Stderr = s.Log, s.Log
	s.cmd.SysProcAttr = attributes()
	// A worker that outlives the server would hold the pipes open. What the server
	// wrote last has to be read all the same, however slow the machine is.
	s.cmd.WaitDelay = Patience / 4
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting the server: %w", err)
	}
	go func() {
		_ = s.cmd.Wait()
		close(s.exited)
	}()
	return s, nil
}

// Start starts a server and waits until it serves.
func Start(o Options) (*Server, error) {
	s, err := Launch(o)
	if err != nil {
		return nil, err
	}
	if err := s.Ready(); err != nil {
		s.Kill()
		return nil, err
	}
	return s, nil
}

// Ready waits until the server has said that it serves, and at which URL.
func (s *Server) Ready() error {
	return Until(Patience, func() (bool, string) {
		text := s.Log.String()
		if _, rest, ok := strings.Cut(text, "serving addresses="); ok && strings.Contains(rest, "\n") {
			s.URL = strings.Trim(strings.Fields(rest)[0], `"`)
			return true, ""
		}
		select {
		case <-s.exited:
			return false, "the server ended:\n" + text
		default:
			return false, "the server does not serve:\n" + text
		}
	})
}

// PID is the process id of the front.
func (s *Server) PID() int { return s.cmd.Process.Pid }

// Addr is the host and port of URL, or the path of a Unix socket.
func (s *Server) Addr() string {
	if path, ok := strings.CutPrefix(s.URL, "unix:"); ok {
		return path
	}
	return strings.TrimPrefix(strings.TrimPrefix(s.URL, "http://"), "https://")
}

// Dial opens a connection to the server.
func (s *Server) Dial() (net.Conn, error) {
	network := "tcp"
	if strings.HasPrefix(s.URL, "unix:") {
		network = "unix"
	}
	return net.DialTimeout(network, s.Addr(), Patience)
}

// Client is an HTTP client of the server. It follows no redirects, keeps at
// most connections idle ones (none if 0), and never repeats a request.
func (s *Server) Client(connections int) *http.Client {
	return &http.Client{
		Timeout:       Patience,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext:         func(context.Context, string, string) (net.Conn, error) { return s.Dial() },
			DisableKeepAlives:   connections == 0,
			MaxIdleConnsPerHost: connections,
			DisableCompression:  true,
		},
	}
}

// Workers waits until the front has exactly n children and returns them.
func (s *Server) Workers(n int) ([]int, error) {
	var workers []int
	err := Until(Patience, func() (bool, string) {
		workers = Children(s.PID())
		return len(workers) == n, fmt.Sprintf("the front has the children %v, not %d", workers, n)
	})
	return workers, err
}

// Signal sends a signal to the front alone.
func (s *Server) Signal(sig syscall.Signal) error { return s.cmd.Process.Signal(sig) }

// Interrupt sends SIGINT to the front's process group, as Ctrl-C does.
func (s *Server) Interrupt() error { return syscall.Kill(-s.PID(), syscall.SIGINT) }

// Exit waits for the end and returns the exit status, -1 after a signal.
func (s *Server) Exit(within time.Duration) (int, error) {
	select {
	case <-s.exited:
		return s.cmd.ProcessState.ExitCode(), nil
	case <-time.After(within):
		return 0, fmt.Errorf("the server still runs after %v:\n%s", within, s.Log)
	}
}

// Stop asks the server to stop and waits until it and its workers are gone.
func (s *Server) Stop() error {
	workers := Children(s.PID())
	if err := s.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	if _, err := s.Exit(Patience); err != nil {
		return err
	}
	return Gone(workers, Patience)
}

// Kill ends the server at once, if it still runs.
func (s *Server) Kill() {
	select {
	case <-s.exited:
		return
	default:
	}
	_ = s.cmd.Process.Kill()
	<-s.exited
}

// Sane reports an error if the log shows a data race, a panic or a bug of the
// server that it survived.
func (s *Server) Sane() error {
	text := s.Log.String()
	for _, sign := range []string{"WARNING: DATA RACE", "panic:", "a bug in the server", "fatal error:"} {
		if at := strings.Index(text, sign); at >= 0 {
			return fmt.Errorf("the server is not sound:\n%s", text[at:min(len(text), at+8000)])
		}
	}
	return nil
}
