package python

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"rickhouse/internal/exchange"
	"rickhouse/internal/loop"
)

// asgi is a Config for workers that serve ASGI.
func asgi(c Config) Config {
	c.ASGI = "asgi"
	return c
}

// readyAll waits until all workers are ready.
func (e *env) readyAll() {
	e.t.Helper()
	e.until("all workers are ready", func() bool {
		for _, m := range e.app.members {
			if !m.ready() {
				return false
			}
		}
		return len(e.app.members) == e.app.cfg.Workers
	})
}

// A worker runs up to concurrency requests at once, and nothing is sent ahead.
func TestConcurrency(t *testing.T) {
	both(t, func(t *testing.T, on func(*env) *loop.Loop) {
		e := start(t, asgi(Config{Concurrency: 3, PresendTime: time.Minute}))
		var all []*client
		for range 5 {
			all = append(all, e.ask(on(e), "GET", "/gate/a", nil).serve(e.app))
		}
		poll(t, "three run", func() bool { return e.noted("started GET /gate/a") == 3 })
		e.on(e.home, func() {
			if held, queued := e.app.members[0].load(), e.app.queue.n; held != 3 || queued != 2 {
				t.Errorf("%d are held and %d queued", held, queued)
			}
		})
		e.open("a")
		for _, c := range all {
			c.want(200, "ok")
		}
	})
}

// The worker with the least to do gets the next one.
func TestConcurrencySpreads(t *testing.T) {
	e := start(t, asgi(Config{Workers: 3}))
	e.readyAll()
	var all []*client
	for range 30 {
		all = append(all, e.ask(e.home, "GET", "/gate/a", nil))
	}
	// In one turn: what a worker does not begin with in time goes to another.
	e.on(e.home, func() {
		for _, c := range all {
			e.app.Serve(c.x)
		}
		for _, m := range e.app.members {
			if m.load() != 10 {
				t.Errorf("worker %d holds %d requests", m.number, m.load())
			}
		}
	})
	e.open("a")
	for _, c := range all {
		c.want(200, "ok")
	}
}

// What fits into memory comes in one frame, the rest as it comes.
func TestContentOfASGI(t *testing.T) {
	both(t, func(t *testing.T, on func(*env) *loop.Loop) {
		e := start(t, asgi(Config{}))
		for _, c := range []struct {
			octets  int
			chunked bool
			how     string
		}{
			{0, false, "whole 0 "},
			{10, false, "whole 10 "},
			{64 << 10, false, "whole 65536 "},
			{64<<10 + 1, false, "streamed 65537 "},
			{300 << 10, false, "streamed 307200 "},
			{10, true, "streamed 10 "},
			{300 << 10, true, "streamed 307200 "},
		} {
			q := e.ask(on(e), "POST", "/how-sent", octets(c.octets))
			if c.chunked {
				q.x.Request.ContentLength = -1
				q.x.Request.Fields = nil
			}
			q.serve(e.app).want(200, c.how)
			echo := e.ask(on(e), "POST", "/echo", octets(c.octets)).serve(e.app).want(200, "")
			if !bytes.Equal(echo.body, octets(c.octets)) {
				t.Errorf("%d octets came back, want %d", len(echo.body), c.octets)
			}
		}
	})
}

func TestTrailers(t *testing.T) {
	both(t, func(t *testing.T, on func(*env) *loop.Loop) {
		e := start(t, asgi(Config{}))
		for taken, body := range map[bool]string{true: "taken", false: "not taken"} {
			c := e.ask(on(e), "GET", "/trailers", nil)
			c.x.Request.TrailersOK = taken
			if c.serve(e.app).want(200, body); c.trail != "grpc: ok\n" {
				t.Errorf("the trailers are %q", c.trail)
			}
		}
		e.ask(on(e), "GET", "/interim", nil).serve(e.app).want(200, "ok")
	})
}

// Files are paced, too: a client that takes none is not sent a thousand.
func TestFilesArePaced(t *testing.T) {
	both(t, func(t *testing.T, on func(*env) *loop.Loop) {
		e := start(t, asgi(Config{}))
		c := e.ask(on(e), "GET", "/files", nil)
		c.slow = true
		c.serve(e.app)
		e.wantNoted("file 63")
		e.on(c.loop, func() {
			c.slow = false
			c.drain()
		})
		if c.want(200, ""); len(c.body) != 2500 {
			t.Errorf("%d octets came, want 2500", len(c.body))
		}
	})
}

