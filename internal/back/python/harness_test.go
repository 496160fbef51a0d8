package python

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"rickhouse/internal/exchange"
	"rickhouse/internal/loop"
	"rickhouse/internal/spool"
	wire "rickhouse/internal/wire/worker"
	"rickhouse/internal/worker"
)

// patience bounds every wait for something that does happen.
const patience = 60 * time.Second

// env is an App with its loops, and workers of testdata/worker.
type env struct {
	t           *testing.T
	home, other *loop.Loop
	app         *App
	spawner     *worker.Spawner
	dir         string // where the workers run
	log, output *text
	ready       chan wire.Info
	failed      chan *StartError
}

// text is what was logged or printed; it is safe for concurrent use.
type text struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *text) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *text) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// interpreter is a Python 3 itself, not something that looks for one. Its workers
// need the compare-and-swap of libatomic, which comes with gcc.
var interpreter = sync.OnceValues(func() (string, error) {
	out, err := exec.Command("python3", "-c", "import ctypes, sys; ctypes.CDLL('libatomic.so.1'); print(sys.executable)").Output()
	return strings.TrimSpace(string(out)), err
})

// start starts an App whose workers do as cfg.WSGI says, and waits until it is
// ready if it should become so.
func start(t *testing.T, cfg Config) *env {
	e := prepare(t, cfg)
	e.on(e.home, e.app.Start)
	switch cfg.WSGI {
	case "failed", "failed-stays", "exits", "never-ready", "gated", "gated-failing":
	default:
		e.wantReady()
	}
	return e
}

func (e *env) wantReady() {
	e.t.Helper()
	select {
	case <-e.ready:
	case err := <-e.failed:
		e.t.Fatalf("the App did not start: %v\n%s%s", err, e.log, e.output)
	case <-time.After(patience):
		e.t.Fatalf("the App did not start in time\n%s%s", e.log, e.output)
	}
}

// prepare makes an App that is not started. When the test ends it is killed, and
// nothing must be left of it: no descriptor and no request.
func prepare(t *testing.T, cfg Config) *env {
	t.Helper()
	python, err := interpreter()
	if err != nil {
		t.Skipf("there is no python3 with libatomic.so.1: %v", err)
	}
	root, err := filepath.Abs(filepath.Join("testdata", "worker"))
	if err != nil {
		t.Fatal(err)
	}
	before := descriptors(t)
	e := &env{
		t: t, dir: t.TempDir(), log: &text{}, output: &text{},
		ready: make(chan wire.Info, 4), failed: make(chan *StartError, 4), spawner: worker.NewSpawner(),
	}
	stopHome, stopOther := (func())(nil), (func())(nil)
	e.home, stopHome = runLoop(t)
	e.other, stopOther = runLoop(t)
	store, err := spool.NewStore(spool.Config{Directory: e.dir})
	if err != nil {
		t.Fatal(err)
	}
	if cfg.WSGI == "" && cfg.ASGI == "" {
		cfg.WSGI = "ok"
	}
	if cfg.Workers == 0 {
		cfg.Workers = 1
	}
	e.app, err = New(cfg, Parts{
		Name: "shop", Server: "rickhouse/test", Loop: e.home, Spawner: e.spawner,
		Program: worker.Program{
			Interpreter: python, Root: root, Directory: e.dir,
			Environment: map[string]string{"PYTHONDONTWRITEBYTECODE": "1"},
		},
		Store: store,
		Output: func(number int, stream string, line []byte) {
			fmt.Fprintf(e.output, "%d %s %s\n", number, stream, line)
		},
		Log:      slog.New(slog.NewTextHandler(e.log, nil)),
		OnReady:  func(i wire.Info) { e.ready <- i },
		OnFailed: func(err *StartError) { e.failed <- err },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		e.end()
		stopOther()
		stopHome()
		e.spawner.Close()
		store.Close()
		e.wantDescriptors(before)
		if t.Failed() {
			t.Logf("the log:\n%s%s", e.log, e.output)
		}
	})
	return e
}

func runLoop(t *testing.T) (*loop.Loop, func()) {
	t.Helper()
	l, err := loop.New(loop.Config{})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- l.Run() }()
	return l, func() {
		l.Stop()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	}
}

// end kills the App and checks that nothing is left of it.
func (e *env) end() {
	var members []*member
	e.on(e.home, func() {
		members = slices.Clone(e.app.members)
		e.app.Kill()
	})
	e.until("the workers are gone", func() bool {
		return len(e.app.members) == 0
	})
	e.on(e.home, func() {
		if n := e.app.queue.n; n != 0 {
			e.t.Errorf("%d requests are left in the queue", n)
		}
		for _, m := range members {
			if m.load() != 0 || slices.ContainsFunc(m.jobs, func(j *job) bool { return j != nil }) {
				e.t.Errorf("worker %d is gone and holds %d requests", m.number, m.load())
			}
		}
		seen := map[*job]bool{}
		for _, j := range e.app.idle {
			if seen[j] || j.x != nil || j.in != nil || j.m != nil || j.file != nil {
				e.t.Errorf("a job was freed twice, or is in use: %+v", j)
			}
			seen[j] = true
		}
		if e.app.watch.Active() || e.app.recall.Active() {
			e.t.Error("a timer of the App still runs")
		}
	})
}

