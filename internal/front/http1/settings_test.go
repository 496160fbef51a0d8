package http1

import (
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rickhouse/internal/exchange"
	"rickhouse/internal/spool"
	"rickhouse/internal/testkit"
)

// use has s go by other settings: those of set, and of cfg.
func (s *server) use(set Settings, cfg Config) {
	s.T.Helper()
	made := set.made(s.T, cfg, spool.Config{})
	s.Do(func() { s.door.Use(made) })
}

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
	const forwarded = "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 192.0.2.7\r\n\r\n"
	status := func(r response) string { return r.Status[:3] }
	for name, c := range map[string]struct {
		from, to    Config
		request     string
		h           exchange.Handler
		says        func(r response) string
		first, then string
	}{
		"max_line, of the request": {to: Config{MaxLine: 64}, request: get("/" + strings.Repeat("a", 64)), first: "200", then: "414"},
		"max_line, of a field":     {to: Config{MaxLine: 64}, request: "GET / HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("a", 64) + "\r\n\r\n", first: "200", then: "431"},
		"max_fields":               {to: Config{MaxFields: 2}, request: "GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\nY: 1\r\n\r\n", first: "200", then: "431"},
		"max_head":                 {to: Config{MaxHead: 64, MaxLine: 64}, request: "GET / HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("a", 50) + "\r\n\r\n", first: "200", then: "431"},
		"max_body":                 {to: Config{MaxBody: 3}, request: post("four"), h: testkit.Echo(10), first: "200", then: "413"},
		"max_body, in chunks":      {to: Config{MaxBody: 3}, request: chunked("four", 4, ""), h: testkit.Echo(10), first: "200", then: "413"},
		"max_body, more":           {from: Config{MaxBody: 3}, to: Config{MaxBody: 4}, request: post("four"), h: testkit.Echo(10), first: "413", then: "200"},
		"trailers":                 {to: Config{MaxFields: 1}, request: chunked("four", 4, "X: 1\r\nY: 1\r\n"), h: testkit.Echo(10), first: "200", then: "431"},
		"keepalive_requests": {
			to: Config{KeepaliveRequests: 1}, request: get("/"),
			says: func(r response) string { return fmt.Sprint(r.Close) }, first: "false", then: "true",
		},
		"server_header": {
			to: Config{ServerHeader: "none"}, request: get("/"),
			says: func(r response) string { return fmt.Sprint(r.Header["Server"]) }, first: "[rickhouse]", then: "[]",
		},
		"trusted_proxies": {
			to: Config{TrustedProxies: []string{"127.0.0.1"}}, request: forwarded,
			says: func(r response) string { return r.body }, h: clientSeen, first: "127.0.0.1", then: "192.0.2.7 x-forwarded-for",
		},
		"underscore_headers": {
			to: Config{UnderscoreHeaders: []string{"X_A"}}, request: "GET / HTTP/1.1\r\nHost: a\r\nX_A: 1\r\n\r\n",
			says: func(r response) string { return r.body }, h: clientSeen, first: "127.0.0.1", then: "127.0.0.1 x_a",
		},
	} {
		t.Run(name, func(t *testing.T) {
			if c.h == nil {
				c.h = hello
			}
			if c.says == nil {
				c.says = status
			}
			s := start(t, c.from, c.h)
			there := s.dial()
			there.get(get("/")) // it is kept
			if got := c.says(s.dial().get(c.request)); got != c.first {
				t.Fatalf("at first: got %q, want %q", got, c.first)
			}
			s.use(Settings{}, c.to)
			if got := c.says(there.get(c.request)); got != c.then {
				t.Errorf("on a connection that was there: got %q, want %q", got, c.then)
			}
			if got := c.says(s.dial().get(c.request)); got != c.then {
				t.Errorf("on a new one: got %q, want %q", got, c.then)
			}
			s.use(Settings{}, c.from)
			if got := c.says(s.dial().get(c.request)); got != c.first {
				t.Errorf("back again: got %q, want %q", got, c.first)
			}
		})
	}
}

// A request keeps the settings of when its first octet came.
func TestSettingsOfTheRequestThatHasBegun(t *testing.T) {
	s := start(t, Config{}, testkit.Echo(100))
	head, content := s.dial(), s.dial()
	request := post("four")
	head.send(request[:10])
	content.send(part(request))
	s.Until("both have begun", func() (begun bool) {
		s.Do(func() {
			states := map[state]int{}
			count := func(c *conn) { states[c.state]++ }
			s.door.idle.Each(count)
			s.door.busy.Each(count)
			begun = states[reading] == 1 && states[serving] == 1
		})
		return begun
	})
	s.use(Settings{}, Config{MaxBody: 1, MaxFields: 1, ServerHeader: "other"})
	for name, c := range map[string]*client{"part of the head": head, "part of the content": content} {
		rest := request[10:]
		if c == content {
			rest = request[len(part(request)):]
		}
		if res := c.get(rest); res.StatusCode != 200 || res.body != "four" || res.Header.Get("Server") != "rickhouse" {
			t.Errorf("%s had come: got %v %q", name, res.Status, res.body)
		}
		if res := c.get(request); res.StatusCode != 431 || res.Header.Get("Server") != "other" {
			t.Errorf("%s had come, and then: got %v", name, res.Status)
		}
	}
}

// Timeouts hold from when they begin to run: on a connection that is there from the
// next request, and on new ones.
func TestTimeoutsOfSettings(t *testing.T) {
	const ever, soon = time.Hour, 10 * time.Millisecond
	long := Config{HeaderTimeout: ever, IdleTimeout: ever, MinRateGrace: ever}
	for name, c := range map[string]struct {
		to   func(cfg *Config)
		send string
		want int // 0 for the end without an answer
	}{
		"min_rate_grace": {func(cfg *Config) { cfg.MinRateGrace = soon }, part(post("four")), 408},
		"idle_timeout":   {func(cfg *Config) { cfg.IdleTimeout = soon }, "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, long, testkit.Echo(100))
			there := s.dial()
			there.get(get("/"))
			cfg := long
			c.to(&cfg)
			s.use(Settings{}, cfg)
			for _, client := range []*client{there, s.dial()} {
				if c.want == 0 {
					client.get(get("/"))
				} else if res := client.get(c.send); res.StatusCode != c.want {
					t.Errorf("got %v, want %d", res.Status, c.want)
				}
				client.ended()
			}
		})
	}
}

