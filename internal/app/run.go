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
	"rickhouse/internal/exchange"
	"rickhouse/internal/telemetry"
)

// Environment is what a server needs of the process it runs in.
type Environment struct {
	Version        string
	Stdout, Stderr telemetry.Stream
	// Signals stops the server: the first one gently, the second at once.
	Signals <-chan os.Signal
	Getenv  func(string) string
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
	s := &server{cfg: cfg, env: env, log: tele.Log, tele: tele, events: make(chan event, 64)}
	if err := s.start(); err != nil {
		s.kill()
		return err
	}
	return s.wait()
}

// event is what the loops tell the goroutine that runs the server.
type event struct {
	kind eventKind
	app  int
	err  error
}

type eventKind uint8

const (
	appReady eventKind = iota
	appFailed
	doorDrained
	appStopped
	loopEnded
)

// wait lives through the server's life.
func (s *server) wait() error {
	waiting := len(s.apps)
	if waiting == 0 {
		if err := s.serve(); err != nil {
			return err
		}
	}
	for {
		select {
		case sig := <-s.env.Signals:
			s.log.Info("stopping", "signal", sig.String(), "within", s.cfg.General.ShutdownTimeout)
			return s.stop(waiting == 0)
		case e := <-s.events:
			switch e.kind {
			case appReady:
				if waiting--; waiting > 0 {
					continue
				}
				if err := s.serve(); err != nil {
					return err
				}
			case appFailed:
				s.kill()
				return s.startError(e)
			case loopEnded:
				s.kill()
				return fmt.Errorf("an event loop ended: %w", e.err)
			}
		}
	}
}

// serve opens the doors, as all that answers is ready.
func (s *server) serve() error {
	if err := s.open(); err != nil {
		s.kill()
		return err
	}
	s.announce()
	return nil
}

// startError shows what Python has to say and returns the reason in one line.
func (s *server) startError(e event) error {
	var failed *python.StartError
	if errors.As(e.err, &failed) && failed.Traceback != "" {
		if _, err := io.WriteString(s.env.Stderr, strings.TrimRight(failed.Traceback, "\n")+"\n"); err != nil {
			return fmt.Errorf("showing the traceback: %w", err)
		}
	}
	return fmt.Errorf("application %s cannot be started: %w", s.cfg.Apps[e.app].Name, e.err)
}

// stop ends the server in order. The end of the time cuts what is left, and a
// further signal everything.
func (s *server) stop(serving bool) error {
	until := time.Now().Add(s.cfg.General.ShutdownTimeout)
	deadline := time.NewTimer(s.cfg.General.ShutdownTimeout)
	defer deadline.Stop()
	var late error
	if serving {
		for i, a := range s.apps {
			s.loopOf(i).Post(exchange.TaskFunc(a.Drain))
		}
		err := s.await(doorDrained, s.drainDoors(), deadline.C)
		switch {
		case errors.Is(err, errAtOnce):
			return s.cut(err)
		case err != nil:
			late = s.lost(err)
			s.closeDoors()
		}
	}
	n, err := s.stopApps(until)
	if err != nil {
		return s.cut(err)
	}
	s.release()
	switch {
	case late != nil:
		return late
	case n > 0:
		return fmt.Errorf("%d requests were cut at the end of shutdown_timeout", n)
	}
	s.log.Info("stopped")
	return nil
}

// stopApps stops the applications, each of which bounds its own stop, and returns
// how many requests they lost.
func (s *server) stopApps(until time.Time) (n int, err error) {
	lost := make(chan int, len(s.apps))
	for i, a := range s.apps {
		s.loopOf(i).Post(exchange.TaskFunc(func() {
			a.Stop(time.Until(until), func(n int) {
				lost <- n
				s.events <- event{kind: appStopped}
			})
		}))
	}
	if err := s.await(appStopped, len(s.apps), nil); err != nil {
		return 0, err
	}
	for range s.apps {
		n += <-lost
	}
	return n, nil
}

var errAtOnce = errors.New("stopped at once by a further SIGINT")

// await waits for n events of a kind.
func (s *server) await(kind eventKind, n int, deadline <-chan time.Time) error {
	for n > 0 {
		select {
		case e := <-s.events:
			if e.kind == kind {
				n--
			}
		case sig := <-s.env.Signals:
			if sig == syscall.SIGINT {
				return errAtOnce
			}
		case <-deadline:
			return fmt.Errorf("shutdown_timeout (%v) is over", s.cfg.General.ShutdownTimeout)
		}
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
