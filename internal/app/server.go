package app

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"rickhouse/internal/back/python"
	"rickhouse/internal/back/static"
	"rickhouse/internal/certs"
	"rickhouse/internal/config"
	"rickhouse/internal/exchange"
	"rickhouse/internal/front/http1"
	"rickhouse/internal/front/http3"
	"rickhouse/internal/listen"
	"rickhouse/internal/loop"
	"rickhouse/internal/route"
	"rickhouse/internal/spool"
	"rickhouse/internal/telemetry"
	wire "rickhouse/internal/wire/worker"
	"rickhouse/internal/worker"
	side "rickhouse/python"
)

// server is a Server of the configuration in the making, running or ending. It
// belongs to the goroutine that called Run.
type server struct {
	cfg    config.Server
	env    Environment
	log    *slog.Logger
	tele   *telemetry.Telemetry
	events chan event

	loops     []*loop.Loop
	running   sync.WaitGroup
	listeners []*listen.Listener
	redirect  *listen.Listener // of redirect_http, or nil
	certs     *certs.Store     // nil without TLS
	store     *spool.Store
	spawner   *worker.Spawner
	apps      []*python.App
	infos     []wire.Info
	router    *route.Router
	files     []*static.Handler
	pool      *static.Pool // of files; nil if there are none
	front     *http1.Front
	doors     []doors
	http3     *http3.Front // nil without HTTP/3
	quic      []quicSocket
	released  bool
}

// start brings up everything but accepting.
func (s *server) start() error {
	var err error
	if err := s.listen(); err != nil {
		return err
	}
	if err := s.listenUDP(); err != nil {
		return err
	}
	if err := s.openCerts(); err != nil {
		return err
	}
	if s.store, err = spool.NewStore(s.cfg.Spool); err != nil {
		return err
	}
	if err := s.startLoops(); err != nil {
		return err
	}
	handlers, err := s.startApps()
	if err != nil {
		return err
	}
	return s.startRoutes(handlers)
}

func (s *server) startLoops() error {
	n := s.cfg.General.Loops
	if n == 0 {
		n = defaultLoops(runtime.GOMAXPROCS(0))
	}
	for range n {
		l, err := loop.New(loop.Config{OnPanic: func(value any, stack []byte) {
			s.log.Error("a bug in the server: a handler panicked", "panic", fmt.Sprint(value), "stack", string(stack))
		}})
		if err != nil {
			return err
		}
		s.loops = append(s.loops, l)
		s.running.Go(func() {
			if err := l.Run(); err != nil {
				s.events <- event{kind: loopEnded, err: err}
			}
		})
	}
	return nil
}

// defaultLoops leaves most processors to Python: a loop serves more than a
// worker can answer, and every further one costs wake-ups (docs/adr/0002).
func defaultLoops(processors int) int { return max(1, processors/4) }

func (s *server) loopOf(app int) *loop.Loop { return s.loops[app%len(s.loops)] }

// startApps starts the applications, and returns them by name.
func (s *server) startApps() (map[string]exchange.Handler, error) {
	handlers := map[string]exchange.Handler{}
	if len(s.cfg.Apps) == 0 {
		return handlers, nil
	}
	root, err := worker.Unpack(side.Files(), s.env.Getenv)
	if err != nil {
		return nil, err
	}
	s.spawner = worker.NewSpawner()
	s.infos = make([]wire.Info, len(s.cfg.Apps))
	for i, c := range s.cfg.Apps {
		program, err := s.program(c, root)
		if err != nil {
			return nil, fmt.Errorf("application %s: %w", c.Name, err)
		}
		log := s.log.With(telemetry.AppKey, c.Name)
		a, err := python.New(c.Config, python.Parts{
			Name: c.Name, Server: "rickhouse/" + s.env.Version, Loop: s.loopOf(i), Spawner: s.spawner,
			Program: program, Store: s.store, Memory: int(s.cfg.Spool.WithDefaults().Memory), Log: log,
			Output: func(number int, stream string, line []byte) {
				log.Info(string(line), telemetry.WorkerKey, number, "stream", stream)
			},
			OnReady: func(info wire.Info) {
				s.infos[i] = info
				s.events <- event{kind: appReady, app: i}
			},
			OnFailed: func(err *python.StartError) { s.events <- event{kind: appFailed, app: i, err: err} },
		})
		if err != nil {
			return nil, fmt.Errorf("application %s: %w", c.Name, err)
		}
		s.apps = append(s.apps, a)
		handlers[c.Name] = a
		s.loopOf(i).Post(exchange.TaskFunc(a.Start))
	}
	return handlers, nil
}

func (s *server) program(c config.App, root string) (worker.Program, error) {
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
	return worker.Program{Interpreter: interpreter, Root: root, Directory: dir, Environment: c.Environment}, nil
}

// announce says that the server serves.
func (s *server) announce() {
	b := telemetry.Banner{Version: s.env.Version, PID: os.Getpid(), Config: s.cfg.File}
	for _, l := range s.listeners {
		b.Addresses = append(b.Addresses, l.Addr().URL())
	}
	for i, c := range s.cfg.Apps {
		info := s.infos[i]
		b.Apps = append(b.Apps, telemetry.BannerApp{
			Name: c.Name, Target: c.Target(), Interface: info.Interface, Workers: c.Workers, Threads: c.Threads,
			Python: info.Implementation + " " + info.Python, Twin: info.Twin,
		})
		if info.Twin == "python" && c.Twin == "auto" {
			s.log.Warn("no extension fits this interpreter: requests are served in pure Python, which is slower",
				telemetry.AppKey, c.Name, "python", info.Implementation+" "+info.Python)
		}
	}
	telemetry.Announce(s.log, s.tele.Err, b)
	s.trust()
	if s.env.OnServing != nil {
		s.env.OnServing(b.Addresses)
	}
}

// kill ends everything without waiting for anybody.
func (s *server) kill() {
	loops, tasks := make([]*loop.Loop, len(s.apps)), make([]func(), len(s.apps))
	for i, a := range s.apps {
		loops[i], tasks[i] = s.loopOf(i), a.Kill
	}
	s.closeDoors()
	s.onLoops(loops, tasks)
	s.release()
}

// release gives back what the server holds. Loops stop first, as everything else
// belongs to one of them.
func (s *server) release() {
	if s.released {
		return
	}
	s.released = true
	for _, l := range s.loops {
		l.Stop()
	}
	s.running.Wait()
	s.closeHTTP3()
	for _, l := range s.all() {
		if err := l.Close(); err != nil {
			s.log.Warn("cannot close a listening socket", "address", l.Addr().String(), "error", err)
		}
	}
	if s.certs != nil {
		s.certs.Close()
	}
	s.closeFiles()
	if s.spawner != nil {
		s.spawner.Close()
	}
	if s.store != nil {
		if err := s.store.Close(); err != nil {
			s.log.Warn("cannot close the spool", "error", err)
		}
	}
}

// onLoops runs each task on its loop and waits for all of them.
func (s *server) onLoops(loops []*loop.Loop, tasks []func()) {
	done := make(chan struct{}, len(tasks))
	for i, task := range tasks {
		loops[i].Post(exchange.TaskFunc(func() {
			task()
			done <- struct{}{}
		}))
	}
	late := time.After(loopPatience)
	for range tasks {
		select {
		case <-done:
		case <-late:
			s.log.Error("an event loop does not answer")
			return
		}
	}
}

// loopPatience is how long a loop may take to come round to a task.
const loopPatience = 5 * time.Second