// header_timeout holds for the next head, and for connections that come and send
// nothing.
func TestHeaderTimeoutOfSettings(t *testing.T) {
	s := start(t, Config{HeaderTimeout: time.Hour, IdleTimeout: time.Hour}, hello)
	there := s.dial()
	there.get(get("/"))
	s.use(Settings{}, Config{HeaderTimeout: 10 * time.Millisecond, IdleTimeout: time.Hour})
	if res := there.get(part(get("/"))); res.StatusCode != 408 {
		t.Errorf("got %v", res.Status)
	}
	s.dial().ended()
}

// half_close holds for the next request.
func TestHalfCloseOfSettings(t *testing.T) {
	h := testkit.NewHeld()
	s := start(t, Config{}, h)
	there, other := s.dial(), s.dial()
	for _, c := range []*client{there, other} {
		c.send(get("/"))
		x := testkit.Wait(t, h.Began, "a request")
		s.Do(func() { x.Answer(200, "first") })
		c.read("GET")
	}
	other.send(get("/")).finishSending()
	x := testkit.Wait(t, h.Began, "a request")
	testkit.Wait(t, h.Causes, "it is told that the client has finished")
	s.Do(func() { x.Answer(200, "") })
	s.use(Settings{}, Config{HalfClose: true})
	for _, c := range []*client{there, s.dial()} {
		c.send(get("/"))
		x := testkit.Wait(t, h.Began, "a request")
		c.finishSending()
		s.Until("its end has come", func() (eof bool) {
			s.Do(func() { s.door.busy.Each(func(c *conn) { eof = eof || c.eof }) })
			return eof
		})
		s.Do(func() { x.Answer(200, "answered") })
		if res := c.read("GET"); res.body != "answered" {
			t.Errorf("got %q", res.body)
		}
		if len(h.Causes) > 0 {
			t.Errorf("the application was told %v", <-h.Causes)
		}
	}
}

