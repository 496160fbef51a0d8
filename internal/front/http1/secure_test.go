package http1

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	crypto "crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"rickhouse/internal/exchange"
	"rickhouse/internal/loop"
	"rickhouse/internal/testkit"
	"rickhouse/internal/testkit/onloop"
)

// credentials make the TLS sides of a server for "localhost" and its client.
func credentials(t testing.TB) (server, client *tls.Config) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), crypto.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(crypto.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	server = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	return server, &tls.Config{RootCAs: pool, ServerName: "localhost"}
}

// startTLS is start with TLS, and gives the client's side of it.
func startTLS(t *testing.T, cfg Config, h exchange.Handler, change ...func(*setup)) (*server, *tls.Config) {
	t.Helper()
	server, client := credentials(t)
	secure := func(p *setup) {
		p.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
		p.Parts.TLS = &TLS{
			TLSConfig: loop.TLSConfig{TLS: server, Handshakes: loop.NewHandshakes(2)},
			Describe:  func(state tls.ConnectionState) []byte { return []byte(tls.VersionName(state.Version)) },
		}
	}
	return start(t, cfg, h, append([]func(*setup){secure}, change...)...), client
}

// secure makes the handshake of c.
func (c *client) secure(cfg *tls.Config) *client {
	c.t.Helper()
	s := tls.Client(c.Conn, cfg)
	if err := s.Handshake(); err != nil {
		c.t.Fatal(err)
	}
	return &client{c.t, s, bufio.NewReader(s)}
}

func TestTLSRequests(t *testing.T) {
	seen := make(chan string, 10)
	s, cfg := startTLS(t, Config{}, handler(func(x *exchange.Exchange) {
		seen <- string(x.Request.Scheme) + " " + string(x.Request.TLS)
		hello(x)
	}), func(p *setup) {
		p.Extra = []exchange.Field{{Name: []byte("Strict-Transport-Security"), Value: []byte("max-age=1")}}
	})
	c := s.dial().secure(cfg)
	for i := range 3 {
		res := c.get(get(fmt.Sprint("/", i)))
		if res.StatusCode != 200 || res.body != fmt.Sprint("hello /", i) {
			t.Errorf("got %d %q", res.StatusCode, res.body)
		}
		if got := res.Header.Get("Strict-Transport-Security"); got != "max-age=1" {
			t.Errorf("Strict-Transport-Security is %q", got)
		}
		if got := <-seen; got != "https TLS 1.3" {
			t.Errorf("the request came by %q", got)
		}
	}
	c.send(get("/a") + get("/b") + get("/c"))
	for _, want := range []string{"/a", "/b", "/c"} {
		if res := c.read("GET"); res.body != "hello "+want {
			t.Errorf("pipelined: %q, want that to %s", res.body, want)
		}
	}
}

// Large content both ways, of the client's own library.
func TestTLSContent(t *testing.T) {
	s, cfg := startTLS(t, Config{}, testkit.Echo(100<<10))
	tr := &http.Transport{TLSClientConfig: cfg}
	defer tr.CloseIdleConnections()
	content := bytes.Repeat([]byte("0123456789abcdef"), 3<<16)
	for range 3 {
		res, err := (&http.Client{Transport: tr}).Post("https://"+s.Listener.Addr().String(), "text/plain", bytes.NewReader(content))
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err != nil || !bytes.Equal(got, content) {
			t.Errorf("got %d octets (%v), want %d", len(got), err, len(content))
		}
	}
}

func TestTLSFile(t *testing.T) {
	name := t.TempDir() + "/f"
	content := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
	s, cfg := startTLS(t, Config{}, handler(func(x *exchange.Exchange) {
		f, err := os.Open(name)
		if err != nil {
			x.Fail(err)
			return
		}
		x.Response.Status, x.Response.ContentLength = 200, int64(len(content))
		x.Head()
		x.File(f, 0, int64(len(content)))
		x.End()
	}))
	c := s.dial().secure(cfg)
	for range 3 {
		if res := c.get(get("/")); res.body != string(content) {
			t.Fatalf("got %d octets (%v)", len(res.body), res.err)
		}
	}
}

