package chain

import (
	"strings"
	"testing"

	"rickhouse/internal/exchange"
)

// seen is what a browser sees of CORS in an answer.
func seen(p *peer) string {
	var list []string
	for _, f := range p.fields {
		if name, ok := strings.CutPrefix(strings.ToLower(string(f.Name)), "access-control-"); ok {
			list = append(list, name+"="+string(f.Value))
		}
	}
	return strings.Join(list, "; ")
}

func TestCORSAnswers(t *testing.T) {
	some := CORSConfig{Origins: []string{"https://app.example.com", "https://*.example.org", "http://localhost:3000"}, Credentials: true, Expose: []string{"X-Total"}}
	every := CORSConfig{Origins: []string{"*"}}
	for _, tt := range []struct {
		c            CORSConfig
		origin, want string
		vary         string
	}{
		{some, "https://app.example.com", "allow-origin=https://app.example.com; allow-credentials=true; expose-headers=X-Total", "Origin"},
		{some, "https://a.example.org", "allow-origin=https://a.example.org; allow-credentials=true; expose-headers=X-Total", "Origin"},
		{some, "https://a.b.example.org", "allow-origin=https://a.b.example.org; allow-credentials=true; expose-headers=X-Total", "Origin"},
		{some, "http://localhost:3000", "allow-origin=http://localhost:3000; allow-credentials=true; expose-headers=X-Total", "Origin"},
		{some, "https://example.org", "", "Origin"},
		{some, "https://evilexample.org", "", "Origin"},
		{some, "https://a.example.org.evil.test", "", "Origin"},
		{some, "https://evil.test/.example.org", "", "Origin"},
		{some, "https://evil.test:1.example.org", "", "Origin"},
		{some, "https://.example.org", "", "Origin"},
		{some, "http://a.example.org", "", "Origin"},
		{some, "https://app.example.com:8443", "", "Origin"},
		{some, "null", "", "Origin"},
		{some, "", "", "Origin"},
		{every, "https://x.test", "allow-origin=*", ""},
		{every, "null", "allow-origin=*", ""},
		{every, "", "", ""},
	} {
		var fields []string
		if tt.origin != "" {
			fields = append(fields, "Origin: "+tt.origin)
		}
		x, p := ask(t, "GET", "/", fields...)
		one(t, Config{CORS: tt.c}, text(200, "ok", "Access-Control-Allow-Origin: https://evil.test", "access-control-allow-credentials: true")).Serve(x)
		if p.finish(); seen(p) != tt.want || p.get("Vary") != tt.vary || string(p.content) != "ok" {
			t.Errorf("%q: %s, vary %q, want %s", tt.origin, seen(p), p.get("Vary"), tt.want)
		}
	}
}

func TestCORSPreflight(t *testing.T) {
	c := CORSConfig{
		Origins: []string{"https://app.example.com"}, Methods: []string{"GET", "PUT"}, Headers: []string{"X-Token", "Content-Type"}, Credentials: true,
	}
	free := CORSConfig{Origins: []string{"*"}, Headers: []string{"*"}}
	const allowed = "allow-origin=https://app.example.com; allow-credentials=true; allow-methods=GET, PUT; allow-headers=X-Token, Content-Type; max-age=600"
	for _, tt := range []struct {
		c                       CORSConfig
		origin, method, headers string
		status                  int
		want                    string
	}{
		{c, "https://app.example.com", "PUT", "", 204, allowed},
		{c, "https://app.example.com", "PUT", "x-token,content-type", 204, allowed},
		{c, "https://app.example.com", "POST", "", 204, allowed},
		{c, "https://app.example.com", "DELETE", "", 403, ""},
		{c, "https://app.example.com", "PUT", "x-token, x-other", 403, ""},
		{c, "https://other.example.com", "PUT", "", 403, ""},
		{free, "https://x.test", "GET", "x-any, x-more", 204, "allow-origin=*; allow-methods=GET, HEAD, POST; allow-headers=x-any, x-more; max-age=600"},
	} {
		a := &application{}
		fields := []string{"Origin: " + tt.origin, "Access-Control-Request-Method: " + tt.method}
		if tt.headers != "" {
			fields = append(fields, "Access-Control-Request-Headers: "+tt.headers)
		}
		x, p := ask(t, "OPTIONS", "/", fields...)
		one(t, Config{CORS: tt.c}, a).Serve(x)
		if p.finish(); p.status != tt.status || seen(p) != tt.want || a.served > 0 {
			t.Errorf("%+v: %d %s, %d served", tt, p.status, seen(p), a.served)
		}
		if !strings.Contains(p.get("Vary"), "Access-Control-Request-Method") {
			t.Errorf("vary: %s", p.get("Vary"))
		}
	}
	a := &application{}
	x, p := ask(t, "OPTIONS", "/", "Origin: https://app.example.com")
	one(t, Config{CORS: c}, a).Serve(x)
	if a.served != 1 {
		t.Error("OPTIONS that is no preflight request is not the application's")
	}
	x.Answer(200, "")
	p.finish()
}

