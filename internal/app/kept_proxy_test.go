package app_test

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"rickhouse/internal/testkit"
)

// upstream answers with the port of its client, and counts its connections.
type upstream struct {
	*httptest.Server
	conns atomic.Int64
}

func newUpstream(t *testing.T) *upstream {
	t.Helper()
	u := &upstream{}
	u.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprint(w, r.RemoteAddr)
	}))
	u.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			u.conns.Add(1)
		}
	}
	u.Start()
	t.Cleanup(u.Close)
	return u
}

// A kept connection to an upstream is used again after a reload, and one that is left
// alone stays so, whatever changes around them.
func TestUpstreamsStayAsTheyAre(t *testing.T) {
	const keys = "eject_time = \"1h\"\nmax_fails = 1\nkeepalive_timeout = \"1h\"\n"
	for name, after := range map[string]func(route, twin string) string{
		"a route is added below":      func(route, twin string) string { return route + twin },
		"a route is added above":      func(route, twin string) string { return twin + route },
		"its policy changes":          func(route, _ string) string { return route + "balance = \"least_connections\"\nretries = 5\n" },
		"its chain changes":           func(route, _ string) string { return route + "security_headers = true\n" },
		"another with another policy": func(route, twin string) string { return twin + "balance = \"hash\"\n" + route },
		"both have another policy": func(route, twin string) string {
			return twin + "balance = \"hash\"\n" + route + "balance = \"random_two\"\n"
		},
		"what it sees of requests changes": func(route, _ string) string { return route + "strip = true\nupstream_host = \"h.test\"\n" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u, dead := newUpstream(t), testkit.RefusedAddress(t)
			route := func(path string) string {
				return fmt.Sprintf("[[routes]]\npath = %q\nproxy = [\"http://%s\", %q]\n%s", path, dead, u.URL, keys)
			}
			r := run(t, route("/here/*"))
			var first string
			for range 4 {
				first = r.get("/here/")
			}
			if _, err := r.log.Wait("an upstream is left alone", 1, testkit.Patience); err != nil {
				t.Fatal(err)
			}
			r.reload(after(route("/here/*"), route("/twin/*")))
			for range 4 {
				if got := r.get("/here/"); got != first {
					t.Errorf("after the reload: %s, before: %s", got, first)
				}
			}
			if n := u.conns.Load(); n != 1 {
				t.Errorf("%d connections were made", n)
			}
			// Each request that finds it refused is tried again, as the first was.
			if n := strings.Count(r.log.String(), "a request is tried again"); n != 1 {
				t.Errorf("an upstream that is left alone was asked %d times:\n%s", n, r.log)
			}
		})
	}
}