// Plain HTTP on a TLS port is told so, whatever it asks for.
func TestCleartextOnTLSPort(t *testing.T) {
	handled := handler(func(x *exchange.Exchange) {
		t.Error("a request without TLS was served")
		hello(x)
	})
	s, _ := startTLS(t, Config{}, handled, func(p *setup) {
		p.Parts.HTTP2 = func(*Door, Handoff) { t.Error("a connection without TLS was handed off") }
	})
	for _, text := range []string{get("/"), post("content"), "HEAD / HTTP/1.0\r\n\r\n"} {
		c := s.dial()
		c.send(text[:1])
		c.send(text[1:])
		method, _, _ := strings.Cut(text, " ")
		res := c.read(method)
		if res.StatusCode != 400 || method != "HEAD" && !strings.Contains(res.body, "https://") {
			t.Errorf("%q: got %d %q", text, res.StatusCode, res.body)
		}
		c.ended()
	}
	c := s.dial()
	c.send(preface)
	if res := c.read("GET"); res.StatusCode < 400 {
		t.Errorf("the preface of HTTP/2 got %d", res.StatusCode)
	}
	c.ended()
}

// HTTP/2 is handed off where the handshake chose it.
func TestTLSHandoff(t *testing.T) {
	got := make(chan Handoff, 1)
	s, cfg := startTLS(t, Config{}, hello, func(p *setup) {
		p.Parts.TLS.TLS.NextProtos = []string{"h2", "http/1.1"}
		p.Parts.HTTP2 = func(_ *Door, h Handoff) {
			h.Stream.SetHandler(nothing{})
			got <- h
		}
	})
	cfg.NextProtos = []string{"h2"}
	s.dial().secure(cfg)
	h := testkit.Wait(t, got, "the handoff")
	if string(h.TLS) != "TLS 1.3" || !h.Origin.Listen.TLS || !h.Remote.IsValid() || len(h.Read) > 0 {
		t.Errorf("the handoff is %+v", h)
	}
	if n := s.counters(); n.Open != 1 || n.Idle != 0 {
		t.Errorf("counters %+v", n)
	}
	s.Do(func() {
		h.Stream.Close(false)
		h.Closed()
	})
	cfg.NextProtos = []string{"http/1.1"}
	if res := s.dial().secure(cfg).get(get("/")); res.StatusCode != 200 {
		t.Errorf("http/1.1 got %d", res.StatusCode)
	}
}

type nothing struct{}

func (nothing) Readable() {}
func (nothing) Writable() {}
func (nothing) Hup(error) {}

