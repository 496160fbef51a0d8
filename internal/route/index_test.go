package route

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"rickhouse/internal/exchange"
)

// pick builds hosts, paths and routes of a few parts, so that they often meet.
type pick struct{ *rand.Rand }

func (p pick) one(list ...string) string { return list[p.IntN(len(list))] }

func (p pick) host() string {
	labels := make([]string, 1+p.IntN(3))
	for i := range labels {
		labels[i] = p.one("a", "B", "c", "")
	}
	return strings.Join(labels, ".") + p.one("", "", ".", ":80", ".:8")
}

func (p pick) path() string {
	b := &strings.Builder{}
	for range p.IntN(5) {
		b.WriteString("/" + p.one("x", "y", "xy", "", "{"))
	}
	return b.String() + p.one("", "", "/", "*")
}

func (p pick) route() Config {
	c := Config{Host: p.one("", "a", "b.a", "*.a", "*.B.a", "c.b.a", "*.c"), Method: nil, App: "x"}
	if p.IntN(3) == 0 {
		c.Method = []string{p.one("GET", "POST")}
	}
	names := 0
	for range p.IntN(4) {
		s := p.one("x", "y", "xy", "", "{}")
		if s == "{}" {
			s = fmt.Sprintf("{p%d}", names)
			names++
		}
		c.Path += "/" + s
	}
	if p.IntN(2) == 0 {
		c.Path += "/*"
	}
	return c
}

// compare asks the index and the list of all routes.
func compare(t *testing.T, seed uint64) {
	p := pick{rand.New(rand.NewPCG(seed, 7))}
	routes := make([]Route, 1+p.IntN(40))
	for i := range routes {
		routes[i] = Route{Config: p.route(), Handler: &answer{}}
		if err := routes[i].Validate(); err != nil {
			t.Fatal(err)
		}
	}
	r := New(routes)
	for range 50 {
		req := &exchange.Request{Method: []byte(p.one("GET", "POST", "PUT")), Host: []byte(p.host()), Path: []byte(p.path())}
		from := p.IntN(len(routes) + 1)
		var m, n match
		got, want := r.find(req, from, &m), r.scan(req, hostname(req.Host), from, &n)
		if got != want {
			t.Fatalf("seed %d: %s %s%s from %d: the index finds %d, the list %d", seed, req.Method, req.Host, req.Path, from, got, want)
		}
		if got < 0 {
			continue
		}
		same := m.mount == n.mount && string(m.rest) == string(n.rest)
		for i := range r.routes[got].path.names() {
			same = same && string(m.values[i]) == string(n.values[i])
		}
		if !same {
			t.Fatalf("seed %d: %s%s: %+v, want %+v", seed, req.Host, req.Path, m, n)
		}
	}
}

// The index finds what going through all routes finds.
func TestIndexFindsTheFirstRoute(t *testing.T) {
	for seed := range uint64(3000) {
		compare(t, seed)
	}
}

func FuzzIndex(f *testing.F) {
	f.Add(uint64(1))
	f.Fuzz(compare)
}

// What does not fit into the index's lists is found all the same.
func TestMoreListsThanThereIsRoomFor(t *testing.T) {
	var routes []Route
	deep := ""
	for i := range 2 * maxLists {
		deep += fmt.Sprintf("/%d", i)
		routes = append(routes, Route{Config: Config{Path: deep + "/*", App: "x", Header: map[string]string{"n": fmt.Sprint(i)}}, Handler: &answer{}})
	}
	r := New(routes)
	for _, i := range []int{0, maxLists, 2*maxLists - 1} {
		req := &exchange.Request{Host: []byte("h"), Path: []byte(deep), Fields: []exchange.Field{{Name: []byte("n"), Value: []byte(fmt.Sprint(i))}}}
		var m match
		if got := r.find(req, 0, &m); got != i {
			t.Errorf("found %d, want %d", got, i)
		}
	}
	long := &exchange.Request{Host: []byte(strings.Repeat("a", maxHost+1)), Path: []byte("/0"), Fields: []exchange.Field{{Name: []byte("n"), Value: []byte("0")}}}
	var m match
	if got := r.find(long, 0, &m); got != 0 {
		t.Errorf("with a long host: found %d, want 0", got)
	}
}

func many(n int) *Router {
	var routes []Route
	for i := range n {
		c := Config{Path: fmt.Sprintf("/app%d/*", i), App: "x"}
		switch i % 4 {
		case 1:
			c = Config{Host: fmt.Sprintf("h%d.example.com", i), App: "x"}
		case 2:
			c = Config{Path: fmt.Sprintf("/users/{id}/part%d", i), App: "x"}
		case 3:
			c = Config{Host: fmt.Sprintf("*.t%d.example.com", i), Path: "/api/*", App: "x"}
		}
		routes = append(routes, Route{Config: c, Handler: &answer{}})
	}
	return New(append(routes, Route{Config: Config{App: "x"}, Handler: &answer{}}))
}

func TestManyRoutesAllocateNothing(t *testing.T) {
	r := many(1000)
	x, _ := request("a.b.example.com:8000", "/users/7/part9/x")
	if n := testing.AllocsPerRun(100, func() { r.Serve(x) }); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

func BenchmarkRoutes(b *testing.B) {
	for _, n := range []int{0, 10, 1000} {
		r := many(n)
		for _, path := range []string{"/", "/app0/x/y", "/users/7/part2"} {
			b.Run(fmt.Sprintf("%d%s", n+1, strings.ReplaceAll(path, "/", "_")), func(b *testing.B) {
				x, _ := request("www.example.com:8000", path)
				for b.Loop() {
					r.Serve(x)
				}
			})
		}
	}
}