// Fewer max_connections close those that are idle; with more of them accepting goes
// on.
func TestMaxConnectionsOfSettings(t *testing.T) {
	h := testkit.NewHeld()
	s := start(t, Config{MaxConnections: 10}, h)
	idle := s.dial().send(get("/"))
	x := testkit.Wait(t, h.Began, "a request")
	s.Do(func() { x.Answer(200, "first") })
	idle.read("GET")
	var xs []*exchange.Exchange
	clients := []*client{s.dial(), s.dial()}
	for _, c := range clients {
		c.send(get("/"))
		xs = append(xs, testkit.Wait(t, h.Began, "a request"))
	}
	s.use(Settings{}, Config{MaxConnections: 1})
	idle.ended()
	clients = append(clients, s.dial().send(get("/")))
	var accepted uint64
	var paused bool
	s.Do(func() { accepted, paused = s.door.counters.Accepted, s.door.paused })
	if accepted != 3 || !paused {
		t.Errorf("%d connections were accepted, accepting rests: %v", accepted, paused)
	}
	s.use(Settings{}, Config{MaxConnections: 10})
	xs = append(xs, testkit.Wait(t, h.Began, "a request of a connection that was not accepted before"))
	s.Do(func() {
		for _, x := range xs {
			x.Answer(200, "answered")
		}
	})
	for _, c := range clients {
		if res := c.read("GET"); res.body != "answered" {
			t.Errorf("got %q", res.body)
		}
	}
}

// What answers by TLS carry holds for the next one.
func TestExtraFieldsOfSettings(t *testing.T) {
	s, cfg := startTLS(t, Config{}, hello)
	there := s.dial().secure(cfg)
	there.get(get("/"))
	extra := []exchange.Field{{Name: []byte("Strict-Transport-Security"), Value: []byte("max-age=2")}}
	s.use(Settings{TLS: true, Extra: extra, HTTP3: true}, Config{})
	alt := fmt.Sprintf(`h3=":%d"; ma=86400`, s.Listener.Addr().Port)
	for _, c := range []*client{there, s.dial().secure(cfg)} {
		h := c.get(get("/")).Header
		if got := h.Get("Strict-Transport-Security"); got != "max-age=2" {
			t.Errorf("Strict-Transport-Security is %q", got)
		}
		if got := h.Get("Alt-Svc"); got != alt {
			t.Errorf("Alt-Svc is %q, want %q", got, alt)
		}
	}
	s.use(Settings{TLS: true}, Config{})
	if h := there.get(get("/")).Header; h.Get("Strict-Transport-Security") != "" || h.Get("Alt-Svc") != "" {
		t.Errorf("got %v", h)
	}
}

// proxy_protocol holds for new connections.
func TestAnnouncersOfSettings(t *testing.T) {
	s := start(t, Config{}, handler(ends))
	there := s.dial()
	own := there.get(get("/")).body
	s.use(Settings{}, announcing("127.0.0.1"))
	if got := there.get(get("/")).body; got != own {
		t.Errorf("a connection that was there: got %q, want %q", got, own)
	}
	if got := s.dial().send(lineOfFour).get(get("/")).body; got != "http 10.1.2.3:4660 > 192.0.2.1:443" {
		t.Errorf("a new one: got %q", got)
	}
	s.dial().send(get("/")).ended()
	s.use(Settings{}, Config{})
	c := s.dial()
	if got := c.get(get("/")).body; got != s.own("http", c) {
		t.Errorf("back again: got %q", got)
	}
}