// A client that is slow to make its handshake is closed at the deadline, and so
// is one that makes it and sends nothing.
func TestTLSDeadline(t *testing.T) {
	s, _ := startTLS(t, Config{HeaderTimeout: 200 * time.Millisecond}, hello)
	silent, slow := s.dial(), s.dial()
	go func() {
		for _, b := range []byte("\x16\x03\x01\x01\x00\x01\x00\x00\xfc\x03\x03aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa") {
			if _, err := slow.Write([]byte{b}); err != nil {
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
	}()
	silent.ended()
	slow.ended()
	s.Until("all are gone", func() bool { return s.counters().Open == 0 })

	s, cfg := startTLS(t, Config{HeaderTimeout: patience}, hello)
	idle := s.dial().secure(cfg)
	s.hasten("its handshake is over", func(c *conn) bool { return c.tls != nil })
	idle.ended()
	s.Until("it is gone", func() bool { return s.counters().Open == 0 })
}

// Connections whose handshake is not done count, make room, and are waited for
// when draining.
func TestTLSHandshakesCount(t *testing.T) {
	s, cfg := startTLS(t, Config{MaxConnections: 3}, hello)
	first := s.dial()
	s.Until("it is accepted", func() bool { return s.counters().Open == 1 })
	for range 3 {
		s.dial()
	}
	s.Until("the first was evicted", func() bool { return s.counters().Evicted == 1 })
	first.ended()
	s.Do(func() { s.door.idle.Each(func(c *conn) { c.close(false) }) })

	late := s.dial()
	s.Until("it is accepted", func() bool { return s.counters().Open == 1 })
	drained := make(chan bool)
	s.Do(func() { s.door.Drain(func() { close(drained) }) })
	if res := late.secure(cfg).get(get("/")); res.StatusCode != 200 || !res.Close {
		t.Errorf("while draining: %d, close %v", res.StatusCode, res.Close)
	}
	testkit.Wait(t, drained, "the drain")
}

// The end of the client's side is seen in both forms, and the answer goes out.
func TestTLSHalfClosed(t *testing.T) {
	s, cfg := startTLS(t, Config{}, hello)
	c := s.dial().secure(cfg)
	c.send(get("/"))
	c.finishSending()
	if res := c.read("GET"); res.body != "hello /" {
		t.Errorf("got %q", res.body)
	}
	c.ended()
	c = s.dial().secure(cfg)
	c.send(get("/"))
	_ = c.Conn.(*tls.Conn).NetConn().(*net.TCPConn).CloseWrite()
	if res := c.read("GET"); res.body != "hello /" {
		t.Errorf("after a FIN: got %q", res.body)
	}
}

// A client that cannot make the handshake leaves nothing behind.
func TestTLSHandshakeFails(t *testing.T) {
	var log testkit.Log
	s, cfg := startTLS(t, Config{}, hello, func(p *setup) {
		p.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	old := cfg.Clone()
	old.MinVersion, old.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	if err := tls.Client(s.dial().Conn, old).Handshake(); err == nil || !strings.Contains(err.Error(), "protocol version") {
		t.Errorf("TLS 1.1: %v", err)
	}
	if _, err := io.ReadAll(s.dial().send("\x16\x03\x01\x00\x05hello")); err != nil && !errors.Is(err, io.EOF) && onloop.IsTimeout(err) {
		t.Error(err)
	}
	s.Until("all are gone", func() bool { return s.counters().Open == 0 })
	for _, text := range []string{"unsupported versions", "client=127.0.0.1"} {
		s.Until("the log has "+text, func() bool { return strings.Contains(log.String(), text) })
	}
}

func TestTLSThousandHandshakes(t *testing.T) {
	const long = 10 * patience // a slow machine computes for minutes
	s, cfg := startTLS(t, Config{HeaderTimeout: long}, hello)
	var all sync.WaitGroup
	for range 1000 {
		all.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), long)
			defer cancel()
			nc, err := (&tls.Dialer{Config: cfg}).DialContext(ctx, "tcp", s.Listener.Addr().String())
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = nc.Close() }()
			_ = nc.SetDeadline(time.Now().Add(long))
			_, _ = io.WriteString(nc, get("/"))
			res, err := http.ReadResponse(bufio.NewReader(nc), nil)
			if err != nil {
				t.Error(err)
				return
			}
			if res.StatusCode != 200 {
				t.Errorf("got %d", res.StatusCode)
			}
		})
	}
	all.Wait()
	s.Until("all are gone", func() bool { return s.counters().Open == 0 })
}

// A client that begins late to read gets all of a large answer, and its end.
func TestTLSSlowReader(t *testing.T) {
	content := strings.Repeat("0123456789abcdef", 1<<20)
	s, cfg := startTLS(t, Config{}, handler(func(x *exchange.Exchange) { x.Answer(200, content) }))
	c := s.dial().secure(cfg)
	c.send("GET / HTTP/1.0\r\n\r\n")
	s.Until("the kernel takes no more", func() (blocked bool) {
		s.Do(func() { s.door.busy.Each(func(c *conn) { blocked = c.w != nil && c.w.out.Blocked }) })
		return blocked
	})
	_, body, _ := strings.Cut(c.all(), "\r\n\r\n")
	if body != content {
		t.Errorf("got %d octets, want %d", len(body), len(content))
	}
}