// on runs f on a loop and waits for it.
func (e *env) on(l *loop.Loop, f func()) {
	e.t.Helper()
	done := make(chan struct{})
	l.Post(exchange.TaskFunc(func() {
		defer close(done)
		f()
	}))
	wait(e.t, done, "a task on the loop")
}

// until waits until f, which is called on the home loop, is true.
func (e *env) until(what string, f func() bool) {
	e.t.Helper()
	poll(e.t, what+"\n"+e.log.String(), func() (ok bool) {
		e.on(e.home, func() { ok = f() })
		return ok
	})
}

// jobOf is what a worker holds for c, or nil. Call it on the home loop.
func (e *env) jobOf(c *client) *job {
	for _, m := range e.app.members {
		for _, j := range m.jobs {
			if j != nil && j.x == c.x {
				return j
			}
		}
	}
	return nil
}

// overdue waits until the application runs what c asked for, and makes that as old as
// request_timeout lets it become, and so what the workers hold for others.
func (e *env) overdue(c *client, others ...*client) {
	e.t.Helper()
	e.until(c.name+" runs", func() bool {
		if j := e.jobOf(c); j == nil || !j.running && !j.answering {
			return false
		}
		for _, c := range append(others, c) {
			if j := e.jobOf(c); j != nil {
				j.progress -= int64(e.app.cfg.RequestTimeout)
			}
		}
		return true
	})
}

// unhurried makes what c asked for overdue, and waits until the watch has looked: it
// is the client that has to do something, so that it counts as new.
func (e *env) unhurried(c *client) {
	e.t.Helper()
	e.overdue(c)
	e.until(c.name+" is looked at", func() bool {
		j := e.jobOf(c)
		return j != nil && e.home.Now()-j.progress < int64(e.app.cfg.RequestTimeout)
	})
}

// begin serves c and waits until content of its answer has come.
func (e *env) begin(c *client) *client {
	e.t.Helper()
	begun := make(chan struct{})
	c.onData = sync.OnceFunc(func() { close(begun) })
	c.serve(e.app)
	wait(e.t, begun, "the beginning of the answer to "+c.name)
	return c
}

func poll(t *testing.T, what string, f func() bool) {
	t.Helper()
	for late := time.Now().Add(patience); !f(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(late) {
			t.Fatalf("waited too long until %s", what)
		}
	}
}

func wait[T any](t *testing.T, c <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatalf("waited too long for %s", what)
		panic("unreachable")
	}
}

// notes are the lines that the workers left, without their process.
func (e *env) notes() []string {
	data, err := os.ReadFile(filepath.Join(e.dir, "notes"))
	if err != nil {
		return nil
	}
	var lines []string
	for line := range strings.Lines(string(data)) {
		lines = append(lines, line[:strings.LastIndexByte(line, ' ')])
	}
	return lines
}

// noted is how often the workers left this note.
func (e *env) noted(note string) int {
	n := 0
	for _, line := range e.notes() {
		if line == note {
			n++
		}
	}
	return n
}

func (e *env) wantNoted(note string) {
	e.t.Helper()
	poll(e.t, "the workers note "+note, func() bool { return e.noted(note) > 0 })
}

// open opens a gate of the workers.
func (e *env) open(gate string) {
	e.t.Helper()
	if err := os.WriteFile(filepath.Join(e.dir, gate), nil, 0o644); err != nil {
		e.t.Fatal(err)
	}
}

func (e *env) wantLogged(part string) {
	e.t.Helper()
	poll(e.t, "the log has "+part, func() bool { return strings.Contains(e.log.String(), part) })
}

// descriptors are the open descriptors, by what they are.
func descriptors(t *testing.T) map[string]int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return nil
	}
	open := map[string]int{}
	for _, entry := range entries {
		to, err := os.Readlink("/proc/self/fd/" + entry.Name())
		if kind, _, ok := strings.Cut(to, ":["); ok {
			to = kind
		}
		if err == nil && !strings.HasPrefix(to, "/proc/") {
			open[to]++
		}
	}
	return open
}

// wantDescriptors fails if more descriptors are open than before. The runtime's
// own, made at first use, do not count.
func (e *env) wantDescriptors(before map[string]int) {
	e.t.Helper()
	var more []string
	for late := time.Now().Add(patience); time.Now().Before(late); time.Sleep(5 * time.Millisecond) {
		more = nil
		for kind, n := range descriptors(e.t) {
			if n > before[kind] && !(strings.HasPrefix(kind, "anon_inode") && before[kind] == 0) {
				more = append(more, fmt.Sprintf("%d × %s", n-before[kind], kind))
			}
		}
		if more == nil {
			return
		}
	}
	slices.Sort(more)
	e.t.Errorf("descriptors are left open: %s", strings.Join(more, ", "))
}
