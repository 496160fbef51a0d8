package proxy

import (
	"net/http"
	"strings"
	"testing"

	"rickhouse/internal/exchange"
	rfc6455 "rickhouse/internal/wire/websocket"
)

// TestWebSocketsOfHTTP2 come without a key (RFC 8441 §5): the upstream gets one, and
// has to answer it.
func TestWebSocketsOfHTTP2(t *testing.T) {
	for name, right := range map[string]bool{"a right answer": true, "a wrong answer": false} {
		t.Run(name, func(t *testing.T) {
			f := unixFake(t, func(c *peerConn) {
				r, _ := c.request()
				if r == nil {
					return
				}
				key := r.Header.Get("Sec-WebSocket-Key")
				if len(key) != 24 || r.Header.Get("Sec-WebSocket-Version") != "13" || r.Header.Get("Upgrade") != "websocket" {
					t.Errorf("the upstream got %v", r.Header)
				}
				accept := rfc6455.AcceptKey(key)
				if !right {
					accept = rfc6455.AcceptKey("x")
				}
				c.write("HTTP/1.1 101 Switching\r\nUpgrade: WebSocket\r\nConnection: upgrade\r\nSec-WebSocket-Accept: " + accept + "\r\nSec-WebSocket-Protocol: chat\r\n\r\n")
				c.head()
			})
			e := start(t, Config{Upstreams: []string{f.url}, NoRetry: true}, 1)
			over := &env{t: t, Door: e.Door}
			over.Open(exchange.HandlerFunc(func(x *exchange.Exchange) {
				x.Request.Version = exchange.HTTP2
				e.proxy.Serve(x)
			}), frontConfig(), "")
			c := over.client().send("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")
			res, err := http.ReadResponse(c.r, nil)
			if err != nil {
				t.Fatal(err)
			}
			switch {
			case right && (res.StatusCode != 101 || res.Header.Get("Sec-WebSocket-Accept") != "" || res.Header.Get("Sec-WebSocket-Protocol") != "chat"):
				t.Errorf("got %d, %v", res.StatusCode, res.Header)
			case !right && res.StatusCode != 502:
				t.Errorf("got %d", res.StatusCode)
			}
		})
	}
}

// TestPaths: what the upstream sees, normalised and raw, mounted and not.
func TestPaths(t *testing.T) {
	f := unixFake(t, echo)
	for _, c := range []struct{ how, mount, asked, want string }{
		{"normalized", "", "/a/b?c=d%20e", "/a/b?c=d%20e"},
		{"normalized", "", "/a?", "/a?"},
		{"normalized", "", "/a/%2e%2e/b", "/b"},
		{"normalized", "", "/a%2Fb", "/a/b"},
		{"normalized", "", "/a%3Fb%23c%25d", "/a%3Fb%23c%25d"},
		{"normalized", "", "/a%20b%0d%0ac", "/a%20b%0D%0Ac"},
		{"normalized", "", "/%e4%f6;p=1", "/%E4%F6;p=1"},
		{"normalized", "", "//a//b", "//a//b"},
		{"normalized", "", "/a\"<>", "/a\"<>"},
		{"normalized", "/app", "/app", "/"},
		{"normalized", "/app", "/app/", "/"},
		{"normalized", "/app", "/app/a?b", "/a?b"},
		{"normalized", "/app", "/app/%61", "/a"},
		{"normalized", "/a b", "/a%20b/c", "/c"},
		{"raw", "", "/a%2Fb/%2e%2e/c?d", "/a%2Fb/%2e%2e/c?d"},
		{"raw", "/app", "/app/a%2Fb", "/a%2Fb"},
		{"raw", "/app", "/app", "/"},
	} {
		t.Run(c.how+" "+c.mount+" "+c.asked, func(t *testing.T) {
			e := start(t, Config{Upstreams: []string{f.url}, Path: c.how}, 1)
			over := &env{t: t, Door: e.Door}
			over.Open(exchange.HandlerFunc(func(x *exchange.Exchange) {
				x.Route.ScriptName = x.Request.Path[:len(c.mount)]
				e.proxy.Serve(x)
			}), frontConfig(), "")
			got, _, _ := strings.Cut(over.get(c.asked).body, "\r\n")
			if got != "GET "+c.want+" HTTP/1.1" {
				t.Errorf("the upstream sees %q, want %s", got, c.want)
			}
		})
	}
	t.Run("a raw path that is not below the mount", func(t *testing.T) {
		e := start(t, Config{Upstreams: []string{f.url}, Path: "raw"}, 1)
		over := &env{t: t, Door: e.Door}
		over.Open(exchange.HandlerFunc(func(x *exchange.Exchange) {
			x.Route.ScriptName = x.Request.Path[:4]
			e.proxy.Serve(x)
		}), frontConfig(), "")
		over.get("/%61pp/b").wantStatus(t, 400)
	})
}

// TestForwarded: how the upstream is told of the client.
func TestForwarded(t *testing.T) {
	f := unixFake(t, echo)
	for how, want := range map[string]string{
		"x-forwarded": "x-forwarded-for: 127.0.0.1|x-forwarded-proto: http|x-forwarded-host: example.com",
		"forwarded":   `forwarded: for=127.0.0.1;proto=http;host="example.com"`,
		"both":        `x-forwarded-for: 127.0.0.1|x-forwarded-proto: http|x-forwarded-host: example.com|forwarded: for=127.0.0.1;proto=http;host="example.com"`,
		"none":        "",
	} {
		e := start(t, Config{Upstreams: []string{f.url}, Forwarded: how, Via: "none", Host: "inner:8080"}, 1)
		_, fields, _ := strings.Cut(e.get("/", "X-Forwarded-For: 1.1.1.1", "X-Real-IP: 1.1.1.1", "Forwarded: for=1.1.1.1", "X-Forwarded-Port: 1").body, "\r\n")
		want := "host: inner:8080|" + want
		if got := strings.Trim(strings.ReplaceAll(fields, "\r\n", "|"), "|"); got != strings.Trim(want, "|") {
			t.Errorf("%s: got %s, want %s", how, got, want)
		}
	}
}
