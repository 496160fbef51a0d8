package python

import (
	"errors"
	"testing"
	"time"

	"rickhouse/internal/exchange"
	"rickhouse/internal/loop"
)

func (c *client) wantGone() {
	c.t.Helper()
	if c.wait(); !errors.Is(c.err, exchange.ErrClientGone) {
		c.t.Errorf("%s: got %d, %v", c.name, c.status, c.err)
	}
}

func TestGoneWhileQueued(t *testing.T) {
	both(t, func(t *testing.T, on func(*env) *loop.Loop) {
		e := start(t, Config{})
		first := e.ask(on(e), "GET", "/gate/a", nil).serve(e.app)
		e.wantNoted("started GET /gate/a")
		c := e.ask(on(e), "GET", "/ok/gone", nil).serve(e.app)
		next := e.ask(on(e), "GET", "/ok", nil)
		c.onEnd = func() { next.serve(e.app) }
		c.gone()
		c.wantGone()
		e.open("a")
		first.want(200, "ok")
		next.want(200, "ok")
		if e.noted("started GET /ok/gone") != 0 {
			t.Error("it ran")
		}
	})
}

// A client that has stopped sending may wait for what has started.
func TestHalfClosed(t *testing.T) {
	both(t, func(t *testing.T, on func(*env) *loop.Loop) {
		e := start(t, Config{})
		first := e.ask(on(e), "GET", "/gate/a", nil).serve(e.app)
		e.wantNoted("started GET /gate/a")
		queued := e.ask(on(e), "GET", "/ok/queued", nil).serve(e.app)
		first.leave(exchange.ErrHalfClosed)
		queued.leave(exchange.ErrHalfClosed)
		if queued.wait(); !errors.Is(queued.err, exchange.ErrHalfClosed) {
			t.Errorf("queued: got %d, %v", queued.status, queued.err)
		}
		e.open("a")
		first.want(200, "ok")
		if e.noted("started GET /ok/queued") != 0 {
			t.Error("it ran")
		}
	})
}

func TestHalfClosedThenGone(t *testing.T) {
	both(t, func(t *testing.T, on func(*env) *loop.Loop) {
		e := start(t, Config{})
		c := e.ask(on(e), "GET", "/gate/a", nil).serve(e.app)
		e.wantNoted("started GET /gate/a")
		c.leave(exchange.ErrHalfClosed)
		c.gone()
		c.wantGone()
		e.open("a")
		e.ask(on(e), "GET", "/ok", nil).serve(e.app).want(200, "ok")
	})
}

// The end of an Exchange may bring the next one of its connection at once.
func TestGoneWithTheNextAtOnce(t *testing.T) {
	e := start(t, Config{})
	first := e.get("/gate/a")
	e.wantNoted("started GET /gate/a")
	c := e.get("/ok/gone")
	next := e.ask(e.home, "GET", "/ok", nil)
	c.onEnd = func() {
		e.app.members[0].held.first.app.cfg.Threads = 2
		e.app.Serve(next.x)
	}
	c.gone()
	c.wantGone()
	e.open("a")
	first.want(200, "ok")
	next.want(200, "ok")
	if e.noted("started GET /ok/gone") != 0 {
		t.Error("it ran")
	}
}

func TestGoneWhileSent(t *testing.T) {
	both(t, func(t *testing.T, on func(*env) *loop.Loop) {
		e := start(t, Config{PresendTime: time.Minute})
		e.ask(on(e), "GET", "/ok", nil).serve(e.app).want(200, "ok")
		first := e.ask(on(e), "GET", "/gate/a", nil).serve(e.app)
		c := e.ask(on(e), "GET", "/ok/gone", nil).serve(e.app)
		c.gone()
		c.wantGone()
		e.open("a")
		first.want(200, "ok")
		e.ask(on(e), "GET", "/ok", nil).serve(e.app).want(200, "ok")
		if e.noted("started GET /ok/gone") != 0 {
			t.Error("it ran")
		}
	})
}

func TestGoneWhileStarted(t *testing.T) {
	for _, target := range []string{"ok", "no-recall"} {
		both(t, func(t *testing.T, on func(*env) *loop.Loop) {
			e := start(t, Config{WSGI: target})
			c := e.ask(on(e), "GET", "/cancel", nil).serve(e.app)
			e.wantNoted("started GET /cancel")
			c.gone()
			c.wantGone()
			e.wantNoted("canceled")
			e.ask(on(e), "GET", "/ok", nil).serve(e.app).want(200, "ok")
		})
	}
}

// Gone may come within any call to the Client.
func TestGoneWithinACall(t *testing.T) {
	for _, path := range []string{"/ok", "/big/1000000", "/file/100"} {
		for _, in := range []string{"Head", "Data"} {
			both(t, func(t *testing.T, on func(*env) *loop.Loop) {
				e := start(t, Config{})
				c := e.ask(on(e), "GET", path, nil)
				var once bool
				leave := func() {
					if !once {
						once = true
						c.x.Server.Gone(c.x, exchange.ErrClientGone)
					}
				}
				if in == "Head" {
					c.onHead = leave
				} else {
					c.onData = leave
				}
				c.serve(e.app).wait()
				e.ask(on(e), "GET", "/ok", nil).serve(e.app).want(200, "ok")
			})
		}
	}
}

func TestGoneWhileTakingContentIn(t *testing.T) {
	both(t, func(t *testing.T, on func(*env) *loop.Loop) {
		e := start(t, Config{})
		for _, n := range []int{10, 200 << 10} {
			c := e.ask(on(e), "POST", "/echo", octets(n))
			c.held = true
			c.x.Request.ContentLength = int64(n + 1)
			c.serve(e.app)
			c.gone()
			c.wantGone()
		}
		e.ask(on(e), "POST", "/echo", octets(200<<10)).serve(e.app).want(200, "")
	})
}

// Content that is cut ends the request before it is queued; the front may say in
// the same breath that nobody waits.
func TestContentCut(t *testing.T) {
	both(t, func(t *testing.T, on func(*env) *loop.Loop) {
		e := start(t, Config{})
		c := e.ask(on(e), "POST", "/echo", octets(100))
		c.held = true
		c.x.Request.ContentLength = 200
		leave := func() { c.x.Server.Gone(c.x, exchange.ErrClientGone) }
		c.onHead = leave
		c.serve(e.app)
		e.on(on(e), func() { c.x.Server.ContentEnd(c.x, &exchange.Error{Status: 400, Reason: "cut"}) })
		c.want(400, "400 ")
		e.ask(on(e), "GET", "/ok", nil).serve(e.app).want(200, "ok")
	})
}

// A slow client holds the application up, not the link.
func TestBackpressure(t *testing.T) {
	both(t, func(t *testing.T, on func(*env) *loop.Loop) {
		e := start(t, Config{WSGI: "threads", Threads: 2, RequestTimeout: patience})
		c := e.ask(on(e), "GET", "/big/400000", nil)
		c.slow = true
		full := make(chan struct{})
		c.onData = func() {
			if len(c.body) == 256<<10 {
				close(full)
			}
		}
		c.serve(e.app)
		wait(t, full, "the window is used up")
		// However long it takes: it is the client that the application waits for.
		e.unhurried(c)
		e.ask(on(e), "GET", "/ok", nil).serve(e.app).want(200, "ok")
		e.on(c.loop, func() {
			if len(c.body) != 256<<10 {
				t.Errorf("%d octets came past the window", len(c.body)-256<<10)
			}
			c.slow = false
			c.drain()
		})
		c.want(200, "")
	})
}
