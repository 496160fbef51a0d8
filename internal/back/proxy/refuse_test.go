package proxy

import (
	"strings"
	"testing"
)

func TestMethodsThatDoNotPass(t *testing.T) {
	f := unixFake(t, echo)
	e := start(t, Config{Upstreams: []string{f.url}}, 1)
	for _, request := range []string{
		"TRACE / HTTP/1.1\r\nHost: a\r\nCookie: secret=1\r\n\r\n",
		"TRACE / HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\n\r\n",
		"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n",
	} {
		a := e.client().send(request).read("GET")
		if a.StatusCode != 405 || a.Header.Get("Allow") == "" || strings.Contains(a.body, "secret") {
			t.Errorf("%.20q: %d, %v, %q", request, a.StatusCode, a.Header, a.body)
		}
	}
	if n := f.conns.Load(); n != 0 {
		t.Errorf("the upstream got %d connections", n)
	}
}

func TestMaxForwards(t *testing.T) {
	f := unixFake(t, echo)
	e := start(t, Config{Upstreams: []string{f.url}}, 1)
	for _, c := range []struct{ method, sent, seen string }{
		{"OPTIONS", "3", "max-forwards: 2\r\n"},
		{"OPTIONS", "1", "max-forwards: 0\r\n"},
		{"OPTIONS", "18446744073709551615", "max-forwards: 18446744073709551614\r\n"},
		{"OPTIONS", "x", "max-forwards: x\r\n"},
		{"OPTIONS", "0", ""},
		{"GET", "0", "max-forwards: 0\r\n"},
	} {
		a := e.client().send(c.method + " / HTTP/1.1\r\nHost: a\r\nMax-Forwards: " + c.sent + "\r\n\r\n").read(c.method)
		if c.seen == "" {
			if a.StatusCode != 200 || a.Header.Get("Allow") == "" || a.body != "" {
				t.Errorf("%s %s: %d %v %q", c.method, c.sent, a.StatusCode, a.Header, a.body)
			}
		} else if a.StatusCode != 200 || !strings.Contains(a.body, c.seen) {
			t.Errorf("%s %s: %d %q", c.method, c.sent, a.StatusCode, a.body)
		}
	}
	if a := e.client().send("OPTIONS * HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\n\r\n").read("OPTIONS"); a.StatusCode != 200 || a.Header.Get("Allow") == "" {
		t.Errorf("OPTIONS *: %d", a.StatusCode)
	}
}
