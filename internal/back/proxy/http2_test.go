package proxy

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"rickhouse/internal/testkit"
)

// speaksHTTP2 is an upstream that speaks HTTP/2 alone.
func speaksHTTP2(t *testing.T, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.Config.Protocols = &http.Protocols{}
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Start()
	t.Cleanup(s.Close)
	return s
}

func TestHTTP2Upstreams(t *testing.T) {
	s := speaksHTTP2(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Trailer", "Grpc-Status")
		w.Header().Set("X-Seen", fmt.Sprintf("%s %s %s %s %s %s", r.Proto, r.Method, r.RequestURI, r.Host, r.Header.Get("Te"), r.Trailer.Get("X-Client")))
		_, _ = w.Write(body)
		w.Header().Set("Grpc-Status", "0")
	})
	e := start(t, Config{Upstreams: []string{"h2c://" + s.Listener.Addr().String()}, StickyCookie: "srv"})
	defer e.proxy.Close()
	body := strings.Repeat("0123456789", 50_000)
	c := e.client()
	for range 3 {
		a := c.send("POST /a/../b?c HTTP/1.1\r\nHost: grpc.example\r\nTE: trailers\r\nTrailer: X-Client\r\nTransfer-Encoding: chunked\r\n\r\n" +
			hexOf(len(body)) + "\r\n" + body + "\r\n0\r\nX-Client: me\r\n\r\n").read("POST")
		if a.body != body || a.err != nil || a.Trailer.Get("Grpc-Status") != "0" {
			t.Errorf("%d: %d octets came back, %v, %v", a.StatusCode, len(a.body), a.Trailer, a.err)
		}
		if seen := a.Header.Get("X-Seen"); seen != "HTTP/2.0 POST /b?c grpc.example trailers me" {
			t.Errorf("the upstream saw %q", seen)
		}
		if !strings.HasPrefix(a.Header.Get("Set-Cookie"), "srv=") {
			t.Errorf("there is no cookie in %v", a.Header)
		}
	}
	until(t, "nothing is under way", func() bool { return (*e.proxy.peers.Load())[0].active.Load() == 0 })
}

func TestHTTP2StatusesThatAreFailures(t *testing.T) {
	sick := speaksHTTP2(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	well := speaksHTTP2(t, func(http.ResponseWriter, *http.Request) {})
	e := start(t, Config{
		Upstreams:  []string{"h2c://" + sick.Listener.Addr().String(), "h2c://" + well.Listener.Addr().String()},
		FailStatus: []string{"503"}, MaxFails: 1, EjectTime: time.Hour,
	}, 1)
	defer e.proxy.Close()
	statuses := map[int]int{}
	for range 10 {
		statuses[e.get("/").StatusCode]++
	}
	if statuses[503] != 1 || statuses[200] != 9 {
		t.Errorf("got %v", statuses)
	}
}

func TestHTTP2UpstreamsOverTLS(t *testing.T) {
	s, ca := secureUpstream(t, func(c *tls.Config) { c.NextProtos = []string{"h2"} })
	e := start(t, Config{Upstreams: []string{strings.Replace(s.URL, "https", "h2", 1)}, CA: ca, Name: "example.com"})
	defer e.proxy.Close()
	if a := e.get("/"); a.StatusCode != 200 || !strings.HasPrefix(a.body, "HTTP/2.0 example.com") {
		t.Errorf("%d %q", a.StatusCode, a.body)
	}
}

// TestHTTP2Failures: who is not there is left for another, and what fails is
// answered.
func TestHTTP2Failures(t *testing.T) {
	s := speaksHTTP2(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/die" {
			panic(http.ErrAbortHandler)
		}
		_, _ = io.WriteString(w, "fine")
	})
	gone := "h2c://" + testkit.RefusedAddress(t)
	e := start(t, Config{Upstreams: []string{gone, "h2c://" + s.Listener.Addr().String()}}, 1)
	defer e.proxy.Close()
	for range 4 {
		if a := e.get("/"); a.body != "fine" {
			t.Errorf("%d %q", a.StatusCode, a.body)
		}
	}
	e.get("/die").wantStatus(t, 502)
	alone := start(t, Config{Upstreams: []string{gone}}, 1)
	defer alone.proxy.Close()
	alone.get("/").wantStatus(t, 502)
	alone.wantLog("an upstream failed.*refused")
}

// TestSchemesThatAreNotSpoken: the log says what to write in place of a scheme.
func TestSchemesThatAreNotSpoken(t *testing.T) {
	grpc := tcpFake(t, func(c *peerConn) {
		c.write("\x00\x00\x00\x04\x00\x00\x00\x00\x00")
		c.head()
		_, _ = c.r.ReadByte()
	})
	asks := func(t *testing.T, cfg Config, pattern string) {
		t.Helper()
		e := start(t, cfg, 1)
		e.get("/").wantStatus(t, 502)
		e.wantLog(pattern)
	}
	t.Run("h2c as http", func(t *testing.T) {
		asks(t, Config{Upstreams: []string{grpc.url}}, "h2c:// in place of http://")
	})
	t.Run("h2 as https", func(t *testing.T) {
		s, ca := secureUpstream(t, func(c *tls.Config) { c.NextProtos = []string{"not/1.1"} }) // Go lets HTTP/1 pass beside h2
		asks(t, Config{Upstreams: []string{s.URL}, CA: ca, Name: "example.com"}, "h2:// in place of https://")
	})
	t.Run("h2 as https, by a server that ends the connection", func(t *testing.T) {
		s, ca := secureUpstream(t, func(c *tls.Config) { c.NextProtos = []string{"h2"} })
		s.Config.Handler = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
		asks(t, Config{Upstreams: []string{s.URL}, CA: ca, Name: "example.com"}, "the connection ended before an answer.*h2:// in place of https://")
	})
	t.Run("https as h2", func(t *testing.T) {
		s, ca := secureUpstream(t, nil)
		asks(t, Config{Upstreams: []string{strings.Replace(s.URL, "https", "h2", 1)}, CA: ca, Name: "example.com"}, "https:// in place of h2://")
	})
	t.Run("http as h2c", func(t *testing.T) {
		f := tcpFake(t, func(c *peerConn) {
			c.head()
			c.write("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
			_, _ = io.Copy(io.Discard, c.r)
		})
		asks(t, Config{Upstreams: []string{strings.Replace(f.url, "http", "h2c", 1)}}, "http:// in place of h2c://")
	})
}
