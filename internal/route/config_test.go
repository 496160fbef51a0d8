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
		{Config{App: "a", Path: "/u/{id}/{tab}/*", Rewrite: "/{tab}/{id}/*"}, ""},
		{Config{Path: "/u/{id}", Redirect: "https://{host}/{id}?x={id}", Status: 308}, ""},
		{Config{Path: "/u/x{id}"}, `path: "/u/x{id}": a parameter is a whole segment with a name of letters, digits and _, as in /users/{id}`},
		{Config{Path: "/{a}/{a}"}, `path: "/{a}/{a}": the name {a} is taken`},
		{Config{Path: "/{host}"}, `path: "/{host}": the name {host} is taken`},
		{Config{Path: "/{a}/{b}/{c}/{d}/{e}/{f}/{g}/{h}/{i}"}, `path: "/{a}/{b}/{c}/{d}/{e}/{f}/{g}/{h}/{i}" has more than 8 parameters`},
		{Config{Method: []string{"GET", "get", "G ET"}}, "method[1]: \"get\" is not a method in capitals, as GET\nmethod[2]: \"G ET\" is not a method in capitals, as GET"},
		{Config{Header: map[string]string{"x y": "1", "x_y": "1"}}, "header[x y]: \"x y\" is not the name of a header field\nheader[x_y]: names with _ are dropped from requests: write \"x-y\""},
		{Config{Client: []string{"10.0.0.0/8", "unix", "10.0.0"}}, `client[2]: "10.0.0" is not an address, a network such as 10.0.0.0/8, or "unix"`},
		{Config{App: "a", Rewrite: "/x", Strip: true}, `rewrite: a route that strips rewrites already: leave strip or rewrite out`},
		{Config{App: "a", Rewrite: "x"}, `rewrite: "x" must begin with /`},
		{Config{App: "a", Rewrite: "/x?y"}, `rewrite: "/x?y": it is a path, without ? and #: the query stays`},
		{Config{App: "a", Rewrite: "/x/../y"}, `rewrite: "/x/../y": there is no . and .. in paths that applications see`},
		{Config{App: "a", Rewrite: "/{id}"}, `rewrite: "/{id}": path has no parameter {id}`},
		{Config{App: "a", Path: "/{ib}", Rewrite: "/{id}"}, `rewrite: "/{id}": path has no parameter {id}: there is {ib}`},
		{Config{App: "a", Path: "/{id}", Rewrite: "/{host}"}, `rewrite: "/{host}": path has no parameter {host}: there is {id}`},
		{Config{App: "a", Path: "/x", Rewrite: "/y/*"}, `rewrite: "/y/*": path has no /* that the * could stand for`},
		{Config{Redirect: "x"}, `redirect: "x" is not a path or an http or https URL`},
		{Config{Redirect: "//x/*"}, `redirect: "//x/*" is not a path or an http or https URL`},
		{Config{Redirect: "javascript:x"}, `redirect: "javascript:x" is not a path or an http or https URL`},
		{Config{Redirect: "https:///x"}, `redirect: "https:///x" has no host`},
		{Config{Redirect: "https://x.test*"}, `redirect: "https://x.test*": only {host}, and nothing else that a client can choose, may be the host`},
		{Config{Path: "/{x}", Redirect: "https://{x}.test/"}, `redirect: "https://{x}.test/": only {host}, and nothing else that a client can choose, may be the host`},
		{Config{Redirect: "/a b"}, `redirect: "/a b" holds a character that no URL has: write it as %XX`},
		{Config{Redirect: "/{"}, `redirect: "/{": { and } stand only around the name of a parameter`},
		{Config{Redirect: "/x", Status: 200}, `status: 200 is not the status of a redirect: there is 301, 302, 303, 307 and 308`},
		{Config{Status: 302}, `status: 302 needs a redirect that says where to`},
		{Config{Status: 99}, `status: 99 is not between 200 and 599`},
		{Config{Respond: "x", Status: 204}, `respond: an answer of status 204 has no content`},
		{Config{Respond: "x", ContentType: "a\nb"}, `content_type: "a\nb" holds control characters`},
		{Config{Host: "x y", Path: "x"}, "host: \"x y\" is not a host name\npath: \"x\" must begin with /"},
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
		{"|/{a}", "|/x", true},
		{"|/{a}", "|/{b}", true},
		{"|/{a}", "|/", false},
		{"|/{a}", "|/x/*", false},
		{"|/{a}/*", "|/x/y", true},
		{"|/x", "|/{a}", false},
		{"|/{a}/*", "|/*", false},
	} {
		var a, b Config
		a.Host, a.Path, _ = strings.Cut(tt.first, "|")
		b.Host, b.Path, _ = strings.Cut(tt.second, "|")
		if got := a.Covers(b); got != tt.want {
			t.Errorf("%q covers %q: %v, want %v", tt.first, tt.second, got, tt.want)
		}
	}
}

func TestCoversWithMoreConditions(t *testing.T) {
	get := Config{Method: []string{"GET"}}
	if !(Config{}).Covers(get) || get.Covers(Config{}) || !get.Covers(get) || get.Covers(Config{Method: []string{"PUT"}}) {
		t.Error("a route with a condition covers only those with the same")
	}
}
