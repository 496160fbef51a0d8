package proxy

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"rickhouse/internal/testkit/door"
)

// TestActiveHealth: an upstream that fails its checks gets no requests until it
// passes them again.
func TestActiveHealth(t *testing.T) {
	var sick atomic.Bool
	play := func(name string, checks bool) func(c *peerConn) {
		return func(c *peerConn) {
			for {
				head := c.head()
				switch {
				case head == "":
					return
				case strings.HasPrefix(head, "GET /up HTTP/1.1\r\n") && checks && sick.Load():
					c.write("HTTP/1.1 500 Sick\r\nContent-Length: 0\r\n\r\n")
				default:
					c.write(ok(name))
				}
			}
		}
	}
	a, b := unixFake(t, play("a", true)), unixFake(t, play("b", false))
	e := start(t, Config{
		Upstreams: []string{a.url, b.url}, HealthPath: "/up", HealthInterval: 5 * time.Millisecond, HealthTimeout: door.Patience, HealthFall: 2, HealthRise: 2,
	}, 1)
	defer e.proxy.Close()
	answered := func(n int) map[string]int {
		counts := map[string]int{}
		for range n {
			counts[e.get("/").body]++
		}
		return counts
	}
	if got := answered(10); got["a"] != 5 || got["b"] != 5 {
		t.Errorf("at first: %v", got)
	}
	sick.Store(true)
	e.wantLog("fails its health check.*" + a.url + ".*500")
	if got := answered(10); got["b"] != 10 {
		t.Errorf("while a is sick: %v", got)
	}
	sick.Store(false)
	e.wantLog("passes its health check again.*" + a.url)
	if got := answered(10); got["a"] != 5 {
		t.Errorf("at last: %v", got)
	}
}

func TestNamesAreLookedUp(t *testing.T) {
	a, b := tcpFake(t, named("a")), tcpFake(t, named("b"))
	at := func(f *fake) record {
		return record{address{ip: netip.MustParseAddrPort(f.l.Addr().String())}, 1, false}
	}
	var mu sync.Mutex
	answer, failure := []record{at(a)}, error(nil)
	say := func(err error, records ...record) {
		mu.Lock()
		defer mu.Unlock()
		answer, failure = records, err
	}
	gate := make(chan struct{})
	e := &env{t: t, Door: door.Loops(t, 1)}
	p, err := New(Config{Upstreams: []string{"http://shop.example"}, ResolveInterval: 5 * time.Millisecond}, Parts{
		Loops: e.Loops, Log: e.Logger, lookup: func(_ context.Context, u *upstream, _ func([]record)) ([]record, time.Duration, error) {
			<-gate
			mu.Lock()
			defer mu.Unlock()
			if u.host != "shop.example" || u.port != 80 {
				return nil, 0, fmt.Errorf("asked for %s", u.text)
			}
			return answer, 0, failure
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	p.Begin()
	defer p.Close()
	e.proxy = p
	e.Open(p, frontConfig(), "")
	early := e.client().send("GET / HTTP/1.1\r\nHost: a\r\n\r\n") // waits for the first answer
	close(gate)
	if a := early.read("GET"); a.body != "a" {
		t.Errorf("got %d %q", a.StatusCode, a.body)
	}
	say(nil, at(a), at(b))
	until(t, "both are asked", func() bool { return e.get("/").body == "b" })
	say(errors.New("the name server is away"))
	e.wantLog("cannot be looked up.*the name server is away")
	if body := e.get("/").body; body != "a" && body != "b" {
		t.Errorf("got %q", body)
	}
	say(nil, at(b))
	until(t, "a is forgotten", func() bool { return len(*p.peers.Load()) == 1 })
	for range 4 {
		if body := e.get("/").body; body != "b" {
			t.Errorf("got %q", body)
		}
	}
	until(t, "a has no connection", func() (none bool) {
		e.On(e.Loops[0], func() { none = len(p.shards[0].conns) <= 1 })
		return none
	})
}

func TestANameThatIsUnknown(t *testing.T) {
	e := &env{t: t, Door: door.Loops(t, 1)}
	p, err := New(Config{Upstreams: []string{"http://shop.example"}}, Parts{
		Loops: e.Loops, Log: e.Logger,
		lookup: func(context.Context, *upstream, func([]record)) ([]record, time.Duration, error) {
			return nil, 0, errors.New("no such host")
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	p.Begin()
	defer p.Close()
	e.Open(p, frontConfig(), "")
	e.get("/").wantStatus(t, 503)
	e.wantLog("cannot be looked up.*no such host")
}

// secureUpstream is an https server and the file of its certificate.
func secureUpstream(t *testing.T, change func(*tls.Config)) (s *httptest.Server, ca string) {
	t.Helper()
	s = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_, _ = fmt.Fprintf(w, "%s %s %s %d %d", r.Proto, r.TLS.ServerName, body, len(r.TLS.PeerCertificates), len(r.Host))
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.TLS = &tls.Config{}
	if change != nil {
		change(s.TLS)
	}
	s.StartTLS()
	t.Cleanup(s.Close)
	ca = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	return s, ca
}

func TestUpstreamTLS(t *testing.T) {
	s, ca := secureUpstream(t, nil)
	body := strings.Repeat("x", 100_000)
	t.Run("verified", func(t *testing.T) {
		e := start(t, Config{Upstreams: []string{s.URL}, CA: ca, Name: "example.com"}, 1)
		c := e.client()
		for range 5 {
			a := c.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n" + body).read("POST")
			if a.body != "HTTP/1.1 example.com "+body+" 0 1" {
				t.Fatalf("%d %.60q", a.StatusCode, a.body)
			}
		}
	})
	t.Run("by somebody else", func(t *testing.T) {
		e := start(t, Config{Upstreams: []string{s.URL}, Name: "example.com"})
		e.get("/").wantStatus(t, 502)
		e.wantLog("unknown authority")
	})
	t.Run("with another name", func(t *testing.T) {
		e := start(t, Config{Upstreams: []string{s.URL}, CA: ca, Name: "example.org"})
		e.get("/").wantStatus(t, 502)
		e.wantLog("not example.org")
	})
	t.Run("not verified", func(t *testing.T) {
		e := start(t, Config{Upstreams: []string{s.URL}, NoVerify: true})
		e.get("/").wantStatus(t, 200)
	})
	t.Run("it does not speak TLS", func(t *testing.T) {
		f := tcpFake(t, func(c *peerConn) { c.write("HTTP/1.1 400 Bad\r\n\r\n") })
		e := start(t, Config{Upstreams: []string{strings.Replace(f.url, "http:", "https:", 1)}, NoVerify: true})
		e.get("/").wantStatus(t, 502)
		e.wantLog("TLS handshake")
	})
}

func TestClientCertificates(t *testing.T) {
	s, ca := secureUpstream(t, func(c *tls.Config) { c.ClientAuth = tls.RequireAnyClientCert })
	pair := s.TLS.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	keyFile := filepath.Join(t.TempDir(), "key.pem")
	if err := os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := Config{Upstreams: []string{s.URL}, CA: ca, Name: "example.com"}
	e := start(t, cfg)
	e.get("/").wantStatus(t, 502)
	cfg.Cert, cfg.Key = ca, keyFile
	e = start(t, cfg)
	if a := e.get("/"); a.StatusCode != 200 || !strings.HasSuffix(a.body, " 1 11") {
		t.Errorf("%d %q", a.StatusCode, a.body)
	}
}
