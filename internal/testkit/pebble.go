package testkit

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

const pebbleVersion = "v2.10.1"

// Pebble is a running ACME server for tests. Every host name is 127.0.0.1 to it.
type Pebble struct {
	// Directory is its URL, Authority the file of the root that its own
	// certificate is from.
	Directory, Authority string

	t      testing.TB
	manage string
	client *http.Client
	cmd    *exec.Cmd
	out    *Log
}

// StartPebble runs Pebble until the test ends, or skips the test where it cannot
// be built. It issues certificates that live for validity, and verifies at the
// two ports: httpPort for HTTP-01, tlsPort for TLS-ALPN-01.
func StartPebble(t testing.TB, validity time.Duration, httpPort, tlsPort int) *Pebble {
	t.Helper()
	binary := pebbleBinary(t)
	p := &Pebble{t: t}
	dir := t.TempDir()
	cert, key, pool := p.identity(dir)
	p.Authority = cert
	p.client = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	config := map[string]any{
		"certificate": cert, "privateKey": key,
		"httpPort": httpPort, "tlsPort": tlsPort, "keyAlgorithm": "ecdsa",
		"retryAfter": map[string]int{"authz": 1, "order": 1},
		"profiles":   map[string]any{"default": map[string]any{"description": "short", "validityPeriod": int(validity.Seconds())}},
	}
	t.Cleanup(func() {
		p.Stop()
		if t.Failed() {
			t.Logf("pebble:\n%s", p.out.String())
		}
	})
	dns := serveDNS(t)
	for !p.start(binary, filepath.Join(dir, "pebble.json"), dns, config) {
		p.Stop()
	}
	return p
}

// start starts Pebble and waits until it answers. It reports false if somebody else
// has got one of its addresses first: Pebble cannot be told to choose them.
func (p *Pebble) start(binary, file, dns string, config map[string]any) bool {
	p.t.Helper()
	api, manage := freeAddress(p.t), freeAddress(p.t)
	config["listenAddress"], config["managementListenAddress"] = api, manage
	text, err := json.Marshal(map[string]any{"pebble": config})
	if err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		p.t.Fatal(err)
	}
	p.Directory, p.manage = "https://"+api+"/dir", "https://"+manage
	p.cmd, p.out = exec.Command(binary, "-config", file, "-dnsserver", dns), &Log{}
	p.cmd.Env = append(os.Environ(), "PEBBLE_VA_NOSLEEP=1", "PEBBLE_WFE_NONCEREJECT=0")
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.out
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	taken := false
	if err := Until(Patience, func() (bool, string) {
		if taken = strings.Contains(p.out.String(), "address already in use"); taken {
			return true, ""
		}
		for _, url := range []string{p.Directory, p.manage + "/roots/0"} {
			res, err := p.client.Get(url)
			if err != nil {
				return false, fmt.Sprintf("Pebble does not answer: %v", err)
			}
			_ = res.Body.Close()
		}
		return true, ""
	}); err != nil {
		p.t.Fatal(err)
	}
	return !taken
}

// identity makes the certificate of its own that Pebble answers with.
func (p *Pebble) identity(dir string) (certFile, keyFile string, pool *x509.CertPool) {
	p.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		p.t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		p.t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		p.t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(dir, "pebble.pem"), filepath.Join(dir, "pebble-key.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	pool = x509.NewCertPool()
	pool.AppendCertsFromPEM(text)
	for file, text := range map[string][]byte{
		certFile: text, keyFile: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}),
	} {
		if err := os.WriteFile(file, text, 0o600); err != nil {
			p.t.Fatal(err)
		}
	}
	return certFile, keyFile, pool
}

// Stop ends it. A second Stop does nothing.
func (p *Pebble) Stop() {
	if p.cmd != nil && p.cmd.ProcessState == nil {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
	}
}

// Root is what it issues from.
func (p *Pebble) Root() *x509.CertPool {
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

// freeAddress is an address of the loopback that was free a moment ago.
func freeAddress(t testing.TB) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	return ln.Addr().String()
}

// pebbleBinary builds Pebble, the ACME server for tests, below build/.
func pebbleBinary(t testing.TB) string {
	t.Helper()
	if testing.Short() {
		t.Skip("Pebble is not run by -short")
	}
	root, err := Repository()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(root, "build", "pebble-"+pebbleVersion)
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

// serveDNS answers every question for an address with 127.0.0.1, by TCP as Pebble
// asks, and says where.
func serveDNS(t testing.TB) string {
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
