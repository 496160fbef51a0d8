package app

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"rickhouse/internal/control"
)

// openControl listens for commands. Without a place for the socket there is none,
// unless the configuration names one.
func (s *server) openControl() error {
	setting := s.cfg.General.ControlSocket
	path, err := control.Path(setting, s.cfg.Source, s.env.Getenv)
	if err == nil && path != "" {
		s.control, err = control.Serve(path, s.command)
	}
	switch {
	case err == nil:
		return nil
	case setting != "":
		return fmt.Errorf("control_socket = %q: %w", setting, err)
	}
	s.log.Warn("rickhouse reload cannot reach this server, SIGHUP can", "error", err)
	return nil
}

// closeControl ends listening for commands; those that wait for their outcome are
// told that the server ends. A second call does nothing.
func (s *server) closeControl() {
	if s.control == nil {
		return
	}
	close(s.ended)
	if err := s.control.Close(); err != nil {
		s.warn("cannot close the control socket", err)
	}
	s.control = nil
}

// movePID has the file with the process id be at another path.
func (s *server) movePID(path string) error {
	if path == s.cfg.General.PIDFile {
		return nil
	}
	if err := writePID(path); err != nil {
		return refuse(err)
	}
	s.removePID()
	return nil
}

// writePID writes the file with the process id, whole; nowhere if path is empty.
func writePID(path string) error {
	if path == "" {
		return nil
	}
	next := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+"."+strconv.Itoa(os.Getpid()))
	err := os.WriteFile(next, []byte(strconv.Itoa(os.Getpid())+"\n"), 0o644)
	if err == nil {
		err = os.Rename(next, path)
	}
	if err != nil {
		_ = os.Remove(next)
		return fmt.Errorf("pid_file = %q: %w", path, err)
	}
	return nil
}

// removePID removes the file, unless another process has written its own by now.
func (s *server) removePID() {
	path := s.cfg.General.PIDFile
	if path == "" {
		return
	}
	text, err := os.ReadFile(path)
	if err == nil && strings.TrimSpace(string(text)) == strconv.Itoa(os.Getpid()) {
		err = os.Remove(path)
	}
	if err != nil && !os.IsNotExist(err) {
		s.warn("cannot remove the pid_file", err)
	}
}
