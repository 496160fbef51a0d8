package python

import (
	"bytes"
	"testing"
	"time"

	"rickhouse/internal/exchange"
	"rickhouse/internal/loop"
)

// A worker dies before it begins: what the client sends meanwhile is kept.
func TestStreamedContentSurvivesACrash(t *testing.T) {
	for _, when := range []string{"while it waits", "after it was sent again"} {
		t.Run(when, func(t *testing.T) {
			both(t, func(t *testing.T, on func(*env) *loop.Loop) {
				e := start(t, Config{StreamInput: true, MaxRestartDelay: 100 * time.Millisecond})
				c := e.ask(on(e), "POST", "/die-unstarted-echo", octets(300<<10))
				c.paused = true
				c.serve(e.app)
				e.wantLogged("worker ended")
				if when == "after it was sent again" {
					e.wantNoted("started POST /die-unstarted-echo")
				}
				e.on(c.loop, func() {
					if c.demands > 64<<10 {
						t.Errorf("%d octets were asked for, more than a window", c.demands)
					}
				})
				c.resume()
				c.want(200, "")
				if !bytes.Equal(c.body, octets(300<<10)) {
					t.Errorf("%d octets came back", len(c.body))
				}
			})
		})
	}
}

// Once content was given to a worker that died, nobody else can have it.
func TestStreamedContentLost(t *testing.T) {
	both(t, func(t *testing.T, on func(*env) *loop.Loop) {
		e := start(t, Config{StreamInput: true})
		c := e.ask(on(e), "GET", "/die-after-content", octets(300<<10))
		c.serve(e.app).want(502, "502 ")
		if n := e.noted("started GET /die-after-content"); n != 1 {
			t.Errorf("it started %d times", n)
		}
	})
}

func TestStreamedExpect(t *testing.T) {
	both(t, func(t *testing.T, on func(*env) *loop.Loop) {
		e := start(t, Config{StreamInput: true})
		for path, demanded := range map[string]bool{"/ok": false, "/echo": true} {
			c := e.ask(on(e), "POST", path, octets(100<<10))
			c.x.Request.Fields = append(c.x.Request.Fields, exchange.Field{Name: []byte("expect"), Value: []byte("100-continue")})
			c.serve(e.app).want(200, "")
			if (c.demands > 0) != demanded {
				t.Errorf("%s: %d octets were asked for", path, c.demands)
			}
		}
	})
}

// An answer that comes in one frame leaves what is unread for good, and the front
// is told with the head.
func TestStreamedContentLeft(t *testing.T) {
	both(t, func(t *testing.T, on func(*env) *loop.Loop) {
		e := start(t, Config{StreamInput: true})
		for path, whole := range map[string]bool{"/ok": true, "/echo": false} {
			c := e.ask(on(e), "POST", path, octets(300<<10))
			c.serve(e.app).want(200, "")
			if c.whole != whole {
				t.Errorf("%s: whole is %v", path, c.whole)
			}
		}
	})
}

func TestStreamedContentCut(t *testing.T) {
	both(t, func(t *testing.T, on func(*env) *loop.Loop) {
		e := start(t, Config{StreamInput: true})
		c := e.ask(on(e), "POST", "/echo", []byte("first"))
		c.held = true
		c.serve(e.app)
		e.wantNoted("started POST /echo")
		e.on(c.loop, func() { c.x.Server.ContentEnd(c.x, exchange.ErrClientGone) })
		c.want(200, "first (cut)")
	})
}

// What the content was refused for is the answer if the application has none.
func TestStreamedContentRefused(t *testing.T) {
	both(t, func(t *testing.T, on func(*env) *loop.Loop) {
		e := start(t, Config{StreamInput: true})
		tooLarge := &exchange.Error{Status: 413, Reason: "too large"}
		for _, tt := range []struct {
			path    string
			err     error
			status  int
			content string
		}{
			{"/abort-after-content", tooLarge, 413, "413 "},
			{"/abort-after-content", exchange.ErrClientGone, 500, "500 "},
			{"/echo", tooLarge, 200, "first (cut)"},
		} {
			c := e.ask(on(e), "POST", tt.path, []byte("first"))
			c.held = true
			c.serve(e.app)
			e.wantNoted("started POST " + tt.path)
			e.on(c.loop, func() { c.x.Server.ContentEnd(c.x, tt.err) })
			c.want(tt.status, tt.content)
		}
	})
}

// An application that waits for a slow client is not stuck; one that does not
// read what is there is.
func TestStreamedTimeout(t *testing.T) {
	both(t, func(t *testing.T, on func(*env) *loop.Loop) {
		e := start(t, Config{StreamInput: true, RequestTimeout: patience, Workers: 2})
		slow := e.ask(on(e), "POST", "/echo", []byte("first"))
		slow.held = true
		slow.serve(e.app)
		e.wantNoted("started POST /echo")
		e.unhurried(slow)
		c := e.ask(on(e), "POST", "/hang", octets(300<<10)).serve(e.app)
		e.until("it has as much as it may be sent", func() bool {
			j := e.jobOf(c)
			return j != nil && j.running && !j.waits()
		})
		e.overdue(c)
		c.want(504, "504 ")
		e.on(slow.loop, func() { slow.x.Server.ContentEnd(slow.x, nil) })
		slow.want(200, "first")
	})
}

// Credit may be given back only for what was read: more would have the front
// take in and keep whatever the client sends.
func TestTooMuchCredit(t *testing.T) {
	both(t, func(t *testing.T, on func(*env) *loop.Loop) {
		e := start(t, Config{StreamInput: true})
		for path, most := range map[string]int{"/credit/never-sent": 64 << 10, "/credit/unread": 12 << 20} {
			c := e.ask(on(e), "POST", path, make([]byte, 40<<20))
			c.serve(e.app).want(502, "502 ")
			e.wantLogged("WINDOW")
			if c.demands > most {
				t.Errorf("%s: %d octets were asked for", path, c.demands)
			}
		}
	})
}
