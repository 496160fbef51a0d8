package python

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"rickhouse/internal/exchange"
	"rickhouse/internal/loop"
)

func TestStuck(t *testing.T) {
	both(t, func(t *testing.T, on func(*env) *loop.Loop) {
		e := start(t, Config{RequestTimeout: patience})
		pid := e.ask(on(e), "GET", "/ok", nil).serve(e.app).worker()
		hung := e.ask(on(e), "GET", "/hang", nil).serve(e.app)
		e.overdue(hung)
		hung.want(504, "504 ")
		e.wantLogged(`request="GET /hang"`)
		if again := e.ask(on(e), "GET", "/ok", nil).serve(e.app).want(200, "ok").worker(); again == pid {
			t.Error("the stuck worker was not replaced")
		}
		begun := e.begin(e.ask(on(e), "GET", "/head/never", nil))
		e.overdue(begun)
		begun.want(-1, "begun")
		// The worker never ends this one.
		e.ask(on(e), "GET", "/upgrade", nil).serve(e.app).want(500, "500 ")
		next := e.ask(on(e), "GET", "/ok", nil).serve(e.app)
		e.until("the next one is answered", func() bool {
			for _, m := range e.app.members {
				for _, j := range m.jobs {
					if j != nil && j.x == nil {
						j.progress -= int64(patience)
					}
				}
			}
			select {
			case <-next.done:
				return true
			default:
				return false
			}
		})
		next.want(200, "ok")
	})
}

// The siblings of a stuck request finish; nothing more goes to their worker.
func TestStuckSiblings(t *testing.T) {
	both(t, func(t *testing.T, on func(*env) *loop.Loop) {
		e := start(t, Config{WSGI: "threads", Threads: 3, RequestTimeout: patience, RequestGrace: patience})
		hung := e.ask(on(e), "POST", "/hang", nil).serve(e.app)
		e.wantNoted("started POST /hang")
		sibling := e.ask(on(e), "GET", "/tick/a", nil).serve(e.app)
		e.wantNoted("started GET /tick/a")
		e.overdue(hung)
		// What comes once the worker is stuck waits for the next one.
		hung.want(504, "504 ")
		late := e.ask(on(e), "GET", "/ok", nil).serve(e.app)
		e.open("a")
		if late.want(200, "ok").worker() == sibling.want(200, "tick").worker() {
			t.Error("the stuck worker was given another request")
		}
	})
}

func TestStuckSiblingsPastTheGrace(t *testing.T) {
	e := start(t, Config{WSGI: "threads", Threads: 2, RequestTimeout: patience, RequestGrace: 100 * time.Millisecond})
	hung := e.ask(e.home, "POST", "/hang", nil).serve(e.app)
	e.wantNoted("started POST /hang")
	// It shows progress for as long as it is let.
	busy := e.get("/tick/never")
	e.wantNoted("started GET /tick/never")
	e.overdue(hung)
	hung.want(504, "504 ")
	busy.want(-1, "")
}

// Two are overdue at once, and more wait behind them: each is answered once.
func TestStuckWithOthersSent(t *testing.T) {
	e := start(t, Config{Threads: 2, PresendTime: time.Minute, RequestTimeout: patience})
	e.get("/ok").want(200, "ok")
	var all []*client
	hung, next := e.ask(e.home, "GET", "/hang", nil), e.ask(e.home, "GET", "/ok", nil)
	hung.onEnd = func() { e.app.Serve(next.x) }
	hung.serve(e.app)
	for i := range 10 {
		all = append(all, e.get(fmt.Sprintf("/ok/%d", i)))
	}
	e.overdue(hung, all...)
	hung.want(504, "504 ")
	for _, c := range append(all, next) {
		c.want(200, "ok")
	}
}

// A worker that takes a request and never begins with it is replaced, and the
// request runs elsewhere.
func TestNeverStarted(t *testing.T) {
	for _, target := range []string{"mute", "mute-no-recall"} {
		t.Run(target, func(t *testing.T) {
			both(t, func(t *testing.T, on func(*env) *loop.Loop) {
				e := start(t, Config{WSGI: target, RequestTimeout: patience, QueueDeadline: patience})
				c := e.ask(on(e), "POST", "/ok", nil).serve(e.app)
				e.until("a worker has it", func() bool {
					j := e.jobOf(c)
					if j != nil {
						j.progress -= int64(patience)
					}
					return j != nil
				})
				c.want(200, "ok")
				if n := e.noted("started POST /ok"); n != 1 {
					t.Errorf("it started %d times", n)
				}
			})
		})
	}
}

func TestQueueLimit(t *testing.T) {
	both(t, func(t *testing.T, on func(*env) *loop.Loop) {
		e := start(t, Config{QueueLimit: 3})
		first := e.ask(on(e), "GET", "/gate/a", nil).serve(e.app)
		e.wantNoted("started GET /gate/a")
		var queued []*client
		for range 3 {
			queued = append(queued, e.ask(on(e), "GET", "/ok", nil).serve(e.app))
		}
		for _, content := range [][]byte{nil, octets(10), octets(100000)} {
			c := e.ask(on(e), "POST", "/ok", content)
			c.onHead = func() {
				// A front may find in writing that the client is gone.
				c.x.Server.Gone(c.x, exchange.ErrClientGone)
			}
			if c.serve(e.app).want(503, "503 "); string(get(c, "Retry-After")) != "1" {
				t.Errorf("fields %q", c.fields)
			}
		}
		e.open("a")
		first.want(200, "ok")
		for _, c := range queued {
			c.want(200, "ok")
		}
	})
}

func get(c *client, name string) []byte {
	for _, f := range c.x.Response.Fields {
		if string(f.Name) == name {
			return f.Value
		}
	}
	return nil
}

func TestQueueDeadline(t *testing.T) {
	both(t, func(t *testing.T, on func(*env) *loop.Loop) {
		e := start(t, Config{QueueDeadline: 150 * time.Millisecond})
		first := e.ask(on(e), "GET", "/gate/a", nil).serve(e.app)
		e.wantNoted("started GET /gate/a")
		var queued []*client
		for range 3 {
			queued = append(queued, e.ask(on(e), "GET", "/ok", nil).serve(e.app))
		}
		for _, c := range queued {
			if c.want(503, "503 "); string(get(c, "Retry-After")) != "1" {
				t.Errorf("fields %q", c.fields)
			}
		}
		e.open("a")
		first.want(200, "ok")
	})
}

// A request that is run again waits anew.
func TestQueueDeadlineAfterRerun(t *testing.T) {
	e := start(t, Config{QueueDeadline: patience})
	c := e.get("/die-gated/a")
	e.wantNoted("started GET /die-gated/a")
	e.on(e.home, func() {
		j := e.app.members[0].held.first
		j.since, j.queued = j.since-int64(time.Hour), j.queued-int64(time.Hour)
	})
	e.open("a")
	c.want(200, "again")
}

// Stuck or gone, the request is counted as an error of its own.
func TestTimeoutError(t *testing.T) {
	e := start(t, Config{RequestTimeout: 100 * time.Millisecond})
	if c := e.get("/hang").wait(); !errors.Is(c.x.Stats.Err, errTimeout) {
		t.Errorf("Stats.Err is %v", c.x.Stats.Err)
	}
}
