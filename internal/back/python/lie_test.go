package python

import (
	"strings"
	"testing"
	"time"

	"rickhouse/internal/loop"
)

// A worker that sends what it must not is killed; its request is answered, and
// the next one is served by another.
func TestLies(t *testing.T) {
	for lie, reason := range map[string]string{
		"garbage":           "malformed frame",
		"generation":        "was not started",
		"slot":              "was not started",
		"beyond":            "was not started",
		"type":              "a frame of type 99",
		"request":           "a frame of type 2",
		"done":              "DONE before the end",
		"counter":           "a counter of 1 octets",
		"data":              "content out of place",
		"window":            "a WINDOW",
		"no-file":           "a file out of place",
		"no-descriptor":     "a descriptor is missing",
		"failed":            "FAILED",
		"ready":             "a second READY",
		"past-window":       "past the window",
		"two-heads":         "a second HEAD",
		"pipe":              "not of a regular file",
		"field":             "is not valid",
		"value":             "is not valid",
		"interim-end":       "interim",
		"interim-content":   "interim",
		"descriptor-ready":  "with a descriptor",
		"descriptor-failed": "with a descriptor",
		"descriptor-data":   "with a descriptor",
		"descriptor-slot":   "was not started",
		"interims":          "more than 32 interim heads",
		"files":             "past the window",
		"trailers":          "trailers out of place",
		"close":             "a CLOSE out of place",
	} {
		t.Run(lie, func(t *testing.T) {
			both(t, func(t *testing.T, on func(*env) *loop.Loop) {
				e := start(t, Config{MaxRestartDelay: time.Millisecond})
				c := e.ask(on(e), "POST", "/lie/"+lie, nil)
				c.slow = true
				c.serve(e.app).wait()
				if c.err == nil && c.status != 502 {
					t.Errorf("answered %d", c.status)
				}
				e.wantLogged(reason)
				e.ask(on(e), "GET", "/ok", nil).serve(e.app).want(200, "ok")
				if strings.Count(e.log.String(), "worker ended") != 1 {
					t.Error("not one worker ended")
				}
			})
		})
	}
}
