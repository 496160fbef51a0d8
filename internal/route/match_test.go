package route

import (
	"testing"

	"rickhouse/internal/exchange"
	wire "rickhouse/internal/wire/http1"
)

// ask parses a head as a client would send it and hands it to the routes.
func ask(t *testing.T, routes []Config, head string) (*exchange.Exchange, *client) {
	t.Helper()
	x, cl := request("", "")
	p := wire.NewParser(&wire.Limits{Line: 8 << 10, Head: 32 << 10, Fields: 100})
	n, err := p.Parse([]byte(head), &x.Request)
	if err != nil {
		cl.status = err.Status
		return x, cl
	}
	if n != len(head) {
		t.Fatalf("%d octets of %q read", n, head)
	}
	x.Request.ClientAddr, x.Request.Scheme = []byte("10.1.2.3"), []byte("http")
	x.Request.Listener = "127.0.0.1:8001"
	var list []Route
	for _, c := range routes {
		if err := c.Validate(); err != nil {
			t.Fatal(err)
		}
		r := Route{Config: c}
		if c.App != "" {
			r.Handler = exchange.HandlerFunc(func(x *exchange.Exchange) { x.Answer(200, "") })
		}
		list = append(list, r)
	}
	New(list).Serve(x)
	return x, cl
}

