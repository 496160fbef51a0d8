package route

import (
	"strings"
	"testing"
)

func TestRedirects(t *testing.T) {
	for _, tt := range []struct {
		path, to, target, location string
		status                     int
	}{
		{"/old", "/new", "/old", "/new", 302},
		{"/old", "/new", "/old?a=1&b=%20", "/new?a=1&b=%20", 302},
		{"/old", "/new?a=2", "/old?a=1", "/new?a=2", 302},
		{"/old", "/new#part", "/old?a=1", "/new#part", 302},
		{"/old/*", "/new/*", "/old/x/y", "/new/x/y", 302},
		{"/old/*", "/new/*", "/old/", "/new/", 302},
		{"/old/*", "/new/*", "/old", "/new", 302},
		{"/old/*", "/*", "/old", "/", 302},
		{"", "https://example.org/*", "/a/b?c", "https://example.org/a/b?c", 302},
		{"", "https://example.org/*", "/", "https://example.org/", 302},
		{"/*", "https://{host}/*", "/a", "https://h.test/a", 302},
		{"/*", "https://{host}:8443/*", "/a", "https://h.test:8443/a", 302},
		{"/u/{id}/{tab}", "/users/{tab}/{id}", "/u/7/me", "/users/me/7", 302},
		{"/u/{id}", "/users?id={id}", "/u/a&b=c%3Fd", "/users?id=a%26b%3Dc%3Fd", 302},
		{"/u/{id}", "/users/{id}", "/u/%C3%A9%20%25%3f%23", "/users/%C3%A9%20%25%3F%23", 302},

		// A client chooses neither the host nor a line.
		{"/old/*", "/*", "/old//evil.test", "/evil.test", 302},
		{"/old/*", "/*", "/old/%2fevil.test", "/evil.test", 302},
		{"/old/*", "/*", "/old///evil.test", "/evil.test", 302},
		{"/old/*", "/*", "/old/%5cevil.test", "/%5Cevil.test", 302},
		{"/old/*", "/*", "/old/%09/evil.test", "/%09/evil.test", 302},
		{"/old/*", "/new/*", "/old/%0d%0aSet-Cookie:x", "/new/%0D%0ASet-Cookie:x", 302},
		{"/u/{id}", "/{id}", "/u/%5cevil.test", "/%5Cevil.test", 302},
	} {
		x, cl := ask(t, []Config{{Path: tt.path, Redirect: tt.to}}, "GET "+tt.target+" HTTP/1.1\r\nHost: h.test:80\r\n\r\n")
		got := ""
		for _, f := range x.Response.Fields {
			if string(f.Name) == "Location" {
				got = string(f.Value)
			}
		}
		if cl.status != tt.status || got != tt.location {
			t.Errorf("%s to %s on %s: %d %s, want %d %s", tt.path, tt.to, tt.target, cl.status, got, tt.status, tt.location)
		}
	}
	if _, cl := ask(t, []Config{{Redirect: "/x", Status: 308}}, "GET / HTTP/1.1\r\nHost: h\r\n\r\n"); cl.status != 308 {
		t.Errorf("status %d, want 308", cl.status)
	}
	if _, cl := ask(t, []Config{{Redirect: "https://{host}/"}}, "GET / HTTP/1.0\r\n\r\n"); cl.status != 400 {
		t.Errorf("without a host: status %d, want 400", cl.status)
	}
}

func TestFixedAnswers(t *testing.T) {
	for _, tt := range []struct {
		config        Config
		method        string
		status        int
		content, kind string
	}{
		{Config{Respond: "ok\n"}, "GET", 200, "ok\n", "text/plain; charset=utf-8"},
		{Config{Respond: "ok\n"}, "HEAD", 200, "", "text/plain; charset=utf-8"},
		{Config{Respond: "{}", ContentType: "application/json", Status: 503}, "GET", 503, "{}", "application/json"},
		{Config{Status: 403}, "POST", 403, "403 Forbidden\n", "text/plain; charset=utf-8"},
		{Config{Status: 204}, "GET", 204, "", ""},
	} {
		x, cl := ask(t, []Config{tt.config}, tt.method+" / HTTP/1.1\r\nHost: h\r\n\r\n")
		kind := ""
		for _, f := range x.Response.Fields {
			kind += string(f.Value)
		}
		if cl.status != tt.status || cl.content != tt.content || kind != tt.kind {
			t.Errorf("%+v: %d %q %q, want %d %q %q", tt.config, cl.status, cl.content, kind, tt.status, tt.content, tt.kind)
		}
		if tt.method != "HEAD" && x.Response.ContentLength != int64(len(tt.content)) {
			t.Errorf("%+v: the length is %d", tt.config, x.Response.ContentLength)
		}
	}
}

func TestRewriting(t *testing.T) {
	for _, tt := range []struct{ path, to, target, want, raw string }{
		{"/api/*", "/v2/*", "/api/x%20y/z?q=1", "/v2/x y/z", "/v2/x%20y/z"},
		{"/api/*", "/v2/*", "/api", "/v2", "/v2"},
		{"/api/*", "/*", "/api", "/", "/"},
		{"/u/{id}", "/users/{id}/", "/u/%C3%A9", "/users/é/", "/users/%C3%A9/"},
		{"/x", "/y", "/%78", "/y", "/y"},
	} {
		x, cl := ask(t, []Config{{Path: tt.path, Rewrite: tt.to, App: "a"}}, "GET "+tt.target+" HTTP/1.1\r\nHost: h\r\n\r\n")
		r := &x.Request
		if cl.status != 200 || string(r.Path) != tt.want || string(r.RawPath) != tt.raw || strings.Contains(tt.target, "?") != (string(r.Query) == "q=1") {
			t.Errorf("%s to %s on %s: %d %s %s?%s, want %s %s", tt.path, tt.to, tt.target, cl.status, r.Path, r.RawPath, r.Query, tt.want, tt.raw)
		}
	}
}
