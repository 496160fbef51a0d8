package python

import (
	"bytes"
	"strings"
	"testing"

	"rickhouse/internal/loop"
	"rickhouse/internal/spool"
	"rickhouse/internal/units"
)

func octets(n int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(i * 7 >> 3)
	}
	return p
}

func TestAnswers(t *testing.T) {
	both(t, func(t *testing.T, on func(*env) *loop.Loop) {
		e := start(t, Config{})
		for _, c := range []struct {
			method, path string
			status       int
			body         string
		}{
			{"GET", "/ok", 200, "ok "},
			{"HEAD", "/ok", 200, "ok "},
			{"GET", "/big/1500000", 200, strings.Repeat("x", 1500000)},
			{"GET", "/big/0", 200, ""},
			{"GET", "/file/300000", 200, strings.Repeat("f", 300000)},
			{"GET", "/abort", 500, "500 "},
			{"GET", "/abort-late", -1, "part"},
			{"GET", "/interim", 200, "ok "},
			{"GET", "/ok", 200, "ok "},
		} {
			got := e.ask(on(e), c.method, c.path, nil).serve(e.app).want(c.status, c.body)
			if got.x.Stats.Worker != 1 || got.x.Stats.Queued == 0 {
				t.Errorf("%s: stats %+v", c.path, got.x.Stats)
			}
		}
	})
}

func TestContent(t *testing.T) {
	both(t, func(t *testing.T, on func(*env) *loop.Loop) {
		for name, cfg := range map[string]Config{"taken in": {}, "streamed": {StreamInput: true}} {
			t.Run(name, func(t *testing.T) {
				e := start(t, cfg)
				for _, n := range []int{0, 1, 10 << 10, 64 << 10, 64<<10 + 1, 1<<20 + 3, 3 << 20} {
					for _, chunked := range []bool{false, true} {
						c := e.ask(on(e), "POST", "/echo", octets(n))
						if chunked {
							c.x.Request.ContentLength = -1
							c.x.Request.Fields = c.x.Request.Fields[:0]
						}
						c.serve(e.app).want(200, "")
						if !bytes.Equal(c.body, octets(n)) {
							t.Errorf("%d octets (chunked: %v) came back as %d others", n, chunked, len(c.body))
						}
					}
				}
			})
		}
	})
}

func TestManyAtOnce(t *testing.T) {
	both(t, func(t *testing.T, on func(*env) *loop.Loop) {
		// The fixture cannot compare and swap: a recall could cross its start.
		e := start(t, Config{WSGI: "no-recall", Workers: 2})
		var all []*client
		for i := range 400 {
			if i%4 == 0 {
				all = append(all, e.ask(on(e), "POST", "/echo", octets(i*100)).serve(e.app))
			} else {
				all = append(all, e.ask(on(e), "GET", "/ok", nil).serve(e.app))
			}
		}
		for _, c := range all {
			c.want(200, "")
		}
		if n := e.noted("started GET /ok") + e.noted("started POST /echo"); n != 400 {
			t.Errorf("%d requests ran, want 400", n)
		}
	})
}

// However much may be kept in memory, it fits into a frame; and little of it is
// kept when it is over.
func TestContentInMemory(t *testing.T) {
	e := prepare(t, Config{})
	e.app.parts.Store.Use(spool.Config{Directory: e.dir, Memory: 8 * units.MiB})
	e.on(e.home, e.app.Start)
	e.wantReady()
	for _, n := range []int{100, 400 << 10, 1 << 20, 3 << 20} {
		c := e.ask(e.home, "POST", "/echo", octets(n)).serve(e.app).want(200, "")
		if !bytes.Equal(c.body, octets(n)) {
			t.Errorf("%d octets came back as %d others", n, len(c.body))
		}
	}
	e.on(e.home, func() {
		for _, j := range e.app.idle {
			if cap(j.content) > 16<<10 {
				t.Errorf("an idle job keeps %d octets", cap(j.content))
			}
		}
	})
}
