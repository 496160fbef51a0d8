package certs

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"rickhouse/internal/testkit"
)

// site is a server whose certificates are a Store's. Each has a name of its own:
// certmagic remembers, for the whole process, what it is about to renew.
type site struct {
	t     *testing.T
	name  string
	store *Store
	log   logBuffer
	tls   net.Listener
	plain net.Listener
}

func port(ln net.Listener) int { return ln.Addr().(*net.TCPAddr).Port }

// newSite listens; serve begins to answer.
func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{t: t, name: fmt.Sprintf("shop-%d.example", time.Now().UnixNano())}
	for _, ln := range []*net.Listener{&s.tls, &s.plain} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
		*ln = l
	}
	return s
}

func (s *site) serve(cfg Config, p Parts) {
	s.t.Helper()
	p.Log = s.log.logger()
	p.Protocols = []string{"http/1.1"}
	s.store = open(s.t, cfg, p)
	go func() {
		for {
			nc, err := s.tls.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = nc.Close() }()
				_ = nc.SetDeadline(time.Now().Add(patience))
				c := tls.Server(nc, s.store.TLS())
				if c.Handshake() == nil {
					_, _ = io.Copy(io.Discard, c)
				}
			}()
		}
	}()
	go func() {
		_ = http.Serve(s.plain, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if text, ok := s.store.Challenge(r.Host, r.URL.Path); ok {
				_, _ = io.WriteString(w, text)
				return
			}
			http.NotFound(w, r)
		}))
	}()
	s.t.Cleanup(func() {
		if s.t.Failed() {
			s.t.Logf("log:\n%s", s.log.String())
		}
	})
}

// leaf is the certificate in use, or an error.
func (s *site) leaf(roots *x509.CertPool) (*x509.Certificate, error) {
	c, err := tls.Dial("tcp", s.tls.Addr().String(), &tls.Config{ServerName: s.name, RootCAs: roots, InsecureSkipVerify: roots == nil})
	if err != nil {
		return nil, err
	}
	defer func() { _ = c.Close() }()
	return c.ConnectionState().PeerCertificates[0], nil
}

// until polls until done.
func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(2 * patience); !done(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it never came to this: %s", what)
		}
	}
}

// A certificate is got by each kind of challenge, even from clients that must
// show certificates, and is there at once after a restart.
func TestACME(t *testing.T) {
	for _, kind := range []string{"TLS-ALPN-01", "HTTP-01"} {
		t.Run(kind, func(t *testing.T) {
			s := newSite(t)
			p := testkit.StartPebble(t, time.Hour, port(s.plain), port(s.tls))
			cfg := Config{Source: Source{Mode: Auto}, ACMECA: p.Directory, ACMECARoot: p.Authority, ACMEEmail: "admin@shop.example"}
			parts := Parts{Domains: []string{"*.shop.example", s.name}, Data: t.TempDir()}
			if kind == "HTTP-01" {
				parts.HTTPPort = port(s.plain)
			} else {
				parts.TLSPort = port(s.tls)
			}
			strict := cfg
			strict.ClientAuth, strict.ClientCA = "required", newCA(t).file // an ACME server shows none
			s.serve(strict, parts)
			roots := p.Root()
			var leaf *x509.Certificate
			until(t, "there is a certificate", func() (got bool) {
				var err error
				leaf, err = s.leaf(roots)
				return err == nil
			})
			if !slices.Equal(leaf.DNSNames, []string{s.name}) {
				t.Errorf("the certificate is for %v", leaf.DNSNames)
			}
			var told described
			for _, name := range []string{strings.ToUpper(s.name), ""} {
				text := s.store.Describe(tls.ConnectionState{ServerName: name, Version: tls.VersionTLS13})
				if err := json.Unmarshal(text, &told); err != nil || told.ServerCert == nil || *told.ServerCert != toPEM(leaf) {
					t.Errorf("an application is told %s of a client that asks for %q", text, name)
				}
			}
			if text, ok := s.store.Challenge(s.name, "/.well-known/acme-challenge/other"); ok {
				t.Errorf("a challenge that is none is answered with %q", text)
			}
			p.Stop()
			s.store.Close()
			again := open(t, cfg, Parts{Log: s.log.logger(), Domains: parts.Domains, Data: parts.Data, TLSPort: 1})
			if _, at, err := shake(t, again.TLS(), &tls.Config{ServerName: s.name, RootCAs: roots}); err != nil || !at.PeerCertificates[0].Equal(leaf) {
				t.Errorf("after a restart: %v", err)
			}
		})
	}
}

// A certificate is renewed in its last third; while the ACME server is down the
// old one stays in use, and that is logged.
func TestACMERenewal(t *testing.T) {
	s := newSite(t)
	p := testkit.StartPebble(t, 15*time.Second, port(s.plain), port(s.tls))
	s.serve(
		Config{Source: Source{Mode: Auto}, ACMECA: p.Directory, ACMECARoot: p.Authority, Domains: []string{s.name}},
		Parts{Data: t.TempDir(), TLSPort: port(s.tls), renewEvery: 200 * time.Millisecond},
	)
	roots := p.Root()
	var first, second *x509.Certificate
	until(t, "there is a certificate", func() bool {
		var err error
		first, err = s.leaf(roots)
		return err == nil
	})
	until(t, "it is renewed", func() bool {
		var err error
		second, err = s.leaf(roots)
		return err == nil && !second.Equal(first)
	})
	if second.NotAfter.Before(first.NotAfter) {
		t.Error("the new certificate ends before the old one")
	}
	p.Stop()
	before := len(s.log.String())
	until(t, "that it cannot be renewed is logged", func() bool {
		text := s.log.String()[before:]
		return strings.Contains(text, "level=ERROR") && strings.Contains(text, "connection refused")
	})
	if leaf, err := s.leaf(nil); err != nil || !leaf.Equal(second) {
		t.Errorf("the old certificate is not in use: %v", err)
	}
}

// Without its ACME server a site starts, and says what is wrong.
func TestACMEServerIsDown(t *testing.T) {
	s := newSite(t)
	s.serve(
		Config{Source: Source{Mode: Auto}, ACMECA: "https://" + testkit.RefusedAddress(t) + "/dir", Domains: []string{s.name}},
		Parts{Data: t.TempDir(), TLSPort: port(s.tls)},
	)
	if _, err := s.leaf(nil); err == nil {
		t.Error("there is a certificate")
	}
	until(t, "it is logged", func() bool { return strings.Contains(s.log.String(), "connection refused") })
}

func TestACMENeeds(t *testing.T) {
	for want, p := range map[string]Parts{
		"no name to get": {TLSPort: 1, Domains: []string{"*.a.example"}},
		"no address":     {Domains: []string{"a.example"}},
	} {
		p.Data = t.TempDir()
		if _, err := Open(Config{Source: Source{Mode: Auto}}, p); err == nil || !strings.Contains(err.Error(), strings.Fields(want)[0]) {
			t.Errorf("%s: %v", want, err)
		}
	}
}
