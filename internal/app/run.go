package app

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"time"

	"rickhouse/internal/back/python"
	"rickhouse/internal/config"
	"rickhouse/internal/control"
	"rickhouse/internal/exchange"
	"rickhouse/internal/telemetry"
)

// Environment is what a server needs of the process it runs in.
type Environment struct {
	Version        string
	Stdout, Stderr telemetry.Stream
	// Signals stops the server: the first one gently, the second at once.
	Signals <-chan os.Signal
	// Reloads has it load its configuration again, with Load.
	Reloads <-chan struct{}
	Getenv  func(string) string
	// Load loads the configuration.
	Load func() (config.Server, []config.Problem, error)
	// OnServing, if not nil, is called once with the addresses, when they answer.
	OnServing func(urls []string)
}

// closeLog is how long the log may take to be written at the end.
const closeLog = 2 * time.Second

// Run serves until a signal stops it. The error says why it could not start,
// or that it had to stop before its time; a gentle stop that lost nothing gives
// nil.
func Run(cfg config.Server, env Environment) (err error) {
	tele := telemetry.Open(cfg.Telemetry, env.Stdout, env.Stderr)
	defer func() { err = errors.Join(err, tele.Close(closeLog)) }()
	s := newServer(cfg, env, tele)
	if err := s.start(); err != nil {
		s.kill()
		return err
	}
	defer s.removePID()
	serving, err := s.live()
	s.closeControl()
	var stop stopping
	if errors.As(err, &stop) {
		s.notify.Stopping()
		s.log.Info("stopping", "signal", stop.signal.String(), "within", s.cfg.General.ShutdownTimeout)
		return s.stop(serving)
	}
	s.kill()
	return err
}

// stopping is the error that ends waiting when a signal asks for it.
type stopping struct{ signal os.Signal }

// stopNow is what signals do while the server starts or serves.
func stopNow(sig os.Signal) error { return stopping{sig} }

func (e stopping) Error() string { return "stopped by " + e.signal.String() }

// live lives through the server's life, until an error ends it. It reports
// whether requests were served by then.
func (s *server) live() (serving bool, err error) {
	if err := s.await(s.now.ready, nil, stopNow); err != nil {
		return false, err
	}
	if err := s.now.failed(); err != nil {
		return false, s.startError(err)
	}
	if err := s.open(); err != nil {
		return false, err
	}
	if err := writePID(s.cfg.General.PIDFile); err != nil {
		return false, err
	}
	s.announce()
	return true, s.reloads()
}

// await deals with what happens until done reports true. A signal, the end of the
// time and the end of a loop can end it with an error.
func (s *server) await(done func() bool, deadline <-chan time.Time, signaled func(os.Signal) error) error {
	for !done() {
		select {
		case sig := <-s.env.Signals:
			if err := signaled(sig); err != nil {
				return err
			}
		case <-s.env.Reloads:
			s.asked = append(s.asked, func(control.Outcome) {})
		case <-s.events.filled:
			if e, ok := s.events.take(); ok {
				if err := s.happened(e); err != nil {
					return err
				}
			}
		case <-deadline:
			return fmt.Errorf("shutdown_timeout (%v) is over", s.cfg.General.ShutdownTimeout)
		}
	}
	return nil
}

// happened notes an event. An error ends the server.
func (s *server) happened(e event) error {
	switch e.kind {
	case appReady:
		e.app.ready, e.app.info = true, e.info
		s.serveStatic(e.app)
	case appFailed:
		e.app.failed = e.err
	case appStopped:
		delete(s.apps, e.app)
		s.closeStatic(e.app)
		s.lostByUs += e.lost
	case appOverdue:
		s.stopApp(e.app, e.app.until)
	case reloadAsked:
		s.asked = append(s.asked, e.tell)
	case unused:
		s.retire(e.generation)
	case socketLeft:
		s.left(e)
	case doorDrained:
		s.drained++
	case loopEnded:
		return fmt.Errorf("an event loop ended: %w", e.err)
	}
	return nil
}

// startError shows what Python has to say and returns the reason in one line.
func (s *server) startError(err error) error {
	var failed *python.StartError
	if errors.As(err, &failed) && failed.Traceback != "" {
		if _, err := io.WriteString(s.env.Stderr, strings.TrimRight(failed.Traceback, "\n")+"\n"); err != nil {
			return fmt.Errorf("showing the traceback: %w", err)
		}
	}
	return err
}

// stop ends the server in order. The end of the time cuts what is left, and a
// further signal everything.
func (s *server) stop(serving bool) error {
	until := time.Now().Add(s.cfg.General.ShutdownTimeout)
	deadline := time.NewTimer(s.cfg.General.ShutdownTimeout)
	defer deadline.Stop()
	var late error
	if serving {
		for a := range s.apps {
			a.home.Post(exchange.TaskFunc(a.app.Drain))
		}
		for g := range s.generations {
			g.drain(nil)
		}
		doors := s.drainDoors()
		err := s.await(func() bool { return s.drained == doors }, deadline.C, atOnce)
		switch {
		case errors.Is(err, errAtOnce):
			return s.cut(err)
		case err != nil:
			late = s.lost(err)
			s.closeDoors()
		}
	}
	for a := range s.apps {
		s.stopApp(a, until)
	}
	if err := s.await(func() bool { return len(s.apps) == 0 }, nil, atOnce); err != nil {
		return s.cut(err)
	}
	s.release()
	switch {
	case late != nil:
		return late
	case s.lostByUs > 0:
		return fmt.Errorf("%d requests were cut at the end of shutdown_timeout", s.lostByUs)
	}
	s.log.Info("stopped")
	return nil
}

var errAtOnce = errors.New("stopped at once by a further SIGINT")

// atOnce is what signals do while the server stops.
func atOnce(sig os.Signal) error {
	if sig == syscall.SIGINT {
		return errAtOnce
	}
	return nil
}

// cut ends everything at once and says what was lost by it.
func (s *server) cut(why error) error {
	err := s.lost(why)
	s.kill()
	return err
}

func (s *server) lost(why error) error {
	return fmt.Errorf("%w: %d connections were cut", why, s.openConnections())
}
