package route

import (
	"os"
	"testing"

	"rickhouse/internal/exchange"
)

// answer is a Handler that remembers what it was given, and the Client of the
// Exchange.
type answer struct{ served int }

func (a *answer) Serve(*exchange.Exchange) { a.served++ }

type client struct {
	status  int
	content string
}

func (c *client) Demand(*exchange.Exchange, int)                  {}
func (c *client) Head(x *exchange.Exchange)                       { c.status = x.Response.Status }
func (c *client) Data(_ *exchange.Exchange, p []byte)             { c.content += string(p) }
func (c *client) File(*exchange.Exchange, *os.File, int64, int64) {}
func (c *client) End(*exchange.Exchange)                          {}
func (c *client) Abort(*exchange.Exchange, error)                 {}

func request(host, path string) (x *exchange.Exchange, cl *client) {
	x, cl = &exchange.Exchange{}, &client{}
	x.Reset()
	x.Client = cl
	x.Request.Method = []byte("GET")
	x.Request.Host, x.Request.Path = []byte(host), []byte(path)
	return x, cl
}

func TestFirstMatchWins(t *testing.T) {
	configs := []Config{
		{Path: "/login", App: "login"},
		{Host: "api.example.com", Path: "/v1/*", App: "api", Strip: true, NoRerun: true},
		{Host: "*.Example.com", App: "tenant"},
		{Host: "[::1]", App: "six"},
		{Path: "/shop/*", App: "shop", Strip: true},
		{Path: "/exact", App: "mounted", Strip: true},
		{Host: "example.com.", App: "apex"},
	}
	var routes []Route
	for _, c := range configs {
		if err := c.Validate(); err != nil {
			t.Fatal(err)
		}
		routes = append(routes, Route{Config: c, Handler: &answer{}})
	}
	r := New(routes)
	for _, tt := range []struct{ host, path, app, script string }{
		{"x", "/login", "login", ""},
		{"x", "/login/", "", ""},
		{"x", "/logins", "", ""},
		{"api.example.com", "/v1/items", "api", "/v1"},
		{"API.example.COM:8443", "/v1", "api", "/v1"},
		{"api.example.com", "/v2", "tenant", ""},
		{"a.b.example.com:80", "/", "tenant", ""},
		{"a.example.com.", "/", "tenant", ""},
		{"a.example.com.:80", "/", "tenant", ""},
		{"example.com", "/", "apex", ""},
		{"example.com:", "/", "apex", ""},
		{".example.com", "/", "", ""},
		{"badexample.com", "/", "", ""},
		{"[::1]:8000", "/", "six", ""},
		{"[::1]", "/", "six", ""},
		{"x", "/shop", "shop", "/shop"},
		{"x", "/shop/", "shop", "/shop"},
		{"x", "/shop/a/b", "shop", "/shop"},
		{"x", "/shopping", "", ""},
		{"x", "/SHOP/", "", ""},
		{"x", "/exact", "mounted", "/exact"},
		{"x", "*", "", ""},
		{"example.com", "*", "apex", ""},
		{"", "", "", ""},
	} {
		x, cl := request(tt.host, tt.path)
		x.Route.ScriptName = []byte("left over")
		r.Serve(x)
		if tt.app == "" {
			if cl.status != 404 || x.Stats.Err == nil {
				t.Errorf("%s%s: status %d, want 404", tt.host, tt.path, cl.status)
			}
			continue
		}
		if x.Route.Name != tt.app || string(x.Route.ScriptName) != tt.script || x.Route.NoRerun != (tt.app == "api") {
			t.Errorf("%s%s: %+v, want %s at %q", tt.host, tt.path, x.Route, tt.app, tt.script)
		}
		if string(x.Request.Path) != tt.path {
			t.Errorf("%s%s: the path became %s", tt.host, tt.path, x.Request.Path)
		}
	}
	if routes[0].Handler.(*answer).served != 1 {
		t.Error("the handler was not called")
	}
}

