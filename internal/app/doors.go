package app

import (
	"errors"

	"rickhouse/internal/exchange"
	"rickhouse/internal/front/http1"
)

// open begins to accept, with a door on every loop.
func (s *server) open() error {
	parts := http1.Parts{Handler: s.router, Log: s.log, Store: s.store, Spool: s.cfg.Spool}
	if s.tele.Access != nil {
		parts.Observe = s.tele.Access.Finished
	}
	front, err := http1.New(s.cfg.Front, parts)
	if err != nil {
		return err
	}
	s.front = front
	errs := make([]error, len(s.loops))
	tasks := make([]func(), len(s.loops))
	s.doors = make([]*http1.Door, len(s.loops))
	for i, l := range s.loops {
		tasks[i] = func() {
			d := front.Door(l)
			for _, ln := range s.listeners {
				errs[i] = errors.Join(errs[i], d.Serve(ln))
			}
			s.doors[i] = d
		}
	}
	s.onLoops(s.loops, tasks)
	return errors.Join(errs...)
}

// drainDoors ends accepting; every door tells when its last connection is gone.
func (s *server) drainDoors() {
	for _, l := range s.listeners {
		if err := l.Quiesce(); err != nil {
			s.log.Warn("connections may still arrive", "address", l.Addr().String(), "error", err)
		}
	}
	for i, d := range s.doors {
		s.loops[i].Post(exchange.TaskFunc(func() {
			d.Drain(func() { s.events <- event{kind: doorDrained} })
		}))
	}
}

// closeDoors cuts every connection.
func (s *server) closeDoors() {
	tasks := make([]func(), len(s.doors))
	for i, d := range s.doors {
		tasks[i] = d.Close
	}
	s.onLoops(s.loops[:len(tasks)], tasks)
}

func (s *server) openConnections() int64 {
	if s.front == nil {
		return 0
	}
	return s.front.Open()
}
