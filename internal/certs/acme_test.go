package certs

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

const pebbleVersion = "v2.10.1"

// pebbleBinary builds Pebble, the ACME server for tests, below build/.
func pebbleBinary(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("Pebble is not run by -short")
	}
	_, here, _, _ := runtime.Caller(0)
	dir := filepath.Join(filepath.Dir(here), "..", "..", "build", "pebble-"+pebbleVersion)
	binary := filepath.Join(dir, "pebble")
	if _, err := os.Stat(binary); err == nil {
		return binary
	}
	temporary := t.TempDir()
	cmd := exec.Command("go", "install", "github.com/letsencrypt/pebble/v2/cmd/pebble@"+pebbleVersion)
	cmd.Env = append(os.Environ(), "GOBIN="+temporary, "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Skipf("Pebble cannot be built here: %v\n%s", err, out)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(temporary, "pebble"), binary); err != nil {
		return filepath.Join(temporary, "pebble") // another file system
	}
	return binary
}

// pebble is a running ACME server.
type pebble struct {
	t         *testing.T
	directory string // its URL
	authority string // the file of the root that its own certificate is from
	manage    string
	client    *http.Client
	cmd       *exec.Cmd
	out       bytes.Buffer
}

// startPebble runs one that issues certificates for validity and verifies at the
// two ports.
func startPebble(t *testing.T, validity time.Duration, httpPort, tlsPort int) *pebble {
	t.Helper()
	binary := pebbleBinary(t)
	ca := newCA(t)
	pair := ca.write("pebble", ca.issue(func(c *x509.Certificate) { c.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)} }))
	api, manage := freeAddress(t), freeAddress(t)
	config, err := json.Marshal(map[string]any{"pebble": map[string]any{
		"listenAddress": api, "managementListenAddress": manage, "certificate": pair.Cert, "privateKey": pair.Key,
		"httpPort": httpPort, "tlsPort": tlsPort, "keyAlgorithm": "ecdsa",
		"retryAfter": map[string]int{"authz": 1, "order": 1},
		"profiles":   map[string]any{"default": map[string]any{"description": "short", "validityPeriod": int(validity.Seconds())}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(ca.dir, "pebble.json")
	if err := os.WriteFile(file, config, 0o600); err != nil {
		t.Fatal(err)
	}
	p := &pebble{
		t: t, directory: "https://" + api + "/dir", authority: ca.file, manage: "https://" + manage,
		client: &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: ca.pool}}},
	}
	p.cmd = exec.Command(binary, "-config", file, "-dnsserver", serveDNS(t))
	p.cmd.Env = append(os.Environ(), "PEBBLE_VA_NOSLEEP=1", "PEBBLE_WFE_NONCEREJECT=0")
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.out
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.stop()
		if t.Failed() {
			t.Logf("pebble:\n%s", p.out.String())
		}
	})
	until(t, "Pebble answers", func() bool {
		res, err := p.client.Get(p.directory)
		if err == nil {
			_ = res.Body.Close()
		}
		return err == nil
	})
	return p
}

func (p *pebble) stop() {
	if p.cmd.ProcessState == nil {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
	}
}

// root is what it issues from.
func (p *pebble) root() *x509.CertPool {
	p.t.Helper()
	res, err := p.client.Get(p.manage + "/roots/0")
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	pool := x509.NewCertPool()
	if err != nil || !pool.AppendCertsFromPEM(text) {
		p.t.Fatalf("Pebble's root is %q, %v", text, err)
	}
	return pool
}

func freeAddress(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	return ln.Addr().String()
}

// serveDNS answers every question for an address with 127.0.0.1, by TCP as Pebble
// asks, and says where.
func serveDNS(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go answerDNS(c)
		}
	}()
	return ln.Addr().String()
}

func answerDNS(c net.Conn) {
	defer func() { _ = c.Close() }()
	for {
		var size [2]byte
		if _, err := io.ReadFull(c, size[:]); err != nil {
			return
		}
		buf := make([]byte, binary.BigEndian.Uint16(size[:]))
		var m dnsmessage.Message
		if _, err := io.ReadFull(c, buf); err != nil || m.Unpack(buf) != nil || len(m.Questions) != 1 {
			return
		}
		m.Response, m.RecursionAvailable, m.Additionals = true, true, nil
		if q := m.Questions[0]; q.Type == dnsmessage.TypeA {
			m.Answers = []dnsmessage.Resource{{
				Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 1},
				Body:   &dnsmessage.AResource{A: [4]byte{127, 0, 0, 1}},
			}}
		}
		reply, err := m.AppendPack(make([]byte, 2, 512))
		if err != nil {
			return
		}
		binary.BigEndian.PutUint16(reply, uint16(len(reply)-2))
		if _, err := c.Write(reply); err != nil {
			return
		}
	}
}

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
			p := startPebble(t, time.Hour, port(s.plain), port(s.tls))
			cfg := Config{Source: Source{Mode: Auto}, ACMECA: p.directory, ACMECARoot: p.authority, ACMEEmail: "admin@shop.example"}
			parts := Parts{Domains: []string{"*.shop.example", s.name}, Data: t.TempDir()}
			if kind == "HTTP-01" {
				parts.HTTPPort = port(s.plain)
			} else {
				parts.TLSPort = port(s.tls)
			}
			strict := cfg
			strict.ClientAuth, strict.ClientCA = "required", newCA(t).file // an ACME server shows none
			s.serve(strict, parts)
			roots := p.root()
			var leaf *x509.Certificate
			until(t, "there is a certificate", func() (got bool) {
				var err error
				leaf, err = s.leaf(roots)
				return err == nil
			})
			if !slices.Equal(leaf.DNSNames, []string{s.name}) {
				t.Errorf("the certificate is for %v", leaf.DNSNames)
			}
			if text, ok := s.store.Challenge(s.name, "/.well-known/acme-challenge/other"); ok {
				t.Errorf("a challenge that is none is answered with %q", text)
			}
			p.stop()
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
	p := startPebble(t, 15*time.Second, port(s.plain), port(s.tls))
	s.serve(
		Config{Source: Source{Mode: Auto}, ACMECA: p.directory, ACMECARoot: p.authority, Domains: []string{s.name}},
		Parts{Data: t.TempDir(), TLSPort: port(s.tls), renewEvery: 200 * time.Millisecond},
	)
	roots := p.root()
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
	p.stop()
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
		Config{Source: Source{Mode: Auto}, ACMECA: "https://" + freeAddress(t) + "/dir", Domains: []string{s.name}},
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
