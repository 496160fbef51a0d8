package proxy

import (
	"strings"
	"testing"
)

func TestRequestsAreWrittenAnew(t *testing.T) {
	f := unixFake(t, echo)
	e := start(t, Config{Upstreams: []string{f.url}})
	a := e.client().send("GET /a%20b/../c?d=e%20f HTTP/1.1\r\nHost: example.com\r\nX-A: \t1 \r\nConnection: x-b, close\r\nX-B: 2\r\nX-Forwarded-For: 9.9.9.9\r\n" +
		"Forwarded: for=8.8.8.8\r\nKeep-Alive: 5\r\nTE: trailers, gzip\r\nVia: 1.0 fred\r\n\r\n").read("GET")
	a.wantStatus(t, 200)
	const want = "GET /c?d=e%20f HTTP/1.1\r\nhost: example.com\r\nx-a: 1\r\nvia: 1.0 fred, 1.1 rickhouse\r\nx-forwarded-for: 127.0.0.1\r\n" +
		"x-forwarded-proto: http\r\nx-forwarded-host: example.com\r\nte: trailers\r\nconnection: te\r\n\r\n"
	if a.body != want {
		t.Errorf("the upstream got\n%q, want\n%q", a.body, want)
	}
}

func TestConnectionsAreUsedAgain(t *testing.T) {
	for name, fake := range map[string]func(*testing.T, func(*peerConn)) *fake{"unix": unixFake, "tcp": tcpFake} {
		t.Run(name, func(t *testing.T) {
			f := fake(t, echo)
			e := start(t, Config{Upstreams: []string{f.url}}, 1)
			c := e.client()
			for range 100 {
				c.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").read("GET").wantStatus(t, 200)
			}
			c.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello").read("POST").wantStatus(t, 200)
			if n := f.conns.Load(); n != 1 {
				t.Errorf("%d connections for 101 requests, one after the other", n)
			}
		})
	}
}

func TestContentPasses(t *testing.T) {
	f := unixFake(t, func(c *peerConn) {
		for {
			r, body := c.request()
			if r == nil {
				return
			}
			trailer := ""
			for k, v := range r.Trailer {
				trailer += k + "=" + v[0]
			}
			c.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-Length: " + strings.Join(r.TransferEncoding, "") + "\r\nX-Trailer: " + trailer + "\r\n\r\n")
			for len(body) > 0 {
				n := min(len(body), 10_000)
				c.write(strings.ToUpper(hexOf(n)) + ";x=y\r\n" + body[:n] + "\r\n")
				body = body[n:]
			}
			c.write("0\r\nX-Sum: 1\r\nContent-Length: 5\r\n\r\n")
		}
	})
	e := start(t, Config{Upstreams: []string{f.url}}, 1)
	for _, n := range []int{1, 100, 70_000, 3 << 20} {
		body := strings.Repeat("0123456789", n/10+1)[:n]
		a := e.client().send("POST / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nContent-Length: " + decimal(n) + "\r\n\r\n" + body).read("POST")
		if a.err != nil || a.body != body || a.Header.Get("X-Length") != "" {
			t.Errorf("%d octets by length: %d came back, %v", n, len(a.body), a.err)
		}
		if a.Trailer.Get("X-Sum") != "1" || a.Trailer.Get("Content-Length") != "" {
			t.Errorf("the trailers are %v", a.Trailer)
		}
		a = e.client().send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + hexOf(n) + "\r\n" + body + "\r\n0\r\nX-T: u\r\n\r\n").read("POST")
		if a.err != nil || a.body != body || a.Header.Get("X-Length") != "chunked" || a.Header.Get("X-Trailer") != "X-T=u" {
			t.Errorf("%d octets in chunks: %d came back, %v %v", n, len(a.body), a.Header, a.err)
		}
	}
}

func TestAnswersWithoutContent(t *testing.T) {
	f := unixFake(t, func(c *peerConn) {
		for {
			r, _ := c.request()
			if r == nil {
				return
			}
			switch r.URL.Path {
			case "/204":
				c.write("HTTP/1.1 204 No Content\r\nX-A: b\r\n\r\n")
			case "/304":
				c.write("HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\nETag: \"a\"\r\n\r\n")
			case "/head":
				c.write("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n")
			case "/empty":
				c.write("HTTP/1.1 404 Nowhere\r\nContent-Length: 0\r\n\r\n")
			case "/103":
				c.write("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + ok("late"))
			}
		}
	})
	e := start(t, Config{Upstreams: []string{f.url}}, 1)
	c := e.client()
	ask := func(method, path string) answer {
		t.Helper()
		return c.send(method + " " + path + " HTTP/1.1\r\nHost: a\r\n\r\n").read(method)
	}
	if a := ask("GET", "/204"); a.StatusCode != 204 || a.Header.Get("X-A") != "b" {
		t.Errorf("204: %v", a.Response)
	}
	if a := ask("GET", "/304"); a.StatusCode != 304 || a.ContentLength != 7 && a.Header.Get("Content-Length") != "7" {
		t.Errorf("304: %v", a.Response)
	}
	if a := ask("HEAD", "/head"); a.StatusCode != 200 || a.ContentLength != 7 {
		t.Errorf("HEAD: %v", a.Response)
	}
	if a := ask("GET", "/empty"); a.StatusCode != 404 || a.Status != "404 Nowhere" || a.body != "" {
		t.Errorf("404: %v", a.Response)
	}
	if a := ask("GET", "/103"); a.StatusCode != 103 || a.Header.Get("Link") != "</a>" {
		t.Errorf("103: %v", a.Response)
	}
	if a := c.read("GET"); a.StatusCode != 200 || a.body != "late" {
		t.Errorf("after 103: %v", a.Response)
	}
	if n := f.conns.Load(); n != 1 {
		t.Errorf("%d connections", n)
	}
}

// TestAnswersThatEndWithTheConnection pass, to clients that can be told so.
func TestAnswersThatEndWithTheConnection(t *testing.T) {
	f := tcpFake(t, func(c *peerConn) {
		c.head()
		c.write("HTTP/1.0 200 OK\r\nX-A: b\r\n\r\nhello")
	})
	e := start(t, Config{Upstreams: []string{f.url}})
	for range 3 {
		if a := e.get("/"); a.body != "hello" || a.err != nil || a.Header.Get("X-A") != "b" {
			t.Errorf("got %q, %v", a.body, a.err)
		}
	}
}
