package app

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"time"

	"rickhouse/internal/back/python"
	"rickhouse/internal/back/static"
	"rickhouse/internal/config"
	"rickhouse/internal/exchange"
	"rickhouse/internal/loop"
	"rickhouse/internal/telemetry"
	wire "rickhouse/internal/wire/worker"
	"rickhouse/internal/worker"
	side "rickhouse/python"
)

// application is a Python application that runs. It belongs to the goroutine that
// called Run, its app to home.
type application struct {
	cfg  config.App
	home *loop.Loop
	app  *python.App
	// rights are those of its workers; nil for those of this process.
	rights *exchange.Rights
	// beside serves static files before app; nil if it does not.
	beside *static.Beside
	ready  bool
	info   wire.Info // once it is ready
	// failed is why it could not be started, or nil.
	failed error
	// users is how many generations it belongs to that are not closed.
	users    int
	until    time.Time // when it has to have ended, once it is on its way out
	stopping bool
}

// startApps gives g its applications: those of the generation of now that are the
// same, and new ones.
func (s *server) startApps(g *generation) error {
	for _, c := range g.cfg.Apps {
		a := s.now.same(c)
		if a == nil {
			var err error
			if a, err = s.startApp(c); err != nil {
				return fmt.Errorf("application %s: %w", c.Name, err)
			}
		}
		a.users++
		g.apps = append(g.apps, a)
	}
	return nil
}

// same returns the application that is as c has it, or nil.
func (g *generation) same(c config.App) *application {
	if g == nil {
		return nil
	}
	for _, a := range g.apps {
		if reflect.DeepEqual(a.cfg, c) {
			return a
		}
	}
	return nil
}

// startApp starts an application: an event tells when it is ready.
func (s *server) startApp(c config.App) (*application, error) {
	if s.spawner == nil {
		s.spawner = worker.NewSpawner()
	}
	program, err := s.program(c)
	if err != nil {
		return nil, err
	}
	a := &application{cfg: c, home: s.loops[s.started%len(s.loops)], rights: rightsOf(program.Identity)}
	log := s.log.With(telemetry.AppKey, c.Name)
	a.app, err = python.New(c.Config, python.Parts{
		Name: c.Name, Server: "rickhouse/" + s.env.Version, Loop: a.home, Spawner: s.spawner,
		Program: program, Store: s.store, Log: log,
		Output:   func(number int, stream string, line []byte) { telemetry.Printed(log, number, stream, line) },
		OnReady:  func(info wire.Info) { s.events.post(event{kind: appReady, app: a, info: info}) },
		OnFailed: func(err *python.StartError) { s.events.post(event{kind: appFailed, app: a, err: err}) },
	})
	if err != nil {
		return nil, err
	}
	s.newBeside(a)
	s.started++
	s.apps[a] = struct{}{}
	a.home.Post(exchange.TaskFunc(a.app.Start))
	return a, nil
}

// ready reports whether every application of g is ready, or one has failed.
func (g *generation) ready() bool {
	for _, a := range g.apps {
		if !a.ready && a.failed == nil {
			return g.failed() != nil
		}
	}
	return true
}

// failed returns why an application of g could not be started, or nil.
func (g *generation) failed() error {
	for _, a := range g.apps {
		if a.failed != nil {
			return fmt.Errorf("application %s cannot be started: %w", a.cfg.Name, a.failed)
		}
	}
	return nil
}

// stopApp has an application finish what it has begun, by a time at the latest. An
// event tells when it has.
func (s *server) stopApp(a *application, until time.Time) {
	if a.stopping {
		return
	}
	a.stopping = true
	a.home.Post(exchange.TaskFunc(func() {
		a.app.Stop(time.Until(until), func(lost int) {
			s.events.post(event{kind: appStopped, app: a, lost: lost})
		})
	}))
}

// unpack returns the folder of the Python side: one that others can reach, too,
// for workers of another user.
func (s *server) unpack(others bool) (string, error) {
	i := 0
	if others {
		i = 1
	}
	if s.roots[i] == "" {
		root, err := worker.Unpack(side.Files(), s.env.Getenv, others)
		if err != nil {
			return "", err
		}
		s.roots[i] = root
	}
	return s.roots[i], nil
}

// program says what the workers of an application run.
func (s *server) program(c config.App) (worker.Program, error) {
	dir := c.Directory
	if dir == "" {
		dir = "."
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return worker.Program{}, fmt.Errorf("finding the directory: %w", err)
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return worker.Program{}, fmt.Errorf("the directory %s is not there: set directory (--dir) to the application's folder", dir)
	}
	interpreter, err := worker.Interpreter(c.Python, dir, s.env.Getenv)
	if err != nil {
		return worker.Program{}, err
	}
	identity, err := worker.FindIdentity(c.User, c.Group, c.Groups)
	if err != nil {
		return worker.Program{}, err
	}
	root, err := s.unpack(identity != nil)
	if err != nil {
		return worker.Program{}, err
	}
	return worker.Program{
		Interpreter: interpreter, Root: root, Directory: dir, Environment: c.Environment, Identity: identity, Title: c.DisplayName,
	}, nil
}

// banner says what is served with a.
func (a *application) banner() telemetry.BannerApp {
	c := a.cfg
	return telemetry.BannerApp{
		Name: c.Name, Target: c.Target(), Interface: a.info.Interface, Workers: c.Workers, Threads: c.Threads,
		Python: a.info.Implementation + " " + a.info.Python, Twin: a.info.Twin,
	}
}
