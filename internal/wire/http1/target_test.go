package http1

import (
	"testing"
)

func TestPath(t *testing.T) {
	for _, c := range []struct{ raw, want string }{
		{"/", "/"},
		{"/a/b", "/a/b"},
		{"/a/./b", "/a/b"},
		{"/a/.", "/a/"},
		{"/a/..", "/"},
		{"/a/b/..", "/a/"},
		{"/a/b/../", "/a/"},
		{"/a/b/../../c", "/c"},
		{"/.", "/"},
		{"/./", "/"},
		{"/...", "/..."},
		{"/a..b/.c/d.", "/a..b/.c/d."},
		{"//", "//"},
		{"//a//b//", "//a//b//"},
		{"/a//../b", "/a/b"},
		{"//..", "/"},
		{"/a;b=c/d", "/a;b=c/d"},
		{"/a/..;/b", "/a/..;/b"},
		{`/a\..\b`, `/a\..\b`},
		{"/a%5c..%5cb", `/a\..\b`},
		{"/a%2fb", "/a/b"},
		{"/a/%2e%2e/b", "/b"},
		{"/a/.%2E/b", "/b"},
		{"/a/b%2f..%2fc", "/a/c"},
		{"/%252e%252e/", "/%2e%2e/"},
		{"/%3f%23%20", "/?# "},
		{"/%e4%F6", "/\xe4\xf6"},
		{"/a%0d%0ab", "/a\r\nb"},
		{"/a+b", "/a+b"},
	} {
		got, req := parse(newTestParser(), "GET "+c.raw+"?q HTTP/1.1\r\nHost: a\r\n\r\n")
		if string(req.Path) != c.want || string(req.RawPath) != c.raw || string(req.Query) != "q" {
			t.Errorf("%s: path %q (%+v), want %q", c.raw, req.Path, got, c.want)
		}
	}
}

// A path that needs no work costs none.
func TestPathIsNotCopied(t *testing.T) {
	_, req := parse(newTestParser(), "GET /a.b/c-d HTTP/1.1\r\nHost: a\r\n\r\n")
	if &req.Path[0] != &req.RawPath[0] {
		t.Error("the path was copied")
	}
}

func TestValidAuthority(t *testing.T) {
	for text, want := range map[string]bool{
		"a": true, "a:1": true, "a:": true, "127.0.0.1:80": true, "[::1]": true, "[::1]:80": true, "a_b~c": true, "%41": true,
		"": false, ":80": false, "a:b": false, "[]": false, "[:]": false, "a b": false, "a,b": false, "::1": false, "[::1]]": false,
	} {
		if got := ValidAuthority([]byte(text)); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}

// The slices of a request have no room behind them, so that appending to one
// cannot write over another.
func TestSlicesAreClipped(t *testing.T) {
	_, req := parse(newTestParser(), "GET /a?b HTTP/1.1\r\nHost: a\r\nA: b \r\n\r\n")
	check := func(name string, b []byte) {
		if cap(b) != len(b) {
			t.Errorf("%s has %d octets of room", name, cap(b)-len(b))
		}
	}
	check("method", req.Method)
	check("target", req.Target)
	check("raw path", req.RawPath)
	check("query", req.Query)
	for _, f := range req.Fields {
		check("name", f.Name)
		check("value", f.Value)
	}
}
