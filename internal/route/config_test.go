package route

import (
	"strings"
	"testing"
)

func TestValidate(t *testing.T) {
	for _, tt := range []struct {
		config Config
		want   string
	}{
		{Config{App: "a"}, ""},
		{Config{App: "a", Host: "*.example.com", Path: "/x/*"}, ""},
		{Config{App: "a", Host: "[2001:db8::1]", Path: "/100%"}, ""},
		{Config{App: "a", Path: "/*"}, ""},
		{Config{}, `app: a route needs app = "NAME", an application that answers`},
		{Config{App: "a", Host: "a.*.com"}, `host: "a.*.com": * stands only at the start, as in *.example.com`},
		{Config{App: "a", Host: "*"}, `host: "*": * stands only at the start, as in *.example.com`},
		{Config{App: "a", Host: "*."}, `host: "*." is not a host name`},
		{Config{App: "a", Host: "http://x"}, `host: "http://x" is not a host name`},
		{Config{App: "a", Host: "x:80"}, `host: "x:80": leave the port out, a route looks at the name alone`},
		{Config{App: "a", Host: "[::1]:80"}, `host: "[::1]:80" is not a host name: a route looks at no port`},
		{Config{App: "a", Path: "x"}, `path: "x" must begin with /`},
		{Config{App: "a", Path: "*"}, `path: "*" must begin with /`},
		{Config{App: "a", Path: "/x*"}, `path: "/x*": * stands only for the rest of a path, as in /shop/*`},
		{Config{App: "a", Path: "/*/x"}, `path: "/*/x": * stands only for the rest of a path, as in /shop/*`},
		{Config{App: "a", Path: "/x?y"}, `path: "/x?y": a route looks at the path alone, without ? and #`},
		{Config{App: "a", Path: "/a%20b"}, `path: "/a%20b": write the path decoded, without %XX`},
		{Config{App: "a", Path: "/a/../b"}, `path: "/a/../b": . and .. are resolved before routing and never match`},
		{Config{Host: "x y", Path: "x"}, "host: \"x y\" is not a host name\npath: \"x\" must begin with /\napp: a route needs app = \"NAME\", an application that answers"},
	} {
		got := ""
		if err := tt.config.Validate(); err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("%+v:\ngot  %s\nwant %s", tt.config, got, tt.want)
		}
	}
}

func TestCovers(t *testing.T) {
	for _, tt := range []struct {
		first, second string // host|path
		want          bool
	}{
		{"|", "|", true},
		{"|", "a|/x", true},
		{"|/*", "|", true},
		{"|/x", "|", false},
		{"|/x/*", "|/x", true},
		{"|/x/*", "|/x/y/*", true},
		{"|/x/*", "|/xy", false},
		{"|/x", "|/x", true},
		{"|/x", "|/x/*", false},
		{"a|", "|", false},
		{"a|", "A|/x", true},
		{"*.a|", "b.a|", true},
		{"*.a|", "a|", false},
		{"*.a|", "*.a|", true},
		{"*.a|", "*.b.a|", true},
		{"*.b.a|", "*.a|", false},
		{"b.a|", "*.a|", false},
		{"a|/x", "b|/x", false},
	} {
		var a, b Config
		a.Host, a.Path, _ = strings.Cut(tt.first, "|")
		b.Host, b.Path, _ = strings.Cut(tt.second, "|")
		if got := a.Covers(b); got != tt.want {
			t.Errorf("%q covers %q: %v, want %v", tt.first, tt.second, got, tt.want)
		}
	}
}
