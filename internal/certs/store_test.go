package certs

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"
)

func TestParseSource(t *testing.T) {
	for text, want := range map[string]Mode{"auto": Auto, "internal": Internal, "off": Off, "a.pem,b.pem": Files, " a , b ": Files} {
		if s, err := ParseSource(text); err != nil || s.Mode != want {
			t.Errorf("%q is %+v, %v", text, s, err)
		}
	}
	for _, text := range []string{"", "on", "a.pem", ",b", "a,", "a,b,c"} {
		if s, err := ParseSource(text); err == nil {
			t.Errorf("%q is %+v, want an error", text, s)
		}
	}
}

func TestSNI(t *testing.T) {
	ca := newCA(t)
	var pairs []Pair
	for name, hosts := range map[string][]string{
		"a": {"a.example", "www.a.example"}, "wild": {"*.wild.example"}, "one": {"one.wild.example"},
	} {
		if name == "a" {
			pairs = append([]Pair{ca.write(name, ca.issue(nil, hosts...))}, pairs...)
			continue
		}
		pairs = append(pairs, ca.write(name, ca.issue(nil, hosts...)))
	}
	s := open(t, Config{Source: Source{Files, pairs}}, Parts{})
	for host, want := range map[string]string{
		"a.example": "a.example", "WWW.A.example": "a.example", "x.wild.example": "*.wild.example",
		"one.wild.example": "one.wild.example", "x.y.wild.example": "a.example", "wild.example": "a.example",
		"other.example": "a.example", "": "a.example",
	} {
		_, at, err := shake(t, s.TLS(), &tls.Config{ServerName: host, InsecureSkipVerify: true})
		if err != nil || at.PeerCertificates[0].DNSNames[0] != want {
			t.Errorf("%q: %v, want %s", host, err, want)
		}
	}
}

func TestVersions(t *testing.T) {
	ca := newCA(t)
	pair := ca.write("a", ca.issue(nil, "a.example"))
	for _, c := range []struct {
		least   string
		version uint16
		ok      bool
	}{
		{"", tls.VersionTLS10, false},
		{"", tls.VersionTLS11, false},
		{"", tls.VersionTLS12, true},
		{"", tls.VersionTLS13, true},
		{"1.3", tls.VersionTLS12, false},
		{"1.3", tls.VersionTLS13, true},
	} {
		s := open(t, Config{Source: Source{Files, []Pair{pair}}, MinVersion: c.least}, Parts{})
		cfg := &tls.Config{ServerName: "a.example", RootCAs: ca.pool, MinVersion: c.version, MaxVersion: c.version}
		if _, _, err := shake(t, s.TLS(), cfg); (err == nil) != c.ok {
			t.Errorf("%s with at least %q: %v", tls.VersionName(c.version), c.least, err)
		}
	}
}

func TestReload(t *testing.T) {
	ca := newCA(t)
	first, second := ca.issue(nil, "a.example"), ca.issue(nil, "a.example")
	pair := ca.write("a", first)
	log := &logBuffer{}
	s := open(t, Config{Source: Source{Files, []Pair{pair}}}, Parts{Log: log.logger()})
	cache := tls.NewLRUClientSessionCache(1)
	client := &tls.Config{ServerName: "a.example", RootCAs: ca.pool, ClientSessionCache: cache}
	serial := func() string {
		_, at, err := shake(t, s.TLS(), &tls.Config{ServerName: "a.example", RootCAs: ca.pool})
		if err != nil {
			t.Fatal(err)
		}
		return at.PeerCertificates[0].SerialNumber.String()
	}
	if _, _, err := shake(t, s.TLS(), client); err != nil {
		t.Fatal(err)
	}

	// The certificate is there, its key is not yet.
	key, err := os.ReadFile(pair.Key)
	if err != nil {
		t.Fatal(err)
	}
	ca.write("a", second)
	newer, err := os.ReadFile(pair.Key)
	if err != nil {
		t.Fatal(err)
	}
	replace(t, pair.Key, key)
	s.poll(t.Context())
	if got := serial(); got != first.Leaf.SerialNumber.String() {
		t.Error("the old certificate is not in use any more")
	}
	if !strings.Contains(log.String(), "the old ones stay in use") || !strings.Contains(log.String(), "private key does not match") {
		t.Errorf("the log is %s", log)
	}

	replace(t, pair.Key, newer)
	s.poll(t.Context())
	if got := serial(); got != second.Leaf.SerialNumber.String() {
		t.Error("the new certificate is not in use")
	}
	if _, at, err := shake(t, s.TLS(), client); err != nil || !at.DidResume {
		t.Errorf("a session of before: resumed %v, %v", at.DidResume, err)
	}
}