// What fails can be read, too.
func TestCORSOnFailures(t *testing.T) {
	c := Config{CORS: CORSConfig{Origins: []string{"https://a.test"}}, Rate: RateConfig{Limit: "1/h"}}
	h := one(t, c, text(200, "ok"))
	for _, status := range []int{200, 429} {
		x, p := ask(t, "GET", "/", "Origin: https://a.test")
		h.Serve(x)
		if p.finish(); p.status != status || p.get("Access-Control-Allow-Origin") != "https://a.test" {
			t.Errorf("%d %q", p.status, p.fields)
		}
	}
}

func TestCORSThatCannotBe(t *testing.T) {
	for _, tt := range []struct {
		c    CORSConfig
		want string
	}{
		{CORSConfig{Methods: []string{"GET"}}, "cors_methods: it needs cors_origins beside it"},
		{CORSConfig{Origins: []string{"*"}, Credentials: true}, `cors_credentials: with cors_origins = ["*"] every page in the world could act as its visitor: name the origins`},
		{CORSConfig{Origins: []string{"example.com"}}, `cors_origins[0]: "example.com" is not an origin, as https://app.example.com, https://*.example.com or *`},
		{CORSConfig{Origins: []string{"https://a.test/"}}, `cors_origins[0]: "https://a.test/" is not an origin, as https://app.example.com, https://*.example.com or *`},
		{CORSConfig{Origins: []string{"https://*"}}, `cors_origins[0]: "https://*" is not an origin, as https://app.example.com, https://*.example.com or *`},
		{CORSConfig{Origins: []string{"null"}}, `cors_origins[0]: "null" is not an origin, as https://app.example.com, https://*.example.com or *`},
		{CORSConfig{Origins: []string{"https://A.test"}}, `cors_origins[0]: "https://A.test": browsers write origins in lower case: write "https://a.test"`},
		{CORSConfig{Origins: []string{"https://a.test:443"}}, `cors_origins[0]: "https://a.test:443": browsers leave the port of the scheme out: do so, too`},
		{CORSConfig{Origins: []string{"*"}, Methods: []string{"get"}}, `cors_methods[0]: "get" is not a method in capitals, as GET`},
		{CORSConfig{Origins: []string{"*"}, Headers: []string{"X Y"}}, `cors_headers[0]: "X Y" is not the name of a header`},
	} {
		if err := tt.c.Validate(); err == nil || err.Error() != tt.want {
			t.Errorf("%+v: %v, want %s", tt.c, err, tt.want)
		}
	}
}

// An origin that is let in is one that was named, or a name below it.
func FuzzOrigin(f *testing.F) {
	for _, s := range []string{"https://a.example.org", "https://example.org", "https://x.test/.example.org", "https://.example.org", "null"} {
		f.Add(s)
	}
	o := newOrigins([]string{"https://*.example.org"})
	f.Fuzz(func(t *testing.T, s string) {
		if !o.has([]byte(s)) {
			return
		}
		host, ok := strings.CutPrefix(s, "https://")
		if !ok || !strings.HasSuffix(host, ".example.org") || strings.ContainsAny(host, "/:@") || host == ".example.org" {
			t.Errorf("%q was let in", s)
		}
	})
}

func TestSecurityHeaders(t *testing.T) {
	c := Config{Security: SecurityConfig{Security: true}, Edits: EditsConfig{
		SetHeaders: map[string]string{"Permissions-Policy": "camera=()"}, RemoveHeaders: []string{"cross-origin-opener-policy"},
	}}
	for name, h := range map[string]exchange.Handler{
		"an application": text(200, "ok", "x-frame-options: DENY"),
		"a failure": exchange.HandlerFunc(func(x *exchange.Exchange) {
			x.Fail(&exchange.Error{Status: 502})
		}),
	} {
		x, p := ask(t, "GET", "/")
		one(t, c, h).Serve(x)
		p.finish()
		frames := map[string]string{"an application": "DENY", "a failure": "SAMEORIGIN"}[name]
		if p.get("X-Content-Type-Options") != "nosniff" || p.get("X-Frame-Options") != frames || p.get("Permissions-Policy") != "camera=()" ||
			p.get("Cross-Origin-Opener-Policy") != "" || p.get("Referrer-Policy") == "" {
			t.Errorf("%s: %q", name, p.fields)
		}
	}
}
