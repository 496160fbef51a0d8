package python

import (
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"rickhouse/internal/loop"
)

// A worker that has served enough is replaced: the next one starts first, and no
// request is lost.
func TestMaxRequests(t *testing.T) {
	for _, cfg := range []Config{{MaxRequests: 20, PresendTime: time.Minute}, asgi(Config{MaxRequests: 20, MaxRequestsJitter: 5})} {
		both(t, func(t *testing.T, on func(*env) *loop.Loop) {
			e := start(t, cfg)
			pids := map[string]bool{}
			for len(pids) < 3 {
				var all []*client
				for range 10 {
					all = append(all, e.ask(on(e), "POST", "/ok", nil).serve(e.app))
				}
				for _, c := range all {
					pids[c.want(200, "ok").worker()] = true
				}
			}
			e.until("one worker is left", func() bool { return len(e.app.members) == 1 || e.app.places[0].coming != nil })
			if strings.Contains(e.log.String(), "ERROR") {
				t.Errorf("the log has an error:\n%s", e.log)
			}
		})
	}
}

// What a worker still runs when it is replaced it finishes, and WebSockets are
// let go.
func TestMaxRequestsFinishes(t *testing.T) {
	both(t, func(t *testing.T, on func(*env) *loop.Loop) {
		e := start(t, asgi(Config{MaxRequests: 3}))
		old := e.ask(on(e), "POST", "/gate/a", nil).serve(e.app)
		socket := e.dial(on(e), "/ws/deaf").serve(e.app)
		e.wantNoted("started POST /gate/a")
		e.until("it is open", func() bool { return e.app.members[0].calm.n == 1 })
		for range 3 {
			e.ask(on(e), "GET", "/ok", nil).serve(e.app).want(200, "ok")
		}
		e.until("the next worker serves", func() bool { m := e.app.places[0].current; return m.ready() && m != e.app.members[0] })
		e.wantClosed(socket, "close 1012 ")
		next := e.ask(on(e), "GET", "/ok", nil).serve(e.app).want(200, "ok").worker()
		e.open("a")
		if old.want(200, "ok").worker() == next {
			t.Error("the worker was not replaced")
		}
	})
}

// A next worker that does not start leaves the old one in its place.
func TestMaxRequestsFails(t *testing.T) {
	e := start(t, Config{WSGI: "ready-once", MaxRequests: 3, MaxRestartDelay: time.Hour})
	pid := e.get("/ok").want(200, "ok").worker()
	for !strings.Contains(e.log.String(), "exit status 4") {
		e.get("/ok").want(200, "ok")
	}
	if again := e.get("/ok").want(200, "ok").worker(); again != pid {
		t.Errorf("worker %s was replaced by %s", pid, again)
	}
}

// What a recycled worker runs is cut when the next one is to be replaced in turn.
func TestMaxRequestsOutstayed(t *testing.T) {
	both(t, func(t *testing.T, on func(*env) *loop.Loop) {
		e := start(t, asgi(Config{MaxRequests: 2, RequestTimeout: patience, RequestGrace: 200 * time.Millisecond}))
		stream := e.ask(on(e), "GET", "/head/never", nil).serve(e.app)
		e.wantNoted("started GET /head/never")
		poll(t, "the stream is cut", func() bool {
			e.ask(on(e), "GET", "/ok", nil).serve(e.app).want(200, "ok")
			e.on(e.home, func() {
				for _, m := range e.app.members {
					if m.retired != 0 {
						m.retired -= int64(patience)
					}
				}
			})
			select {
			case <-stream.done:
				return true
			default:
				return false
			}
		})
		stream.want(-1, "begun")
		e.wantLogged("what a recycled worker still runs is cut")
	})
}

// The next worker starts while the stuck one is still there.
func TestReplacedAtOnce(t *testing.T) {
	both(t, func(t *testing.T, on func(*env) *loop.Loop) {
		e := start(t, Config{WSGI: "threads", Threads: 2, RequestTimeout: patience, RequestGrace: patience})
		old := e.ask(on(e), "GET", "/tick/a", nil).serve(e.app)
		e.wantNoted("started GET /tick/a")
		hung := e.ask(on(e), "POST", "/hang", nil).serve(e.app)
		e.overdue(hung)
		hung.want(504, "504 ")
		next := e.ask(on(e), "GET", "/ok", nil).serve(e.app).want(200, "ok").worker()
		select {
		case <-old.done:
			t.Error("the old worker is gone: nothing was tested")
		default:
		}
		e.open("a")
		if old.want(200, "tick").worker() == next {
			t.Error("the stuck worker was given another request")
		}
	})
}

// A worker that is stopped loses what it has not begun with to the others, and
// gets something again when it reads.
func TestSilentWorker(t *testing.T) {
	for _, cfg := range []Config{{Workers: 2}, asgi(Config{Workers: 2})} {
		both(t, func(t *testing.T, on func(*env) *loop.Loop) {
			e := start(t, cfg)
			e.readyAll()
			var pid int
			e.on(e.home, func() { pid = e.app.members[0].w.PID() })
			signal(t, pid, syscall.SIGSTOP)
			for range 5 {
				if c := e.ask(on(e), "POST", "/ok", nil).serve(e.app).want(200, "ok"); c.worker() == strconv.Itoa(pid) {
					t.Error("a worker that is stopped answered")
				}
			}
			e.wantLogged("does not begin with what it was sent; others get it")
			signal(t, pid, syscall.SIGCONT)
			poll(t, "it answers again", func() bool {
				return e.ask(on(e), "POST", "/ok", nil).serve(e.app).want(200, "ok").worker() == strconv.Itoa(pid)
			})
			if strings.Contains(e.log.String(), "worker ended") {
				t.Error("a worker was ended")
			}
		})
	}
}

// One that does not read for as long as a request may take is replaced.
func TestSilentForLong(t *testing.T) {
	e := start(t, Config{Workers: 2, RequestTimeout: patience})
	e.readyAll()
	var stopped *member
	var pid int
	e.on(e.home, func() {
		stopped = e.app.members[0]
		pid = stopped.w.PID()
	})
	signal(t, pid, syscall.SIGSTOP)
	e.ask(e.home, "POST", "/ok", nil).serve(e.app).want(200, "ok")
	e.wantLogged("does not begin with what it was sent; others get it")
	e.on(e.home, func() { stopped.silent -= int64(patience) })
	e.wantLogged("does not read what it is sent")
	e.until("another one is there", func() bool {
		return len(e.app.members) == 2 && e.app.members[0].w.PID() != pid && e.app.members[1].w.PID() != pid
	})
}

func signal(t *testing.T, pid int, s syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(pid, s); err != nil {
		t.Fatal(err)
	}
	if s != syscall.SIGSTOP {
		return
	}
	poll(t, "the process is stopped", func() bool {
		stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
		return err == nil && strings.Contains(string(stat), ") T ")
	})
}

// A child of a dead worker writes frames without end: they are not waited for.
func TestFloodOfADeadWorker(t *testing.T) {
	both(t, func(t *testing.T, on func(*env) *loop.Loop) {
		e := start(t, Config{})
		e.ask(on(e), "POST", "/flood-dead", nil).serve(e.app).wait()
		e.wantLogged("worker ended")
		e.ask(on(e), "GET", "/ok", nil).serve(e.app).want(200, "ok")
	})
}
