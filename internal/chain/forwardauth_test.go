package chain

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"rickhouse/internal/exchange"
	"rickhouse/internal/testkit"
)

func TestForwardAuth(t *testing.T) {
	asked := make(chan *http.Request, 1)
	auth := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r
		switch r.Header.Get("X-Forwarded-Uri") {
		case "/in?a=1":
			w.Header().Set("Remote-User", "ann")
			w.Header().Add("Remote-Groups", "a")
			w.Header().Add("Remote-Groups", "b")
			w.Header().Set("Other", "x")
		case "/login":
			w.Header().Set("Set-Cookie", "s=1")
			http.Redirect(w, r, "https://login.test/", http.StatusFound)
		case "/large":
			w.WriteHeader(403)
			_, _ = fmt.Fprint(w, strings.Repeat("x", maxRefusal+1))
		default:
			w.Header().Set("WWW-Authenticate", "Bearer")
			w.WriteHeader(401)
			_, _ = fmt.Fprint(w, "who are you?")
		}
	}))
	defer auth.Close()
	h := one(t, Config{ForwardAuth: ForwardAuthConfig{URL: auth.URL + "/check", Headers: []string{"Remote-User", "Remote-Groups", "Remote-Email"}, Timeout: patience}},
		exchange.HandlerFunc(func(x *exchange.Exchange) {
			var list []string
			for _, f := range x.Request.Fields {
				list = append(list, string(f.Name)+"="+string(f.Value))
			}
			x.Answer(200, strings.Join(list, " "))
		}))
	for _, tt := range []struct {
		method, path, query string
		status              int
		content             string
		fields              map[string]string
	}{
		{"POST", "/in", "a=1", 200, "cookie=c remote-user=ann remote-groups=a remote-groups=b", nil},
		{"GET", "/login", "", 302, "<a href=\"https://login.test/\">Found</a>.\n\n", map[string]string{"Location": "https://login.test/", "Set-Cookie": "s=1"}},
		{"GET", "/other", "", 401, "who are you?", map[string]string{"WWW-Authenticate": "Bearer"}},
		{"HEAD", "/other", "", 401, "", map[string]string{"WWW-Authenticate": "Bearer"}},
		{"GET", "/large", "", 502, "502 Bad Gateway\n", nil},
	} {
		x, p := ask(t, tt.method, tt.path, "Cookie: c", "Remote-User: root", "remote_user: root", "Remote-Email: forged")
		x.Request.Query = []byte(tt.query)
		h.Serve(x)
		p.finish()
		r := <-asked
		if p.status != tt.status || string(p.content) != tt.content {
			t.Errorf("%s: %d %q", tt.path, p.status, p.content)
		}
		for name, value := range tt.fields {
			if p.get(name) != value {
				t.Errorf("%s: %s: %q", tt.path, name, p.get(name))
			}
		}
		if r.Method != "GET" || r.URL.Path != "/check" || r.Header.Get("X-Forwarded-Method") != tt.method || r.Header.Get("X-Forwarded-Host") != "h.test" ||
			r.Header.Get("X-Forwarded-Proto") != "http" || r.Header.Get("X-Forwarded-For") != "192.0.2.1" || r.Header.Get("Cookie") != "c" ||
			r.Header.Get("Remote-User") != "" || r.Header.Get("User-Agent") != "" {
			t.Errorf("%s: asked by %s %s %v", tt.path, r.Method, r.URL, r.Header)
		}
	}
}

func TestForwardAuthThatFails(t *testing.T) {
	gate := make(chan bool)
	auth := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-gate }))
	defer auth.Close()
	defer close(gate)
	a := &application{}
	for name, tt := range map[string]struct {
		c      ForwardAuthConfig
		status int
	}{
		"nobody there": {ForwardAuthConfig{URL: "http://" + testkit.RefusedAddress(t)}, 502},
		"no answer":    {ForwardAuthConfig{URL: auth.URL, Timeout: 10 * time.Millisecond}, 504},
	} {
		x, p := ask(t, "GET", "/")
		one(t, Config{ForwardAuth: tt.c}, a).Serve(x)
		if p.finish(); p.status != tt.status {
			t.Errorf("%s: %d, want %d", name, p.status, tt.status)
		}
	}
	x, p := ask(t, "GET", "/")
	one(t, Config{ForwardAuth: ForwardAuthConfig{URL: auth.URL, Timeout: 10 * time.Millisecond}}, a).Serve(x)
	p.gone()
	if p.finish(); p.aborted == nil || a.served > 0 {
		t.Errorf("%v, %d served", p.aborted, a.served)
	}
}

func TestForwardAuthThatCannotBe(t *testing.T) {
	for _, tt := range []struct {
		c    ForwardAuthConfig
		want string
	}{
		{ForwardAuthConfig{Headers: []string{"A"}}, "forward_auth_headers: it needs forward_auth beside it"},
		{ForwardAuthConfig{URL: "auth:9000"}, `forward_auth: "auth:9000" is not an http or https URL`},
		{ForwardAuthConfig{URL: "http://a/", Headers: []string{"Host"}}, "forward_auth_headers[0]: the host is what the client addressed"},
		{ForwardAuthConfig{URL: "http://a/", Timeout: -1}, "forward_auth_timeout: -1ns is less than 0"},
	} {
		if err := tt.c.Validate(); err == nil || err.Error() != tt.want {
			t.Errorf("%+v: %v, want %s", tt.c, err, tt.want)
		}
	}
}
