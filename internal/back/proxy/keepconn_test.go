package proxy

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"rickhouse/internal/wire/fastcgi"
)

// keeping is a FastCGI upstream that answers request after request with what it was
// sent, each followed by tail.
func keeping(t *testing.T, tail []byte) *fake {
	return gatewayFake(t, "fastcgi", func(c gatewayPeer) {
		for {
			variables, content := c.take(t)
			if len(variables) == 0 {
				return
			}
			answer := fmt.Sprintf("Content-Type: a\r\n\r\n%s %s %s", variables["REQUEST_METHOD"], variables["PATH_INFO"], content)
			_, _ = c.Write(append(records(answer), tail...))
			if !*c.keeps {
				return
			}
		}
	})
}

func TestFastCGIKeepsConnections(t *testing.T) {
	body := strings.Repeat("x", 200_000)
	for _, c := range []struct {
		name  string
		cfg   Config
		tail  []byte
		conns int64
	}{
		{"kept", Config{FastCGIKeepConn: true, MaxConnections: 1}, nil, 1},
		{"not kept", Config{MaxConnections: 1}, nil, 4},
		{"none may rest", Config{FastCGIKeepConn: true, MaxConnections: 1, Keepalive: -1}, nil, 4},
		{"something follows", Config{FastCGIKeepConn: true, MaxConnections: 1}, fastcgi.AppendStream(nil, fastcgi.Stdout, id, []byte("HTTP")), 4},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := keeping(t, c.tail)
			c.cfg.Upstreams = []string{f.url}
			e := start(t, c.cfg, 1)
			for i, request := range []string{
				"GET /a HTTP/1.1\r\nHost: a\r\n\r\n",
				"POST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n" + body,
				"HEAD /c HTTP/1.1\r\nHost: a\r\n\r\n",
				"POST /d HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
			} {
				method, want := strings.Fields(request)[0], []string{"GET /a ", "POST /b " + body, "", "POST /d "}[i]
				if a := e.client().send(request).read(method); a.StatusCode != 200 || a.body != want || a.err != nil {
					t.Errorf("%.20q: %d %.60q, %v", request, a.StatusCode, a.body, a.err)
				}
				until(t, "nothing is under way", func() bool { return (*e.proxy.peers.Load())[0].active.Load() == 0 })
			}
			if n := f.conns.Load(); n != c.conns {
				t.Errorf("there were %d connections, want %d", n, c.conns)
			}
		})
	}
}

// TestStaleFastCGIConnections: what an upstream closes while it rests is found out
// before, or costs nobody an answer who may be asked again.
func TestStaleFastCGIConnections(t *testing.T) {
	var requests atomic.Int64
	f := gatewayFake(t, "fastcgi", func(c gatewayPeer) {
		c.take(t)
		c.answer("Content-Type: a\r\n\r\nfine")
		if variables, _ := c.take(t); len(variables) > 0 { // it is read, and not answered
			requests.Add(1)
		}
	})
	e := start(t, Config{Upstreams: []string{f.url}, FastCGIKeepConn: true, MaxConnections: 1, Retries: 1, RetryBudget: 0.0001}, 1)
	c := e.client()
	for range 50 {
		c.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").read("GET").wantStatus(t, 200)
	}
	if requests.Load() == 0 {
		t.Error("no connection was stale: the test shows nothing")
	}
	before := requests.Load()
	c.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n").read("POST").wantStatus(t, 502)
	if n := requests.Load() - before; n != 1 {
		t.Errorf("a POST was sent %d times", n)
	}
	gone := gatewayFake(t, "fastcgi", func(c gatewayPeer) {
		c.take(t)
		c.answer("Content-Type: a\r\n\r\nfine")
	})
	e = start(t, Config{Upstreams: []string{gone.url}, FastCGIKeepConn: true, MaxConnections: 1, NoRetry: true}, 1)
	for range 20 {
		e.client().send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n").read("POST").wantStatus(t, 200)
		until(t, "no connection is open", func() bool { return (*e.proxy.peers.Load())[0].open.Load() == 0 })
	}
}

// TestAReloadOfFastCGIKeepConn: connections are kept, or not, as the new configuration
// says.
func TestAReloadOfFastCGIKeepConn(t *testing.T) {
	f := keeping(t, nil)
	l := begins(t, 1, Config{Upstreams: []string{f.url}, FastCGIKeepConn: true, MaxConnections: 1})
	ask := func() {
		t.Helper()
		l.get("/").wantStatus(t, 200)
		until(t, "nothing is under way", func() bool { return l.peer(0).active.Load() == 0 })
	}
	for i, keep := range []bool{true, true, false, false, true, true} {
		if i > 0 {
			l.follow(Config{Upstreams: []string{f.url}, FastCGIKeepConn: keep, MaxConnections: 1})
		}
		ask()
	}
	// One for the first two, one for each of those that keep nothing, one for the last two.
	if n := f.conns.Load(); n != 4 {
		t.Errorf("there were %d connections", n)
	}
}
