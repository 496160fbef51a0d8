package http3

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go"

	"rickhouse/internal/exchange"
	"rickhouse/internal/front"
	"rickhouse/internal/testkit"
)

// use has s go by other settings: the defaults but for what change changes.
func (s *server) use(t *testing.T, change func(c *settings)) {
	t.Helper()
	var c settings
	change(&c)
	s.front.Use(c.made(t))
}

// clientSeen answers with who the client is and which fields came, but for Host.
var clientSeen = handler(func(x *exchange.Exchange) {
	var text strings.Builder
	fmt.Fprintf(&text, "%s", x.Request.ClientAddr)
	for _, f := range x.Request.Fields[1:] {
		if string(f.Name) != "user-agent" {
			fmt.Fprintf(&text, " %s", f.Name)
		}
	}
	x.Answer(200, text.String())
})

// Other settings hold for the next request of a connection that is there, and for new
// connections.
func TestSettingsOfTheNextRequest(t *testing.T) {
	status := func(r response) string { return r.Status[:3] }
	body := func(r response) string { return r.body }
	page := filepath.Join(t.TempDir(), "sorry.html")
	if err := os.WriteFile(page, []byte("<p>sorry"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		to                 front.Config
		path, field, value string
		content            string
		h                  exchange.Handler
		says               func(r response) string
		first, then        string
	}{
		"max_line":        {to: front.Config{MaxLine: 64}, path: strings.Repeat("a", 64), h: hello, says: status, first: "200", then: "414"},
		"max_fields":      {to: front.Config{MaxFields: 1}, field: "X", value: "1", h: hello, says: status, first: "200", then: "431"},
		"max_body":        {to: front.Config{MaxBody: 3}, content: "four", h: testkit.Echo(10), says: status, first: "200", then: "413"},
		"error_pages":     {to: front.Config{ErrorPages: map[string]string{"413": page}, MaxBody: 3}, content: "four", h: testkit.Echo(10), says: body, first: "four", then: "<p>sorry"},
		"server_header":   {to: front.Config{ServerHeader: "other"}, h: hello, says: func(r response) string { return r.Header.Get("Server") }, first: "rickhouse", then: "other"},
		"trusted_proxies": {to: front.Config{TrustedProxies: []string{"127.0.0.1"}}, field: "X-Forwarded-For", value: "192.0.2.7", h: clientSeen, says: body, first: "127.0.0.1", then: "192.0.2.7 x-forwarded-for"},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, c.h)
			ask := func(client *client) string {
				r := client.request("GET", "/"+c.path, nil)
				if c.content != "" {
					r = client.request("POST", "/", strings.NewReader(c.content))
				}
				if c.field != "" {
					r.Header.Set(c.field, c.value)
				}
				return c.says(client.do(r))
			}
			there := s.dial()
			if got := ask(there); got != c.first {
				t.Fatalf("at first: got %q, want %q", got, c.first)
			}
			s.use(t, func(set *settings) { set.common = c.to })
			if got := ask(there); got != c.then {
				t.Errorf("on a connection that was there: got %q, want %q", got, c.then)
			}
			if got := ask(s.dial()); got != c.then {
				t.Errorf("on a new one: got %q, want %q", got, c.then)
			}
			s.use(t, func(*settings) {})
			if got := ask(there); got != c.first {
				t.Errorf("back again: got %q, want %q", got, c.first)
			}
		})
	}
}

// A larger head is taken by connections that come; a smaller one holds at once.
func TestMaxHeadOfSettings(t *testing.T) {
	s := start(t, hello)
	there := s.dial()
	ask := func(c *client, size int) int {
		r := c.request("GET", "/", nil)
		for i := range size / 4000 {
			r.Header.Set(fmt.Sprint("X-", i), strings.Repeat("a", 4000))
		}
		return c.do(r).StatusCode
	}
	if a, b := ask(there, 20000), ask(there, 40000); a != 200 || b != 431 {
		t.Fatalf("at first: got %d, %d", a, b)
	}
	s.use(t, func(c *settings) { c.common.MaxHead = 64 << 10 })
	if a, b := ask(s.dial(), 40000), ask(there, 40000); a != 200 || b != 431 {
		t.Errorf("with larger heads: got %d, and %d on a connection that was there", a, b)
	}
	s.use(t, func(c *settings) { c.common.MaxHead = 16 << 10 })
	if a, b := ask(s.dial(), 20000), ask(there, 20000); a != 431 || b != 431 {
		t.Errorf("with smaller heads: got %d, and %d on a connection that was there", a, b)
	}
}

// A request keeps the settings that it began with.
func TestSettingsOfTheRequestThatHasBegun(t *testing.T) {
	begun := make(chan struct{}, 1)
	answers := testkit.Echo(100)
	s := start(t, handler(func(x *exchange.Exchange) {
		begun <- struct{}{}
		answers.Serve(x)
	}))
	c := s.dial()
	content, w := io.Pipe()
	go func() {
		<-begun
		s.use(t, func(c *settings) { c.common = front.Config{MaxBody: 1, ServerHeader: "other"} })
		_, _ = io.WriteString(w, "four")
		_ = w.Close()
	}()
	if r := c.do(c.request("POST", "/", content)); r.body != "four" || r.Header.Get("Server") != "rickhouse" {
		t.Errorf("got %v %q", r.Status, r.body)
	}
	if r := c.do(c.request("POST", "/", strings.NewReader("four"))); r.StatusCode != 413 || r.Header.Get("Server") != "other" {
		t.Errorf("then: got %v", r.Status)
	}
}

// hsts holds for the next answer.
func TestExtraFieldsOfSettings(t *testing.T) {
	s := start(t, hello)
	there := s.dial()
	there.get("/")
	s.use(t, func(c *settings) {
		c.extra = []exchange.Field{{Name: []byte("Strict-Transport-Security"), Value: []byte("max-age=2")}}
	})
	for _, c := range []*client{there, s.dial()} {
		if got := c.get("/").Header.Get("Strict-Transport-Security"); got != "max-age=2" {
			t.Errorf("got %q", got)
		}
	}
}

// Limits of connections hold for new ones.
func TestConnectionsOfSettings(t *testing.T) {
	s := start(t, hello)
	s.dial().get("/")
	s.use(t, func(c *settings) { c.config.MaxConnections = 1 })
	if _, err := quic.DialAddr(t.Context(), s.addr.String(), s.tls(), nil); err == nil {
		t.Error("one connection too many is accepted")
	}
	s.use(t, func(c *settings) { c.config.MaxConnections = 2 })
	s.dial().get("/")
}

// idle_timeout holds from the next request.
func TestIdleTimeoutOfSettings(t *testing.T) {
	s := start(t, hello, func(c *settings) { c.common.IdleTimeout = time.Hour })
	there := s.dial()
	there.get("/")
	s.use(t, func(c *settings) { c.common.IdleTimeout = 10 * time.Millisecond })
	// The connection may end before the client has read its answer.
	_, _ = there.try(there.request("GET", "/", nil))
	s.Seen(2)
	testkit.Wait(t, there.conn.Context().Done(), "the connection is closed")
}