// The mount point that a gateway in front has told is kept; strip may add to it.
func TestMountedByAGateway(t *testing.T) {
	r := New([]Route{
		{Config: Config{Path: "/m/api/*", App: "api", Strip: true}, Handler: &answer{}},
		{Config: Config{Path: "/m/old/*", App: "old", Rewrite: "/new"}, Handler: &answer{}},
		{Config: Config{App: "web"}, Handler: &answer{}},
	})
	for path, want := range map[string]string{"/m/x": "web /m /m/x", "/m": "web /m /m", "/m/api/x": "api /m/api /m/api/x", "/m/old/x": "old  /new"} {
		x, _ := request("a", path)
		x.Request.Mount = len("/m")
		r.Serve(x)
		if got := x.Route.Name + " " + string(x.Route.ScriptName) + " " + string(x.Request.Path); got != want {
			t.Errorf("%s: got %q, want %q", path, got, want)
		}
	}
}

func TestCatchAll(t *testing.T) {
	for _, path := range []string{"", "/*"} {
		a := &answer{}
		r := New([]Route{{Config: Config{Path: path, App: "web"}, Handler: a}})
		for _, p := range []string{"/", "/a", "*", ""} {
			x, _ := request("h", p)
			r.Serve(x)
		}
		if a.served != 4 {
			t.Errorf("path %q: %d served, want 4", path, a.served)
		}
	}
}

// Whatever answers every method would open a tunnel.
func TestNoTunnel(t *testing.T) {
	a := &answer{}
	x, cl := request("db:5432", "")
	x.Request.Method = []byte("CONNECT")
	New([]Route{{Config: Config{App: "web"}, Handler: a}}).Serve(x)
	if cl.status != 501 || a.served != 0 {
		t.Errorf("got %d, %d served", cl.status, a.served)
	}
}

func TestServeAllocatesNothing(t *testing.T) {
	r := New([]Route{
		{Config: Config{Host: "*.example.com", App: "a"}, Handler: &answer{}},
		{Config: Config{Path: "/shop/*", App: "b", Strip: true}, Handler: &answer{}},
	})
	x, _ := request("other.test:8000", "/shop/cart")
	if n := testing.AllocsPerRun(100, func() { r.Serve(x) }); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

// stamp is a Handler that leaves a mark and passes on.
type stamp struct {
	next exchange.Handler
	seen int
}

func (s *stamp) Serve(x *exchange.Exchange) {
	s.seen++
	x.Response.Add("X-Stamp", "1")
	s.next.Serve(x)
}

func TestWhatWrapsStandsBeforeWhateverAnswers(t *testing.T) {
	marks := make([]*stamp, 4)
	wrap := func(i int) func(exchange.Handler) exchange.Handler {
		return func(next exchange.Handler) exchange.Handler {
			marks[i] = &stamp{next: next}
			return marks[i]
		}
	}
	pass := func(next exchange.Handler) exchange.Handler { return next }
	app := &answer{}
	r := New([]Route{
		{Config: Config{Path: "/u/{id}", Redirect: "/users/{id}"}, Wrap: wrap(0)},
		{Config: Config{Path: "/ok", Respond: "ok"}, Wrap: wrap(1)},
		{Config: Config{Path: "/f/*"}, Passing: pass, Wrap: wrap(2)},
		{Config: Config{App: "a"}, Handler: app, Wrap: wrap(3)},
	})
	for _, tt := range []struct {
		path   string
		status int
		seen   [4]int
	}{
		{"/u/7", 302, [4]int{1, 0, 0, 0}},
		{"/ok", 200, [4]int{1, 1, 0, 0}},
		{"/f/x", 0, [4]int{1, 1, 1, 1}},
		{"/", 0, [4]int{1, 1, 1, 2}},
	} {
		x, cl := request("h", tt.path)
		r.Serve(x)
		seen := [4]int{marks[0].seen, marks[1].seen, marks[2].seen, marks[3].seen}
		if cl.status != tt.status || seen != tt.seen || !x.Response.Has([]byte("x-stamp")) {
			t.Errorf("%s: %d, passed %v, want %d, %v", tt.path, cl.status, seen, tt.status, tt.seen)
		}
		if tt.path == "/u/7" && string(x.Response.Fields[1].Value) != "/users/7" {
			t.Errorf("the redirect leads to %s", x.Response.Fields[1].Value)
		}
	}
	if app.served != 2 {
		t.Errorf("the application answered %d times, want 2", app.served)
	}
}
