package python

import (
	"testing"
	"time"

	"rickhouse/internal/loop"
)

// What was sent ahead to a worker that proves slow runs on another.
func TestRecall(t *testing.T) {
	both(t, func(t *testing.T, on func(*env) *loop.Loop) {
		e := start(t, Config{Workers: 2, PresendTime: time.Minute})
		for _, m := range e.app.members {
			e.until("both workers are ready", m.ready)
		}
		e.ask(on(e), "GET", "/ok", nil).serve(e.app).want(200, "ok")
		slow := e.ask(on(e), "GET", "/gate/a", nil).serve(e.app)
		other := e.ask(on(e), "GET", "/gate/b", nil).serve(e.app)
		var rest []*client
		for i := range 30 {
			rest = append(rest, e.ask(on(e), "POST", "/echo", octets(i*5000)).serve(e.app))
		}
		e.wantNoted("started GET /gate/a")
		e.wantNoted("started GET /gate/b")
		e.until("what did not start is taken back", func() bool { return e.app.queue.n == 30 })
		e.open("b")
		for _, c := range rest {
			c.want(200, "")
		}
		if other.want(200, "ok").worker() == "" {
			t.Error("no worker answered")
		}
		select {
		case <-slow.done:
			t.Error("the slow one is over: nothing was tested")
		default:
		}
		e.open("a")
		slow.want(200, "ok")
		if n := e.noted("started POST /echo"); n != 30 {
			t.Errorf("%d started, want 30", n)
		}
		// The worker that was slow finds what was taken back, and what came in its
		// place.
		for range 30 {
			e.ask(on(e), "GET", "/ok", nil).serve(e.app).want(200, "ok")
		}
	})
}

// A stream is no progress with what was sent ahead.
func TestRecallFromBehindAStream(t *testing.T) {
	e := start(t, Config{PresendTime: time.Minute})
	e.get("/ok").want(200, "ok")
	stream := e.get("/spew/a")
	rest := e.get("/ok")
	e.wantNoted("started GET /spew/a")
	e.until("what did not start is taken back", func() bool { return e.app.queue.n == 1 })
	e.open("a")
	stream.want(200, "tick")
	rest.want(200, "ok")
}

// Order is kept.
func TestRecallKeepsTheOrder(t *testing.T) {
	e := start(t, Config{PresendTime: time.Minute})
	e.get("/ok").want(200, "ok")
	slow := e.get("/gate/a")
	var got []int
	var rest []*client
	for i := range 20 {
		c := e.ask(e.home, "GET", "/ok", nil)
		c.onEnd = func() { got = append(got, i) }
		rest = append(rest, c.serve(e.app))
	}
	e.wantNoted("started GET /gate/a")
	e.until("what did not start is taken back", func() bool { return e.app.queue.n == 20 })
	e.open("a")
	slow.want(200, "ok")
	for _, c := range rest {
		c.want(200, "ok")
	}
	for i, n := range got {
		if i != n {
			t.Fatalf("the order is %v", got)
		}
	}
}

// A worker without compare-and-swap is sent nothing ahead.
func TestNoRecallNoPresend(t *testing.T) {
	e := start(t, Config{WSGI: "no-recall", PresendTime: time.Minute})
	e.get("/ok").want(200, "ok")
	slow := e.get("/gate/a")
	rest := e.get("/ok")
	e.wantNoted("started GET /gate/a")
	e.on(e.home, func() {
		if held, queued := e.app.members[0].held.n, e.app.queue.n; held != 1 || queued != 1 {
			t.Errorf("%d are held and %d queued", held, queued)
		}
	})
	e.open("a")
	slow.want(200, "ok")
	rest.want(200, "ok")
}

// An application that fails at once says nothing about how long requests take.
func TestEstimateAfterAbort(t *testing.T) {
	e := start(t, Config{})
	e.get("/abort").want(500, "")
	e.on(e.home, func() {
		if limit := int64(10 * time.Second); e.app.estimate > limit {
			t.Errorf("a request is expected to take %v", time.Duration(e.app.estimate))
		}
	})
}