// replace writes a file as most tools do: another one takes its place.
func replace(t *testing.T, file string, text []byte) {
	t.Helper()
	if err := os.WriteFile(file+".new", text, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		t.Fatal(err)
	}
}

func TestClientCertificates(t *testing.T) {
	ca, other := newCA(t), newCA(t)
	pair := ca.write("a", ca.issue(nil, "a.example"))
	good, bad := ca.issue(nil, "client"), other.issue(nil, "client")
	for _, c := range []struct {
		auth string
		show *tls.Certificate
		ok   bool
		name string
	}{
		{"none", &good, true, ""},
		{"optional", nil, true, ""},
		{"optional", &good, true, `CN=leaf,O=a\, b`},
		{"optional", &bad, false, ""},
		{"required", nil, false, ""},
		{"required", &good, true, `CN=leaf,O=a\, b`},
		{"required", &bad, false, ""},
	} {
		cfg := Config{Source: Source{Files, []Pair{pair}}, ClientAuth: c.auth}
		if c.auth != "none" {
			cfg.ClientCA = ca.file
		}
		s := open(t, cfg, Parts{})
		client := &tls.Config{ServerName: "a.example", RootCAs: ca.pool}
		if c.show != nil {
			client.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return c.show, nil }
		}
		at, _, err := shake(t, s.TLS(), client)
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", c.auth, err)
		}
		if err != nil {
			continue
		}
		var d described
		if err := json.Unmarshal(s.Describe(at), &d); err != nil {
			t.Fatal(err)
		}
		if d.TLSVersion != tls.VersionTLS13 || d.CipherSuite == 0 || d.ServerCert == nil || !strings.HasPrefix(*d.ServerCert, "-----BEGIN CERTIFICATE-----") {
			t.Errorf("%s: told %+v", c.auth, d)
		}
		if c.name == "" && (d.ClientCertName != nil || len(d.ClientCertChain) > 0) || c.name != "" && (*d.ClientCertName != c.name || len(d.ClientCertChain) == 0) {
			t.Errorf("%s: told of the client %v, %d certificates", c.auth, d.ClientCertName, len(d.ClientCertChain))
		}
	}
}

// What is told fits the link, and is the same for connections that are alike.
func TestDescribe(t *testing.T) {
	ca := newCA(t)
	s := open(t, Config{Source: Source{Files, []Pair{ca.write("a", ca.issue(nil, "a.example"))}}}, Parts{})
	state := tls.ConnectionState{Version: tls.VersionTLS12, CipherSuite: 1}
	a, b := s.Describe(state), s.Describe(state)
	if &a[0] != &b[0] {
		t.Error("it was made twice")
	}
	large := ca.issue(func(c *x509.Certificate) { c.DNSNames = append(c.DNSNames, strings.Repeat("a", 40000)) }, "b")
	state.PeerCertificates = []*x509.Certificate{large.Leaf, ca.cert}
	if got := s.Describe(state); len(got) > maxDescribed || !json.Valid(got) {
		t.Errorf("%d octets are told", len(got))
	}
}

func TestExpiredIsLogged(t *testing.T) {
	ca := newCA(t)
	log := &logBuffer{}
	old := ca.issue(func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }, "a.example")
	open(t, Config{Source: Source{Files, []Pair{ca.write("a", old)}}}, Parts{Log: log.logger()})
	if !strings.Contains(log.String(), "not valid now") {
		t.Errorf("the log is %q", log)
	}
}
