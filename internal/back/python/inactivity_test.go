package python

import (
	"strings"
	"testing"
	"time"
)

// A worker that has served something and is idle then is replaced, the next one
// first; one that has served nothing stays.
func TestInactivityTimeout(t *testing.T) {
	for _, cfg := range []Config{{}, asgi(Config{})} {
		cfg.InactivityTimeout = 50 * time.Millisecond
		e := start(t, cfg)
		first := e.ask(e.home, "GET", "/ok", nil).serve(e.app).want(200, "ok").worker()
		e.until("the next worker serves", func() bool {
			m := e.app.places[0].current
			return len(e.app.members) == 1 && m.loaded && m.served == 0
		})
		// It has served nothing: it is looked at, and stays.
		var m *member
		e.on(e.home, func() {
			m = e.app.places[0].current
			e.app.places[0].lookIdle()
		})
		e.until("it is looked at again", func() bool { return e.app.places[0].idle.Active() })
		e.on(e.home, func() {
			if p := e.app.places[0]; p.current != m || p.coming != nil {
				t.Error("a worker that has served nothing is replaced")
			}
		})
		if second := e.ask(e.home, "GET", "/ok", nil).serve(e.app).want(200, "ok").worker(); second == first {
			t.Error("the worker was not replaced")
		}
		if strings.Contains(e.log.String(), "served enough") {
			t.Errorf("the log tells another reason:\n%s", e.log)
		}
	}
}

// A request that takes long is no idleness.
func TestInactivityTimeoutWaitsForRequests(t *testing.T) {
	e := start(t, Config{InactivityTimeout: 20 * time.Millisecond, RequestTimeout: patience})
	e.ask(e.home, "POST", "/gate/a", nil).serve(e.app)
	e.wantNoted("started POST /gate/a")
	e.on(e.home, func() {
		p := e.app.places[0]
		p.current.served, p.current.idleSince = 1, 0 // as if it had been idle for ever
		p.lookIdle()
		if p.coming != nil {
			t.Error("a worker that runs a request is replaced")
		}
	})
	e.open("a")
}
