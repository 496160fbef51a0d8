package app

import (
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"rickhouse/internal/certs"
	"rickhouse/internal/chain"
	"rickhouse/internal/config"
	"rickhouse/internal/control"
	"rickhouse/internal/disk"
	"rickhouse/internal/exchange"
	"rickhouse/internal/front/http1"
	"rickhouse/internal/front/http3"
	"rickhouse/internal/loop"
	"rickhouse/internal/spool"
	"rickhouse/internal/supervise"
	"rickhouse/internal/telemetry"
	"rickhouse/internal/worker"
)

// server is what lives as long as the process: loops, sockets, what stores and
// logs. What belongs to one configuration is a generation. It belongs to the
// goroutine that called Run.
type server struct {
	cfg    config.Server
	env    Environment
	log    *slog.Logger
	tele   *telemetry.Telemetry
	events *mailbox

	loops   []*loop.Loop
	lanes   []*supervise.Lane // one for each loop
	shared  *supervise.SharedLane
	running sync.WaitGroup
	listening
	leaving listening // sockets that are being closed
	certs   certificates
	// handshakes is what handshakes go by: the store of certs, for any goroutine.
	handshakes atomic.Pointer[certs.Store]
	// httpsAt is the port that redirect_http sends clients to.
	httpsAt  atomic.Int64
	store    *spool.Store
	pool     *disk.Pool // what waits for disks; nil before it is needed
	chains   *chain.Shared
	settings *settings // of now
	front    *http1.Front
	doors    []doors
	http3    *http3.Front // nil without HTTP/3
	forward  forwarder

	spawner *worker.Spawner // of applications; nil before there was one
	roots   [2]string       // what the spawner's processes run: of this user, and of others
	started int             // applications, ever
	apps    map[*application]struct{}

	now         *generation
	generations map[*generation]struct{} // those that are not closed

	asked   []asked
	notify  supervise.Notifier
	control *control.Server // nil without one
	ended   chan struct{}   // closed when nobody is listened to any more

	drained  int // doors, while stopping
	lostByUs int // requests that applications could not serve, while stopping
	released bool
}

func newServer(cfg config.Server, env Environment, tele *telemetry.Telemetry) *server {
	return &server{
		cfg: cfg, env: env, log: tele.Log, tele: tele, events: newMailbox(), shared: &supervise.SharedLane{},
		ended: make(chan struct{}), notify: supervise.NewNotifier(env.Getenv),
		apps: map[*application]struct{}{}, generations: map[*generation]struct{}{},
	}
}

// start brings up everything but accepting.
func (s *server) start() error {
	var err error
	if s.settings, err = newSettings(s.cfg); err != nil {
		return err
	}
	if s.listening, err = s.listen(s.cfg); err != nil {
		return err
	}
	if err := s.listenForward(); err != nil {
		return err
	}
	s.httpsAt.Store(int64(s.httpsPort()))
	certificates, err := s.openCerts(s.cfg, &s.listening)
	if err != nil {
		return err
	}
	s.useCerts(certificates)
	if s.store, err = spool.NewStore(s.cfg.Spool); err != nil {
		return err
	}
	if err := s.startLoops(); err != nil {
		return err
	}
	g, err := s.newGeneration(s.cfg)
	if err != nil {
		return err
	}
	s.use(g)
	return s.openControl()
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
		s.loops, s.lanes = append(s.loops, l), append(s.lanes, &supervise.Lane{})
		s.running.Go(func() {
			if err := l.Run(); err != nil {
				s.events.post(event{kind: loopEnded, err: err})
			}
		})
	}
	return nil
}

// defaultLoops leaves most processors to Python: a loop serves more than a
// worker can answer, and every further one costs wake-ups (docs/adr/0002).
func defaultLoops(processors int) int { return max(1, processors/4) }

// announce says that the server serves.
func (s *server) announce() {
	b := telemetry.Banner{Version: s.env.Version, PID: os.Getpid(), Config: s.cfg.File}
	for _, l := range s.listeners {
		b.Addresses = append(b.Addresses, s.addr(l).URL())
	}
	if s.redirect != nil {
		b.Redirect = s.redirect.Addr().URL()
	}
	for _, l := range s.forward.listeners {
		b.Addresses = append(b.Addresses, l.Addr().URL())
	}
	for _, a := range s.now.apps {
		b.Apps = append(b.Apps, a.banner())
		s.warnOfTwin(a)
	}
	telemetry.Announce(s.log, s.tele.Err, b)
	s.trust()
	s.notify.Ready()
	if s.env.OnServing != nil {
		s.env.OnServing(b.Addresses)
	}
}

func (s *server) warnOfTwin(a *application) {
	if a.info.Twin == "python" && a.cfg.Twin == "auto" {
		s.log.Warn("no extension fits this interpreter: requests are served in pure Python, which is slower",
			telemetry.AppKey, a.cfg.Name, "python", a.info.Implementation+" "+a.info.Python)
	}
}

// kill ends everything without waiting for anybody.
func (s *server) kill() {
	s.closeControl()
	var loops []*loop.Loop
	var tasks []func()
	for a := range s.apps {
		loops, tasks = append(loops, a.home), append(tasks, a.app.Kill)
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
	for _, l := range slices.Concat(s.all(), s.leaving.all(), s.forward.listeners) {
		s.closeListener(l)
	}
	if s.certs.store != nil {
		s.certs.store.Close()
	}
	if s.pool != nil {
		s.pool.Close()
	}
	for g := range s.generations {
		g.close(s.warn)
	}
	for a := range s.apps {
		s.closeStatic(a)
	}
	if s.spawner != nil {
		s.spawner.Close()
	}
	if s.store != nil {
		if err := s.store.Close(); err != nil {
			s.log.Warn("cannot close the spool", "error", err)
		}
	}
}

func (s *server) warn(text string, err error) { s.log.Warn(text, "error", err) }

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
