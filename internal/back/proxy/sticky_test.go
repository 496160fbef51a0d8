package proxy

import (
	"strings"
	"testing"
)

func TestStickyCookie(t *testing.T) {
	a, b := unixFake(t, named("a")), unixFake(t, named("b"))
	cfg := Config{Upstreams: []string{a.url, b.url}, StickyCookie: "srv", StickySecret: "0123456789abcdef"}
	e := start(t, cfg, 1)
	first := e.get("/")
	set := first.Header.Get("Set-Cookie")
	pair, attributes, _ := strings.Cut(set, ";")
	if !strings.HasPrefix(pair, "srv=") || attributes != " Path=/; HttpOnly; SameSite=Lax" {
		t.Fatalf("the cookie is %q", set)
	}
	if strings.Contains(set, "unix") || len(pair) != len("srv=")+22 {
		t.Errorf("the cookie %q is no opaque token", pair)
	}
	for _, server := range []*env{e, start(t, cfg, 1)} { // one that is like it knows the cookie, too
		for range 6 {
			got := server.get("/", "Cookie: x=y; "+pair)
			if got.body != first.body || got.Header.Get("Set-Cookie") != "" {
				t.Errorf("got %q, %q", got.body, got.Header.Get("Set-Cookie"))
			}
		}
	}
	t.Run("one that nobody gave", func(t *testing.T) {
		seen := map[string]bool{}
		for range 4 {
			got := e.get("/", "Cookie: srv=AAAAAAAAAAAAAAAAAAAAAA")
			seen[got.body] = true
			if got.Header.Get("Set-Cookie") == "" {
				t.Error("no other is given")
			}
		}
		if len(seen) != 2 {
			t.Errorf("got %v", seen)
		}
	})
	t.Run("of an upstream that is gone", func(t *testing.T) {
		for _, p := range *e.proxy.peers.Load() {
			if (p.addr.String() == a.url) == (first.body == "a") {
				p.sick.Store(true)
			}
		}
		got := e.get("/", "Cookie: "+pair)
		if got.body == first.body || !strings.HasPrefix(got.Header.Get("Set-Cookie"), "srv=") {
			t.Errorf("got %q, %q", got.body, got.Header.Get("Set-Cookie"))
		}
	})
}
