package python

import (
	"os"
	"strings"
	"testing"
	"time"

	"rickhouse/internal/loop"
)

func TestCrash(t *testing.T) {
	for _, c := range []struct {
		name, method, path string
		noRerun            bool
		status             int
		body               string
		runs               int // how often it started
		logged             string
	}{
		{"GET runs again", "GET", "/die-once", false, 200, "again", 2, "run again"},
		{"HEAD runs again", "HEAD", "/die-once", false, 200, "again", 2, "run again"},
		{"POST does not", "POST", "/die-once", false, 502, "502 ", 1, "worker ended"},
		{"the route forbids it", "GET", "/die-once", true, 502, "502 ", 1, "worker ended"},
		{"a poisonous request", "GET", "/die/poison", false, 502, "502 ", 2, `request="GET /die/poison"`},
		{"answered in part", "GET", "/die-answering", false, -1, "part", 1, "worker ended"},
		{"answered in whole", "POST", "/answer-and-die", false, 200, "ok", 1, "worker ended"},
		{"not started", "POST", "/die-unstarted", false, 200, "again", 1, "worker ended"},
		{"not started, no rerun", "GET", "/die-unstarted", true, 200, "again", 1, "worker ended"},
		{"the link closed", "POST", "/close-link", false, 502, "502 ", 1, "closed its link"},
		{"a child holds the link", "GET", "/hold", false, 200, "ok", 2, "worker ended"},
	} {
		t.Run(c.name, func(t *testing.T) {
			both(t, func(t *testing.T, on func(*env) *loop.Loop) {
				e := start(t, Config{Workers: 2})
				x := e.ask(on(e), c.method, c.path, nil)
				x.x.Route.NoRerun = c.noRerun
				x.serve(e.app).want(c.status, c.body)
				e.wantLogged(c.logged)
				if n := e.noted("started " + c.method + " " + c.path); n != c.runs {
					t.Errorf("it started %d times, want %d", n, c.runs)
				}
				if c.runs == 2 && c.status == 200 && x.x.Stats.Reruns != 1 {
					t.Errorf("%d re-runs are counted", x.x.Stats.Reruns)
				}
				if poison := strings.Contains(e.log.String(), "ended two workers"); poison != (c.name == "a poisonous request") {
					t.Errorf("logged as poisonous: %v", poison)
				}
				e.ask(on(e), "GET", "/ok", nil).serve(e.app).want(200, "ok")
			})
		})
	}
}

// A crash takes nothing along that had not started, whatever the method.
func TestCrashWithOthersSent(t *testing.T) {
	both(t, func(t *testing.T, on func(*env) *loop.Loop) {
		e := start(t, Config{PresendTime: time.Minute})
		e.ask(on(e), "GET", "/ok", nil).serve(e.app).want(200, "ok")
		dead := e.ask(on(e), "POST", "/die", nil)
		var rest []*client
		for range 20 {
			rest = append(rest, e.ask(on(e), "POST", "/echo", octets(70000)))
		}
		dead.serve(e.app)
		for _, c := range rest {
			c.serve(e.app)
		}
		dead.want(502, "502 ")
		for _, c := range rest {
			c.want(200, "")
		}
		if n := e.noted("started POST /echo"); n != 20 {
			t.Errorf("%d started, want 20", n)
		}
	})
}

func TestStartFails(t *testing.T) {
	for _, c := range []struct {
		target, err, traceback string
		timeout                time.Duration
	}{
		{"failed", "no module named shop", "Traceback: shop", patience},
		{"failed-stays", "no module named shop", "Traceback: shop", patience},
		{"exits", "exit status 4", "", patience},
		{"never-ready", "start_timeout", "", 200 * time.Millisecond},
	} {
		t.Run(c.target, func(t *testing.T) {
			e := start(t, Config{WSGI: c.target, StartTimeout: c.timeout})
			err := wait(t, e.failed, "OnFailed")
			if !strings.Contains(err.Error(), c.err) || err.Traceback != c.traceback {
				t.Errorf("got %v, %q", err, err.Traceback)
			}
			if c.target == "failed-stays" {
				e.on(e.home, func() { e.app.members[0].began -= int64(patience) })
			}
			e.until("its worker ended", func() bool { return len(e.app.members) == 0 })
			e.on(e.home, func() {
				if e.app.places[0].next.Active() {
					t.Error("another worker is to be started")
				}
			})
			if len(e.ready)+len(e.failed) != 0 {
				t.Error("told more than once")
			}
		})
	}
}

func TestSpawnFails(t *testing.T) {
	e := prepare(t, Config{})
	e.app.parts.Program.Interpreter = "/nowhere/python"
	e.on(e.home, e.app.Start)
	if err := wait(t, e.failed, "OnFailed"); !strings.Contains(err.Error(), "/nowhere/python") {
		t.Errorf("got %v", err)
	}
}

// What dies without having served anything is not started again at once.
func TestBackoff(t *testing.T) {
	for target, reason := range map[string]string{"dies-idle": "exit status 5", "closes-link": "closed its link", "ready-once": "exit status 4"} {
		t.Run(target, func(t *testing.T) {
			e := start(t, Config{WSGI: target, MaxRestartDelay: 150 * time.Millisecond})
			if target == "ready-once" {
				e.ask(e.home, "POST", "/die", nil).serve(e.app).want(502, "")
			}
			e.wantLogged("pause=100ms")
			e.wantLogged("pause=150ms")
			e.wantLogged(reason)
			if len(e.failed) != 0 {
				t.Error("the App failed, having been ready")
			}
		})
	}
}

func TestRestartAtOnceAfterServing(t *testing.T) {
	e := start(t, Config{MaxRestartDelay: time.Hour})
	for range 5 {
		pid := e.get("/ok").want(200, "ok").worker()
		e.get("/die-once").wait()
		os.Remove(e.dir + "/died")
		if again := e.get("/ok").want(200, "ok").worker(); again == pid {
			t.Errorf("worker %s answers after its death", pid)
		}
	}
	if strings.Contains(e.log.String(), "pause") {
		t.Error("a worker that served was started again after a pause")
	}
}

func TestOutput(t *testing.T) {
	e := start(t, Config{})
	e.get("/flood").want(200, "ok")
	e.get("/die").wait()
	poll(t, "all lines are there", func() bool {
		return strings.Count(e.output.String(), "1 stdout line ") == 20000 && strings.Contains(e.output.String(), "stdout no end\n")
	})
}
