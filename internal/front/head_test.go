package front

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"rickhouse/internal/exchange"
	wire "rickhouse/internal/wire/http1"
)

// newHead adds fields, "name: value" each, and ends the head.
func newHead(h *Head, req *exchange.Request, ended bool, fields ...string) *exchange.Error {
	h.Begin(req)
	for _, f := range fields {
		i := strings.Index(f[1:], ":") + 1
		h.Add(f[:i], strings.TrimPrefix(f[i+1:], " "))
	}
	return h.End(exchange.HTTP2, ended)
}

func basic(more ...string) []string {
	return append([]string{":method: GET", ":scheme: https", ":authority: a:1", ":path: /b/../c%20d?e"}, more...)
}

func TestHead(t *testing.T) {
	limits := wire.Limits{Underscore: []string{"let_through"}}.WithDefaults()
	h := NewHead(&limits)
	for _, c := range []struct {
		name   string
		ended  bool
		fields []string
		want   string // or the status, with "!" if it is malformed
	}{
		{"plain", true, basic(), "GET /c d e a:1 0 false|host: a:1"},
		{"content", false, basic(), "GET /c d e a:1 -1 false|host: a:1"},
		{"a length", false, basic("content-length: 7"), "GET /c d e a:1 7 false|host: a:1|content-length: 7"},
		{"host alone", true, []string{":method: GET", ":scheme: http", ":path: /", "host: b"}, "GET /  b 0 false|host: b"},
		{"both alike", true, basic("host: A:1"), "GET /c d e a:1 0 false|host: a:1"},
		{"crumbs", true, basic("cookie: a=1", "x: 1", "cookie: b=2", "cookie: c=3"), "GET /c d e a:1 0 false|host: a:1|cookie: a=1; b=2; c=3|x: 1"},
		{"trailers asked for", true, basic("te: Trailers"), "GET /c d e a:1 0 true|host: a:1"},
		{"underscores", true, basic("drop_me: 1", "let_through: 2", "proxy: 3"), "GET /c d e a:1 0 false|host: a:1|let_through: 2"},
		{"OPTIONS *", true, []string{":method: OPTIONS", ":scheme: http", ":path: *", ":authority: a"}, "OPTIONS *  a 0 false|host: a"},
		{"CONNECT", false, []string{":method: CONNECT", ":authority: a:1"}, "CONNECT   a:1 0 false|host: a:1"},
		{"extended CONNECT", false, []string{":method: CONNECT", ":protocol: websocket", ":scheme: https", ":path: /", ":authority: a"}, "GET /  a 0 false websocket|host: a"},
		{"no port in CONNECT", false, []string{":method: CONNECT", ":authority: a"}, "400"},
		{"a bad escape", true, []string{":method: GET", ":scheme: http", ":path: /%zz", ":authority: a"}, "400"},
		{"a fragment", true, []string{":method: GET", ":scheme: http", ":path: /#a", ":authority: a"}, "400"},
		{"a host that is none", true, []string{":method: GET", ":scheme: http", ":path: /", ":authority: a/b"}, "400"},
		{"user information", true, []string{":method: GET", ":scheme: http", ":path: /", ":authority: u@a"}, "400"},
		{"* and GET", true, []string{":method: GET", ":scheme: http", ":path: *", ":authority: a"}, "400"},
		{"malformed goes before too large", true, basic("x: "+strings.Repeat("a", 9000), "X: 1"), "400!"},
		{"another host", true, basic("host: b"), "400!"},
		{"content and none", true, basic("content-length: 1"), "400!"},
		{"a long field", true, basic("x: " + strings.Repeat("a", 9000)), "431"},
	} {
		var req exchange.Request
		err := newHead(h, &req, c.ended, c.fields...)
		got := ""
		if err != nil {
			got = fmt.Sprint(err.Status)
			if errors.Is(err, ErrMalformed) {
				got += "!"
			}
		} else {
			got = fmt.Sprintf("%s %s %s %s %d %v", req.Method, req.Path, req.Query, req.Host, req.ContentLength, req.TrailersOK)
			if req.Upgrade != nil {
				got += " " + string(req.Upgrade)
			}
			for _, f := range req.Fields {
				got += fmt.Sprintf("|%s: %s", f.Name, f.Value)
			}
		}
		if got != c.want {
			t.Errorf("%s: got %q, want %q (%v)", c.name, got, c.want, err)
		}
	}
}

// The limits are those of HTTP/1, and nothing is kept beyond them.
func TestHeadLimits(t *testing.T) {
	limits := wire.Limits{}.WithDefaults()
	h := NewHead(&limits)
	var req exchange.Request
	for _, c := range []struct {
		n, size, status int
	}{{100, 1, 0}, {101, 1, 431}, {100000, 1, 431}, {30, 1000, 0}, {40, 1000, 431}, {10000, 8000, 431}} {
		fields := basic()
		for i := range c.n {
			fields = append(fields, fmt.Sprintf("x%d: %s", i, strings.Repeat("a", c.size)))
		}
		err := newHead(h, &req, true, fields...)
		if c.status == 0 && err != nil || c.status != 0 && (err == nil || err.Status != c.status) {
			t.Errorf("%d of %d: got %v", c.n, c.size, err)
		}
		if len(h.buf) > limits.Head || cap(req.Fields) > 256 {
			t.Errorf("%d of %d: %d octets and room for %d fields are kept", c.n, c.size, len(h.buf), cap(req.Fields))
		}
	}
	// Crumbs are as many fields; joining them costs what they have.
	crumbs := basic()
	for range 100 {
		crumbs = append(crumbs, "cookie: "+strings.Repeat("a", 280))
	}
	if err := newHead(h, &req, true, crumbs...); err != nil || len(h.buf) > 2*limits.Head+300 {
		t.Errorf("got %v, %d octets", err, len(h.buf))
	}
}

func TestHeadTrailers(t *testing.T) {
	limits := wire.Limits{}.WithDefaults()
	h := NewHead(&limits)
	for _, c := range []struct {
		name   string
		fields []string
		want   string
	}{
		{"plain", []string{"x-sum: 1", "grpc-status: 0"}, "x-sum=1 grpc-status=0 "},
		{"what must not come", []string{"host: b", "content-length: 5", "x_y: 1", "a: 1"}, "a=1 "},
		{"a pseudo-field", []string{":path: /"}, "400"},
		{"upper case", []string{"A: 1"}, "400"},
		{"of HTTP/1", []string{"upgrade: 1"}, "400"},
	} {
		var req exchange.Request
		if err := newHead(h, &req, false, basic()...); err != nil {
			t.Fatal(err)
		}
		h.BeginTrailers()
		for _, f := range c.fields {
			i := strings.Index(f[1:], ":") + 1
			h.Add(f[:i], f[i+2:])
		}
		got := ""
		if err := h.EndTrailers(); err != nil {
			got = fmt.Sprint(err.Status)
		} else {
			for _, f := range req.Trailers {
				got += fmt.Sprintf("%s=%s ", f.Name, f.Value)
			}
		}
		if got != c.want || string(req.Path) != "/c d" {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}