// A request that takes too long is cancelled; its worker serves on.
func TestCancelled(t *testing.T) {
	both(t, func(t *testing.T, on func(*env) *loop.Loop) {
		e := start(t, asgi(Config{RequestTimeout: patience, RequestGrace: patience}))
		pid := e.ask(on(e), "GET", "/ok", nil).serve(e.app).worker()
		stream := e.ask(on(e), "GET", "/head/b", nil).serve(e.app)
		behind := e.ask(on(e), "GET", "/background/b", nil).serve(e.app).want(200, "ok")
		e.wantNoted("started GET /head/b")
		late := e.ask(on(e), "GET", "/cancelled", nil).serve(e.app)
		e.overdue(late)
		late.want(504, "504 ")
		e.wantNoted("cancel 2 /cancelled")
		// A stream that is quiet, and what goes on behind an answer, have all the time.
		e.overdue(stream)
		again := e.ask(on(e), "POST", "/cancelled/2", nil).serve(e.app)
		e.overdue(again)
		again.want(504, "504 ")
		e.open("b")
		stream.want(200, "begun over")
		if again := e.ask(on(e), "GET", "/ok", nil).serve(e.app).worker(); again != pid {
			t.Errorf("worker %s was replaced by %s", pid, again)
		}
		_ = behind
	})
}

// A request that does not end when it is cancelled has its worker replaced; what
// else runs there has its grace.
func TestCancelIgnored(t *testing.T) {
	both(t, func(t *testing.T, on func(*env) *loop.Loop) {
		e := start(t, asgi(Config{RequestTimeout: patience, RequestGrace: time.Second}))
		pid := e.ask(on(e), "GET", "/ok", nil).serve(e.app).worker()
		stream := e.begin(e.ask(on(e), "GET", "/head/never", nil))
		late := e.ask(on(e), "GET", "/cancelled/stays", nil).serve(e.app)
		e.overdue(late)
		late.want(504, "504 ")
		e.wantLogged("did not end when it was cancelled")
		// The next worker is there before the old one is gone.
		if again := e.ask(on(e), "GET", "/ok", nil).serve(e.app).want(200, "ok").worker(); again == pid {
			t.Error("the worker was not replaced")
		}
		stream.want(-1, "begun")
	})
}

// Nobody waits, and the application goes on: it is cancelled in the end.
func TestCancelledWhenGone(t *testing.T) {
	both(t, func(t *testing.T, on func(*env) *loop.Loop) {
		e := start(t, asgi(Config{RequestTimeout: patience}))
		c := e.ask(on(e), "GET", "/cancelled", nil).serve(e.app)
		e.wantNoted("started GET /cancelled")
		c.gone()
		c.wantGone()
		e.wantNoted("cancel 0 /cancelled")
		e.until("it is overdue", func() bool {
			for _, j := range e.app.members[0].jobs {
				if j != nil && j.running {
					j.progress -= int64(patience)
				}
			}
			return e.noted("cancel 2 /cancelled") > 0
		})
		e.until("its slot is free", func() bool { return e.app.members[0].load() == 0 })
	})
}

// A client that has stopped sending is told to the application, and answered.
func TestHalfClosedASGI(t *testing.T) {
	both(t, func(t *testing.T, on func(*env) *loop.Loop) {
		e := start(t, asgi(Config{}))
		c := e.ask(on(e), "GET", "/half", nil).serve(e.app)
		e.wantNoted("started GET /half")
		c.leave(exchange.ErrHalfClosed)
		c.want(200, "half")
	})
}

// At the end of Stop's time what runs is cancelled, and the workers are told to
// stop before they are killed.
func TestStopCancels(t *testing.T) {
	both(t, func(t *testing.T, on func(*env) *loop.Loop) {
		e := start(t, asgi(Config{Workers: 2}))
		e.readyAll()
		var all []*client
		for range 4 {
			all = append(all, e.ask(on(e), "GET", "/cancelled", nil).serve(e.app))
		}
		stream := e.ask(on(e), "GET", "/head/never", nil).serve(e.app)
		e.wantNoted("started GET /head/never")
		poll(t, "all run", func() bool { return e.noted("started GET /cancelled") == len(all) })
		lost := e.stop(200 * time.Millisecond)
		for _, c := range all {
			c.want(503, "503 ")
		}
		stream.want(-1, "begun")
		e.wantLost(lost, 5)
		// The stream does not end when it is cancelled: its worker is killed.
		if n := e.noted("stop"); n != 1 {
			t.Errorf("%d workers were told to stop, want 1", n)
		}
	})
}

// The death of a worker takes what it ran along, and no more.
func TestCrashOfMany(t *testing.T) {
	both(t, func(t *testing.T, on func(*env) *loop.Loop) {
		e := start(t, asgi(Config{}))
		var reruns, lost []*client
		for i := range 20 {
			reruns = append(reruns, e.ask(on(e), "GET", "/gate/a", nil).serve(e.app))
			lost = append(lost, e.ask(on(e), "POST", fmt.Sprintf("/gate/a%d", i), nil).serve(e.app))
		}
		poll(t, "twenty run", func() bool { return e.noted("started GET /gate/a") == 20 })
		e.wantNoted("started POST /gate/a19")
		e.ask(on(e), "POST", "/die", nil).serve(e.app).want(502, "502 ")
		e.open("a")
		for i := range reruns {
			reruns[i].want(200, "ok")
			lost[i].want(502, "502 ")
		}
	})
}