// HTTP/2 without TLS can be had, or not, by new connections.
func TestHTTP2OfSettings(t *testing.T) {
	handed := make(chan net.Addr, 10)
	s := start(t, Config{}, hello, func(p *setup) {
		p.Parts.HTTP2 = func(_ *Door, h Handoff) {
			handed <- net.TCPAddrFromAddrPort(netip.AddrPortFrom(h.Remote.Addr(), h.Remote.Port()))
			h.Stream.Close(false)
			h.Closed()
		}
	})
	s.dial().send(preface).ended()
	testkit.Wait(t, handed, "the connection is handed over")
	s.use(Settings{}, Config{})
	if res := s.dial().get(preface); res.StatusCode != 505 {
		t.Errorf("got %v", res.Status)
	}
	s.use(Settings{HTTP2: true}, Config{})
	s.dial().send(preface).ended()
	testkit.Wait(t, handed, "the connection is handed over")
}

// Spool settings are those of the request.
func TestSpoolOfSettings(t *testing.T) {
	s := start(t, Config{}, hello, withSpool(t, spool.Config{Memory: 1 << 20}))
	made := Settings{}.made(t, Config{}, spool.Config{Memory: 10, MaxAnswer: 1000})
	s.Do(func() { s.door.Use(made) })
	c := s.dial()
	c.send(part(get("/")))
	var got *work
	s.Until("a request has begun", func() bool {
		s.Do(func() {
			s.door.idle.Each(func(c *conn) { got = c.w })
		})
		return got != nil
	})
	s.Do(func() {
		if o := got.out.Settings; o.Memory != 10 || o.MaxAnswer != 1000 {
			t.Errorf("got %d, %d", o.Memory, o.MaxAnswer)
		}
	})
}

// proxy_protocol can hold at one of two addresses: TCP and Unix sockets.
func TestAnnouncersOfOneListener(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", "unix"} {
		if address == "unix" {
			address = "unix:" + filepath.Join(t.TempDir(), "s")
		}
		s := startOn(t, address, announcing("127.0.0.1", "unix"), handler(ends))
		own := func(c *client) string {
			if s.Listener.Addr().Path != "" {
				return "http :0 > " + s.Listener.Addr().Path + ":0"
			}
			return s.own("http", c)
		}
		const announcedAs = "http 10.1.2.3:4660 > 192.0.2.1:443"
		for text, announced := range map[string]bool{address: true, "other": false} {
			cfg := announcing("127.0.0.1", "unix")
			cfg.ProxyProtocolListener = []string{text}
			s.Do(func() { s.door.gates[0].addr.Text = address })
			s.use(Settings{}, cfg)
			c := s.dial()
			if announced {
				if got := c.send(lineOfFour).get(get("/")).body; got != announcedAs {
					t.Errorf("%s, held: got %q", address, got)
				}
				s.dial().send(get("/")).ended()
				continue
			}
			if got, want := c.get(get("/")).body, own(c); got != want {
				t.Errorf("%s, not held: got %q, want %q", address, got, want)
			}
			if res := s.dial().get(lineOfFour + get("/")); res.StatusCode != 400 {
				t.Errorf("%s, not held: a header gives %v", address, res.Status)
			}
		}
	}
}

// TLS can be had, or not, by new connections of an address that may be TLS.
func TestTLSOfSettings(t *testing.T) {
	s, cfg := startTLS(t, Config{}, handler(ends))
	secure := s.dial().secure(cfg)
	own := secure.get(get("/")).body
	s.use(Settings{}, Config{})
	clear := s.dial()
	if got := clear.get(get("/")).body; got != s.own("http", clear) {
		t.Errorf("in cleartext: got %q", got)
	}
	s.use(Settings{TLS: true}, Config{})
	if got := clear.get(get("/")).body; got != s.own("http", clear) {
		t.Errorf("a connection in cleartext that was there: got %q", got)
	}
	if got := secure.get(get("/")).body; got != own || !strings.HasPrefix(own, "https ") {
		t.Errorf("a connection by TLS that was there: got %q, want %q", got, own)
	}
	if res := s.dial().get(get("/")); res.StatusCode != 400 {
		t.Errorf("without TLS: got %v", res.Status)
	}
	c := s.dial()
	if got := c.secure(cfg).get(get("/")).body; got != s.own("https", c) {
		t.Errorf("by TLS again: got %q", got)
	}
}
