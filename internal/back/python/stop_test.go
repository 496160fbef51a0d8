package python

import (
	"errors"
	"testing"
	"time"

	"rickhouse/internal/exchange"
	"rickhouse/internal/loop"
)

// stop stops the App and says how many requests were lost.
func (e *env) stop(bound time.Duration) <-chan int {
	lost := make(chan int, 2)
	e.home.Post(exchange.TaskFunc(func() { e.app.Stop(bound, func(n int) { lost <- n }) }))
	return lost
}

func (e *env) wantLost(lost <-chan int, want int) {
	e.t.Helper()
	if n := wait(e.t, lost, "the end of Stop"); n != want {
		e.t.Errorf("Stop lost %d requests, want %d", n, want)
	}
	e.on(e.home, func() {})
	if len(lost) != 0 {
		e.t.Error("Stop told its end twice")
	}
}

func TestStopLosesNothing(t *testing.T) {
	both(t, func(t *testing.T, on func(*env) *loop.Loop) {
		e := start(t, Config{Workers: 2})
		var all []*client
		for range 2 {
			all = append(all, e.ask(on(e), "GET", "/gate/a", nil).serve(e.app))
		}
		poll(t, "two requests run", func() bool { return e.noted("started GET /gate/a") == 2 })
		for range 100 {
			all = append(all, e.ask(on(e), "POST", "/echo", octets(100)).serve(e.app))
		}
		e.on(on(e), func() {})
		lost := e.stop(patience)
		e.open("a")
		for _, c := range all {
			c.want(200, "")
		}
		e.wantLost(lost, 0)
		if n := e.noted("stop"); n != 2 {
			t.Errorf("%d workers were told to stop, want 2", n)
		}
		e.ask(on(e), "GET", "/ok", nil).serve(e.app).want(503, "503 ")
	})
}

func TestStopIdle(t *testing.T) {
	e := start(t, Config{Workers: 3})
	e.wantLost(e.stop(patience), 0)
}

func TestStopWhileStarting(t *testing.T) {
	e := start(t, Config{WSGI: "never-ready", Workers: 2})
	e.wantLost(e.stop(patience), 0)
	if len(e.failed) != 0 {
		t.Error("a stop is no failure")
	}
}

func TestStopServesTheQueueFirst(t *testing.T) {
	e := start(t, Config{WSGI: "gated"})
	c := e.get("/ok")
	e.wantNoted("waiting")
	lost := e.stop(patience)
	e.open("start-1")
	c.want(200, "ok")
	e.wantLost(lost, 0)
}

func TestStopStartsAWorkerForTheQueue(t *testing.T) {
	e := start(t, Config{})
	dead := e.ask(e.home, "POST", "/die", nil).serve(e.app)
	var rest []*client
	for range 5 {
		rest = append(rest, e.get("/ok"))
	}
	lost := e.stop(patience)
	dead.want(502, "502 ")
	for _, c := range rest {
		c.want(200, "ok")
	}
	e.wantLost(lost, 1)
}

func TestStopIsBounded(t *testing.T) {
	both(t, func(t *testing.T, on func(*env) *loop.Loop) {
		e := start(t, Config{})
		running := e.ask(on(e), "GET", "/hang", nil).serve(e.app)
		e.wantNoted("started GET /hang")
		queued := e.ask(on(e), "GET", "/ok", nil).serve(e.app)
		e.on(on(e), func() {})
		lost := e.stop(100 * time.Millisecond)
		running.want(502, "502 ")
		queued.want(503, "503 ")
		e.wantLost(lost, 2)
	})
}

func TestStopOfAWorkerThatIgnoresIt(t *testing.T) {
	e := start(t, Config{WSGI: "ignores-stop"})
	lost := e.stop(patience)
	e.wantNoted("stop")
	e.on(e.home, func() { e.app.stopAt = e.home.Now() })
	e.wantLost(lost, 0)
}

func TestKillFinishesEverything(t *testing.T) {
	both(t, func(t *testing.T, on func(*env) *loop.Loop) {
		e := start(t, Config{})
		running := e.begin(e.ask(on(e), "GET", "/head/never", nil))
		queued := e.ask(on(e), "GET", "/ok", nil).serve(e.app)
		e.on(on(e), func() {})
		e.on(e.home, e.app.Kill)
		running.want(-1, "begun")
		if !errors.Is(running.err, exchange.ErrShutdown) {
			t.Errorf("cut with %v", running.err)
		}
		queued.want(503, "503 ")
		e.ask(on(e), "GET", "/ok", nil).serve(e.app).want(503, "503 ")
	})
}

func TestKillWhileSpawning(t *testing.T) {
	e := prepare(t, Config{Workers: 2})
	e.on(e.home, func() {
		e.app.Start()
		e.app.Kill()
	})
}

func TestStopTwiceAtOnce(t *testing.T) {
	e := start(t, Config{})
	c := e.get("/hang")
	e.wantNoted("started GET /hang")
	lost := e.stop(patience)
	e.on(e.home, e.app.Kill)
	c.want(502, "502 ")
	e.wantLost(lost, 1)
}

func TestStopWhenTheStartFailsThen(t *testing.T) {
	e := start(t, Config{WSGI: "gated-failing"})
	c := e.get("/ok")
	e.wantNoted("waiting")
	lost := e.stop(patience)
	e.open("start-1")
	c.want(503, "503 ")
	e.wantLost(lost, 1)
}