func TestConditions(t *testing.T) {
	const head = "GET /x?a=1&b=two+words&c=%C3%A9&d HTTP/1.1\r\nHost: h\r\nX-Beta: on\r\nX-Beta: More\r\n\r\n"
	for _, tt := range []struct {
		name   string
		config Config
		want   bool
	}{
		{"method", Config{Method: []string{"PUT", "GET"}}, true},
		{"other method", Config{Method: []string{"HEAD", "PUT"}}, false},
		{"header", Config{Header: map[string]string{"X-BETA": "on"}}, true},
		{"second header of that name", Config{Header: map[string]string{"x-beta": "More"}}, true},
		{"case of the value", Config{Header: map[string]string{"x-beta": "more"}}, false},
		{"any value", Config{Header: map[string]string{"x-beta": "*"}}, true},
		{"no such header", Config{Header: map[string]string{"x-gamma": "*"}}, false},
		{"all headers", Config{Header: map[string]string{"x-beta": "on", "x-gamma": "*"}}, false},
		{"query", Config{Query: map[string]string{"a": "1"}}, true},
		{"query decoded", Config{Query: map[string]string{"b": "two words", "c": "é"}}, true},
		{"query without value", Config{Query: map[string]string{"d": "*"}}, true},
		{"query differs", Config{Query: map[string]string{"a": "12"}}, false},
		{"query longer", Config{Query: map[string]string{"a": ""}}, false},
		{"no such parameter", Config{Query: map[string]string{"e": "*"}}, false},
		{"network", Config{Client: []string{"192.168.0.0/16", "10.0.0.0/8"}}, true},
		{"address", Config{Client: []string{"10.1.2.3"}}, true},
		{"mapped address", Config{Client: []string{"::ffff:10.1.2.3"}}, true},
		{"other network", Config{Client: []string{"10.2.0.0/16", "2001:db8::/32"}}, false},
		{"Unix clients only", Config{Client: []string{"unix"}}, false},
		{"listener", Config{Listener: []string{":81", "127.0.0.1:8001"}}, true},
		{"other listener", Config{Listener: []string{":8001"}}, false},
		{"scheme", Config{Scheme: "http"}, true},
		{"other scheme", Config{Scheme: "https"}, false},
	} {
		tt.config.App = "a"
		_, cl := ask(t, []Config{tt.config}, head)
		if got := cl.status == 200; got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestClientsOfUnixSockets(t *testing.T) {
	for _, tt := range []struct {
		client []string
		want   bool
	}{{nil, true}, {[]string{"10.0.0.0/8"}, false}, {[]string{"10.0.0.0/8", "unix"}, true}} {
		x, _ := request("h", "/")
		a := &answer{}
		New([]Route{{Config: Config{Client: tt.client}, Handler: a}}).Serve(x)
		if got := a.served == 1; got != tt.want {
			t.Errorf("%v: %v, want %v", tt.client, got, tt.want)
		}
	}
}

func TestGetIsHead(t *testing.T) {
	if _, cl := ask(t, []Config{{App: "a", Method: []string{"GET"}}}, "HEAD / HTTP/1.1\r\nHost: h\r\n\r\n"); cl.status != 200 {
		t.Errorf("status %d, want 200", cl.status)
	}
}

func TestPaths(t *testing.T) {
	for _, tt := range []struct {
		pattern, path string
		mount         string // "-" for no match
	}{
		{"/u/{id}", "/u/1", "/u/1"},
		{"/u/{id}", "/u/", "-"},
		{"/u/{id}", "/u", "-"},
		{"/u/{id}", "/u/1/", "-"},
		{"/u/{id}", "/u/1/2", "-"},
		{"/u/{id}/*", "/u/1", "/u/1"},
		{"/u/{id}/*", "/u/1/", "/u/1"},
		{"/u/{id}/*", "/u/1/2/3", "/u/1"},
		{"/u/{id}/*", "/u//2", "-"},
		{"/{a}/{b}", "/x/y", "/x/y"},
		{"/{a}/b", "/x/c", "-"},
		{"/{a}", "*", "-"},
		{"/{a}", "", "-"},
	} {
		p := newPattern(tt.pattern)
		var m match
		got := "-"
		if p.matches([]byte(tt.path), &m) {
			got = tt.path[:m.mount]
		}
		if got != tt.mount {
			t.Errorf("%s on %s: %s, want %s", tt.pattern, tt.path, got, tt.mount)
		}
	}
}

// TestAttacksOnPaths sends what has got past the access rules of other servers:
// what the rule closes has to be closed however it is written.
func TestAttacksOnPaths(t *testing.T) {
	routes := []Config{{Path: "/admin/*", Status: 403}, {Path: "/api/{version}/secret", Status: 403}, {App: "web"}}
	for _, tt := range []struct {
		target string
		status int
	}{
		{"/admin", 403},
		{"/admin/x", 403},
		{"/%61dmin/x", 403},
		{"/x/../admin/x", 403},
		{"/x/%2e%2e/admin/x", 403},
		{"/x/%2E%2e/admin", 403},
		{"/x/.%2e/admin", 403},
		{"/x%2f..%2fadmin", 403},
		{"/x%2F%2e%2e%2Fadmin%2Fy", 403},
		{"/admin%2fx", 403},
		{"/./admin/", 403},
		{"/%2e/admin/", 403},
		{"/admin/..%2fadmin/", 403},
		{"/admin?x", 403},
		{"http://h/x/%2e%2e/admin", 403},
		{"/api/v1/secret", 403},
		{"/api/v1%2fsecret", 403},
		{"/api/v1/./secret", 403},

		// These are other paths, for applications and files as well.
		{"/%2561dmin", 200}, // decoded once: /%61dmin
		{"/x/%252e%252e/admin", 200},
		{"//admin", 200}, // an empty segment is one
		{"/%2fadmin", 200},
		{"/;/admin", 200}, // ";" is as any other
		{"/admin;x", 200},
		{"/admin;/..%5cx", 200},
		{"/x/..;/admin", 200},
		{"/x%5c..%5cadmin", 200}, // "\" is as any other
		{"/ADMIN", 200},
		{"/admin/../x", 200},
		{"/admin%20", 200},

		// These are refused before any route.
		{"/..", 400},
		{"/../admin", 400},
		{"/x/..%2f../admin", 400},
		{"/%2e%2e/admin", 400},
		{"/admin%00", 400},
		{"/admin%", 400},
		{"/admin%zz", 400},
		{"/admin#x", 400},
	} {
		_, cl := ask(t, routes, "GET "+tt.target+" HTTP/1.1\r\nHost: h\r\n\r\n")
		if cl.status != tt.status {
			t.Errorf("%s: status %d, want %d", tt.target, cl.status, tt.status)
		}
	}
}

func TestPassingOn(t *testing.T) {
	last := &answer{}
	pass := func(next exchange.Handler) exchange.Handler {
		return exchange.HandlerFunc(func(x *exchange.Exchange) { next.Serve(x) })
	}
	r := New([]Route{
		{Config: Config{Path: "/x/*"}, Passing: pass, Name: "first", Mounted: true},
		{Config: Config{Path: "/y"}, Handler: &answer{}},
		{Config: Config{Path: "/x/y", App: "last"}, Handler: last},
	})
	x, _ := request("h", "/x/y")
	r.Serve(x)
	if last.served != 1 || x.Route.Name != "last" || len(x.Route.ScriptName) > 0 {
		t.Errorf("%d served, route %+v", last.served, x.Route)
	}
	x, cl := request("h", "/x/z")
	r.Serve(x)
	if cl.status != 404 {
		t.Errorf("status %d, want 404", cl.status)
	}
}
