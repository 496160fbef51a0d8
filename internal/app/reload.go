package app

import (
	"errors"
	"fmt"
	"time"

	"rickhouse/internal/back/python"
	"rickhouse/internal/config"
	"rickhouse/internal/control"
	"rickhouse/internal/exchange"
)

// asked is somebody who wants the configuration to be loaded again, and is told
// how that went.
type asked func(control.Outcome)

// reloads serves and loads the configuration again whenever somebody asks, until
// an error ends that.
func (s *server) reloads() error {
	for {
		if err := s.await(func() bool { return len(s.asked) > 0 }, nil, stopNow); err != nil {
			return err
		}
		who := s.asked // who asks from now on wants it again
		s.asked = nil
		s.notify.Reloading()
		outcome, err := s.reload()
		s.notify.Ready()
		for _, tell := range who {
			tell(outcome)
		}
		if err != nil {
			return err
		}
	}
}

// refusal is why a reload is refused.
type refusal struct {
	status  control.Status
	details []string
}

func (r *refusal) Error() string { return "the configuration is not reloaded" }

func refuse(err error) error {
	return &refusal{control.Refused, []string{err.Error()}}
}

// reload changes the server to what the configuration says now, or nothing at
// all. An error ends the server.
func (s *server) reload() (control.Outcome, error) {
	began := time.Now()
	cfg, warnings, err := s.env.Load()
	var o control.Outcome
	for _, w := range warnings {
		s.log.Warn("in the configuration: " + w.String())
		o.Warnings = append(o.Warnings, w.String())
	}
	var changes []config.Change
	if err == nil {
		changes = append(config.Diff(s.now.cfg, cfg), s.now.changes(routeContents(cfg))...)
		err = s.change(cfg, changes)
	} else {
		err = invalid(err)
	}
	var no *refusal
	switch {
	case errors.As(err, &no):
		o.Status, o.Details = no.status, no.details
		for _, d := range no.details {
			s.log.Error("the configuration is not reloaded, the server goes on as it was", "reason", d)
		}
		return o, nil
	case err != nil:
		o.Status, o.Details = control.Refused, []string{err.Error()}
		return o, err
	case len(changes) == 0:
		o.Status = control.Unchanged
		s.log.Info("the configuration is as it was")
		return o, nil
	}
	o.Status = control.Done
	for _, c := range changes {
		o.Details = append(o.Details, c.String())
		s.log.Info("changed: " + c.String())
	}
	s.log.Info("the configuration is reloaded", "changes", len(changes), "in", time.Since(began).Round(time.Millisecond))
	return o, nil
}

// invalid is the refusal of a configuration with mistakes.
func invalid(err error) error {
	r := &refusal{status: control.Invalid}
	var mistakes config.Mistakes
	if !errors.As(err, &mistakes) {
		return refuse(err)
	}
	for _, m := range mistakes {
		r.details = append(r.details, m.String())
	}
	return r
}

// change makes all that cfg wants, and switches to it once all of it is there.
func (s *server) change(cfg config.Server, changes []config.Change) error {
	if len(changes) == 0 {
		return nil
	}
	if err := s.changeable(cfg, changes); err != nil {
		return err
	}
	set, err := newSettings(cfg)
	if err != nil {
		return refuse(err)
	}
	sockets, err := s.listen(cfg)
	if err != nil {
		return refuse(err)
	}
	certificates, err := s.openCerts(cfg, &sockets)
	if err != nil {
		sockets.closeBut(&s.listening)
		return refuse(err)
	}
	g, err := s.prepare(cfg)
	if err == nil {
		err = s.movePID(cfg.General.PIDFile)
	}
	if err != nil {
		s.discard(g)
		sockets.closeBut(&s.listening)
		if certificates.store != nil && certificates.store != s.certs.store {
			certificates.store.Close()
		}
		return err
	}
	s.settings = set
	s.useCerts(certificates)
	return s.turnTo(g, sockets)
}

// changeable is the refusal of what cannot be changed, or nil.
func (s *server) changeable(cfg config.Server, changes []config.Change) error {
	r := &refusal{status: control.Refused}
	for _, c := range changes {
		if c.Restart {
			r.details = append(r.details, c.String()+": the server has to be started again for it")
		}
	}
	if len(r.details) > 0 {
		return r
	}
	if err := s.notLive(cfg); err != nil {
		return refuse(err)
	}
	if err := cfg.Spool.Try(); err != nil {
		return refuse(err)
	}
	return nil
}

// turnTo has g answer, at its sockets, and everything go by its configuration.
func (s *server) turnTo(g *generation, sockets listening) error {
	before := s.now
	s.cfg = g.cfg
	s.store.Use(s.cfg.Spool)
	s.tele.Change(s.cfg.Telemetry)
	s.use(g)
	s.leave(before)
	for _, a := range g.apps {
		if !before.has(a) {
			s.warnOfTwin(a)
		}
	}
	if err := s.listenTo(sockets); err != nil {
		return err
	}
	s.changeListeners()
	if !before.cfg.Certs.On() {
		s.trust()
	}
	return nil
}

// prepare makes a generation whose applications are ready.
func (s *server) prepare(cfg config.Server) (*generation, error) {
	g, err := s.newGeneration(cfg)
	if err != nil {
		return g, refuse(err)
	}
	if err := s.await(g.ready, nil, stopNow); err != nil {
		return g, err
	}
	if err := g.failed(); err != nil {
		return g, notStarted(err)
	}
	return g, nil
}

// notStarted is the refusal because an application cannot be started.
func notStarted(err error) error {
	r := &refusal{control.Refused, []string{err.Error()}}
	var start *python.StartError
	if errors.As(err, &start) && start.Traceback != "" {
		r.details = append(r.details, start.Traceback)
	}
	return r
}

// discard ends what was made for a generation that is not to be used.
func (s *server) discard(g *generation) {
	for _, a := range g.apps {
		if a.users == 1 {
			a.until = time.Now()
		}
	}
	s.retire(g)
}

// leave has the applications of before that are not in use any more end, within
// shutdown_timeout even if something still uses before.
func (s *server) leave(before *generation) {
	before.drain(s.now)
	timeout := s.cfg.General.ShutdownTimeout
	for _, a := range before.apps {
		if s.now.has(a) {
			continue
		}
		a.until = time.Now().Add(timeout)
		a.home.Post(exchange.TaskFunc(a.app.Drain))
		time.AfterFunc(timeout, func() { s.events.post(event{kind: appOverdue, app: a}) })
	}
}

// command does what came by the control socket. It is called on any goroutine.
func (s *server) command(name string) control.Outcome {
	if name != "reload" {
		return control.Outcome{Status: control.Refused, Details: []string{fmt.Sprintf("there is no command %q", name)}}
	}
	told := make(chan control.Outcome, 1)
	s.events.post(event{kind: reloadAsked, tell: func(o control.Outcome) { told <- o }})
	select {
	case o := <-told:
		return o
	case <-s.ended:
		return control.Outcome{Status: control.Refused, Details: []string{"the server stops"}}
	}
}
