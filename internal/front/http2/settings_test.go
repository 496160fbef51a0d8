package http2

import (
	"fmt"
	"strings"
	"testing"
	"time"

	x2 "golang.org/x/net/http2"

	"rickhouse/internal/exchange"
	"rickhouse/internal/front"
	"rickhouse/internal/testkit"
	"rickhouse/internal/units"
	wire "rickhouse/internal/wire/http2"
)

// clientSeen answers with who the client is and which fields came, but for Host.
var clientSeen = handler(func(x *exchange.Exchange) {
	var text strings.Builder
	fmt.Fprintf(&text, "%s", x.Request.ClientAddr)
	for _, f := range x.Request.Fields[1:] {
		fmt.Fprintf(&text, " %s", f.Name)
	}
	x.Answer(200, text.String())
})

// Other settings hold for the next request of a connection that is there, and for new
// connections.
func TestSettingsOfTheNextRequest(t *testing.T) {
	status := func(g *got) string { return g.fields[":status"] }
	body := func(g *got) string { return string(g.body) }
	for name, c := range map[string]struct {
		to          front.Config
		fields      []string
		h           exchange.Handler
		says        func(g *got) string
		first, then string
	}{
		"max_line":      {front.Config{MaxLine: 64}, simple("GET", "/"+strings.Repeat("a", 64)), hello, status, "200", "414"},
		"max_fields":    {front.Config{MaxFields: 1}, simple("GET", "/", "x: 1", "y: 1"), hello, status, "200", "431"},
		"max_head":      {front.Config{MaxHead: 200, MaxLine: 150}, simple("GET", "/", "x: "+strings.Repeat("a", 100)), hello, status, "200", "431"},
		"max_body":      {front.Config{MaxBody: 3}, simple("POST", "/", "content-length: 4"), hello, status, "200", "413"},
		"server_header": {front.Config{ServerHeader: "other"}, simple("GET", "/"), hello, func(g *got) string { return g.fields["server"] }, "rickhouse", "other"},
		"trusted_proxies": {
			front.Config{TrustedProxies: []string{"127.0.0.1"}},
			simple("GET", "/", "x-forwarded-for: 192.0.2.7"),
			clientSeen, body, "127.0.0.1", "192.0.2.7 x-forwarded-for",
		},
		"underscore_headers": {
			front.Config{UnderscoreHeaders: []string{"X_A"}}, simple("GET", "/", "x_a: 1"), clientSeen, body, "127.0.0.1", "127.0.0.1 x_a",
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, settings{}, c.h)
			ask := func(r *raw, id uint32) string {
				content := c.fields[0] == ":method: POST"
				r.open(id, !content, c.fields...)
				if content {
					r.ok(r.WriteData(id, true, []byte("four")))
				}
				return c.says(r.answer(id))
			}
			there := s.dial()
			if got := ask(there, 1); got != c.first {
				t.Fatalf("at first: got %q, want %q", got, c.first)
			}
			s.use(settings{common: c.to})
			if got := ask(there, 3); got != c.then {
				t.Errorf("on a connection that was there: got %q, want %q", got, c.then)
			}
			if got := ask(s.dial(), 1); got != c.then {
				t.Errorf("on a new one: got %q, want %q", got, c.then)
			}
			s.use(settings{})
			if got := ask(there, 5); got != c.first {
				t.Errorf("back again: got %q, want %q", got, c.first)
			}
		})
	}
}

// A request keeps the settings of when its head began to come.
func TestSettingsOfTheRequestThatHasBegun(t *testing.T) {
	s := start(t, settings{}, testkit.Echo(100))
	r := s.dial()
	block := r.encode(simple("POST", "/", "x: 1", "y: 1")...)
	r.ok(r.WriteHeaders(x2.HeadersFrameParam{StreamID: 1, BlockFragment: block[:5]}))
	s.Until("the head has begun to come", func() (begun bool) {
		s.Do(func() { s.door.conns.Each(func(c *conn) { begun = c.block.stream == 1 }) })
		return begun
	})
	s.use(settings{common: front.Config{MaxFields: 1, MaxBody: 1, ServerHeader: "other"}})
	r.ok(r.WriteContinuation(1, true, block[5:]))
	r.ok(r.WriteData(1, true, []byte("four")))
	if g := r.answer(1); g.fields[":status"] != "200" || string(g.body) != "four" || g.fields["server"] != "rickhouse" {
		t.Errorf("got %+v", g)
	}
	r.open(3, true, simple("GET", "/", "x: 1", "y: 1")...)
	if g := r.answer(3); g.fields[":status"] != "431" || g.fields["server"] != "other" {
		t.Errorf("then: got %+v", g)
	}
}

// keepalive_requests holds from the next request.
func TestKeepaliveOfSettings(t *testing.T) {
	s := start(t, settings{}, hello)
	r := s.dial()
	r.get(1, "/")
	r.answer(1)
	s.use(settings{common: front.Config{KeepaliveRequests: 1}})
	r.get(3, "/")
	r.answer(3)
	r.goAway(wire.NoError)
}

// What a connection has told of HTTP/2 it keeps; others hold for new ones.
func TestConnectionsKeepTheirLimits(t *testing.T) {
	h := testkit.NewHeld()
	s := start(t, settings{own: Config{MaxStreams: 2, Window: 64 * units.KiB}}, h)
	there := s.dial()
	there.pinged()
	s.use(settings{own: Config{MaxStreams: 1, Window: 128 * units.KiB}})
	for r, most := range map[*raw]int{there: 2, s.dial(): 1} {
		for i := range most + 1 {
			r.get(uint32(2*i+1), "/")
		}
		if g := r.answer(uint32(2*most + 1)); !g.reset || g.code != wire.RefusedStream {
			t.Errorf("%d streams and one more: got %+v", most, g)
		}
		for range most {
			testkit.Wait(t, h.Began, "a request")
		}
	}
	windows := map[int64]int{}
	s.Do(func() { s.door.conns.Each(func(c *conn) { windows[c.recv]++ }) })
	if windows[64<<10] != 1 || windows[128<<10] != 1 {
		t.Errorf("the windows are %v", windows)
	}
}

// Timeouts hold from when they begin to run.
func TestTimeoutsOfSettings(t *testing.T) {
	const ever, soon = time.Hour, 10 * time.Millisecond
	long := front.Config{HeaderTimeout: ever, IdleTimeout: ever, MinRateGrace: ever}
	h := testkit.NewHeld()
	s := start(t, settings{common: long}, h)
	r := s.dial()
	r.pinged()
	cfg := long
	cfg.MinRateGrace = soon
	s.use(settings{common: cfg})
	r.open(1, false, simple("POST", "/", "content-length: 4")...)
	x := testkit.Wait(t, h.Began, "a request")
	s.Do(func() { x.Demand(4) })
	err := testkit.Wait(t, h.Ends, "content that comes too slowly is not waited for")
	s.Do(func() { x.Fail(err) })
	if g := r.answer(1); g.fields[":status"] != "408" {
		t.Errorf("got %+v", g)
	}
	cfg = long
	cfg.HeaderTimeout = soon
	s.use(settings{common: cfg})
	r.ok(r.WriteHeaders(x2.HeadersFrameParam{StreamID: 3, BlockFragment: r.encode(simple("GET", "/")...)}))
	r.goAway(wire.EnhanceYourCalm)
}
