package gateway

import (
	"strings"
	"testing"
	"time"

	"rickhouse/internal/front"
)

// use has s go by other settings.
func (s *server) use(cfg settings) {
	s.T.Helper()
	made := cfg.made(s.T)
	s.Do(func() { s.door.Use(made) })
}

// Other settings hold for new connections, and for the next request of one that is
// there, where the protocol has that.
func TestSettingsOfTheNextRequest(t *testing.T) {
	status := func(r response) string { return r.status[:3] }
	address := func(r response) string {
		_, rest, _ := strings.Cut(r.body, "] ")
		return strings.Fields(rest)[1]
	}
	for name, c := range map[string]struct {
		to          front.Config
		content     string
		variables   []string
		says        func(r response) string
		first, then string
	}{
		"max_line":   {front.Config{MaxLine: 64}, "", []string{"HTTP_X=" + strings.Repeat("a", 64)}, status, "200", "431"},
		"max_fields": {front.Config{MaxFields: 1}, "", []string{"HTTP_X=1", "HTTP_Y=1"}, status, "200", "431"},
		"max_body":   {front.Config{MaxBody: 3}, "four", nil, status, "200", "413"},
		"trusted_proxies": {
			front.Config{TrustedProxies: []string{"192.0.2.1"}},
			"",
			[]string{"REMOTE_ADDR=192.0.2.1", "HTTP_X_FORWARDED_FOR=192.0.2.7"},
			address, "192.0.2.1:0", "192.0.2.7:0",
		},
	} {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, protocol string) {
				s := start(t, protocol, settings{}, echo(10))
				there := s.dial()
				if got := c.says(there.get(c.content, c.variables...)); got != c.first {
					t.Fatalf("at first: got %q, want %q", got, c.first)
				}
				s.use(settings{common: c.to})
				clients := []*client{s.dial()}
				if protocol == "fastcgi" {
					clients = append(clients, there)
				}
				for i, client := range clients {
					if got := c.says(client.get(c.content, c.variables...)); got != c.then {
						t.Errorf("connection %d: got %q, want %q", i, got, c.then)
					}
				}
				s.use(settings{})
				if got := c.says(s.dial().get(c.content, c.variables...)); got != c.first {
					t.Errorf("back again: got %q, want %q", got, c.first)
				}
			})
		})
	}
}

// A request keeps the settings of when its first octet came.
func TestSettingsOfTheRequestThatHasBegun(t *testing.T) {
	each(t, func(t *testing.T, protocol string) {
		s := start(t, protocol, settings{}, echo(10))
		text := request(protocol, "four", "HTTP_X=1", "HTTP_Y=1")
		c := s.dial().send(text[:20])
		s.Until("it has begun", func() (begun bool) {
			s.Do(func() { s.door.conns.Each(func(c *conn) { begun = c.w != nil && c.p.begun(c) }) })
			return begun
		})
		s.use(settings{common: front.Config{MaxFields: 1, MaxBody: 1}})
		if got := c.send(text[20:]).read(); got.status != "200 OK" || !strings.HasSuffix(got.body, " four") {
			t.Errorf("got %+v", got)
		}
		if got := s.dial().send(text).read(); got.status[:3] != "431" {
			t.Errorf("then: got %+v", got)
		}
	})
}

// gateway_peers hold for new connections.
func TestPeersOfSettings(t *testing.T) {
	s := start(t, "fastcgi", settings{remote: "192.0.2.1:1234"}, echo(10))
	s.dial().ended()
	s.use(settings{own: Config{Peers: []string{"192.0.2.0/24"}}})
	there := s.dial()
	there.get("")
	s.use(settings{})
	s.dial().ended()
	there.get("")
}

// Timeouts hold from when they begin to run.
func TestTimeoutsOfSettings(t *testing.T) {
	long := front.Config{HeaderTimeout: time.Hour, IdleTimeout: time.Hour, MinRateGrace: time.Hour}
	each(t, func(t *testing.T, protocol string) {
		s := start(t, protocol, settings{common: long}, echo(10))
		cfg := long
		cfg.MinRateGrace = 10 * time.Millisecond
		s.use(settings{common: cfg})
		text := frame(protocol, "", 10, "REQUEST_METHOD=POST", "PATH_INFO=/", "HTTP_HOST=h")
		if protocol == "fastcgi" {
			text = text[:len(text)-8] // the end of STDIN
		}
		if got := s.dial().send(text).read(); got.status[:3] != "408" {
			t.Errorf("got %+v", got)
		}
		cfg = long
		cfg.HeaderTimeout = 10 * time.Millisecond
		s.use(settings{common: cfg})
		s.dial().ended()
	})
	s := start(t, "fastcgi", settings{common: long}, echo(10))
	c := s.dial()
	c.get("")
	cfg := long
	cfg.IdleTimeout = 10 * time.Millisecond
	s.use(settings{common: cfg})
	c.get("")
	c.ended()
}
