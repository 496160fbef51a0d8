package loop

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"net"
	"testing"
	"time"

	"rickhouse/internal/testkit"
)

// identity makes the TLS sides of a server for "localhost" and its client.
func identity(t testing.TB) (server, client *tls.Config) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
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

// safe is a Handler that is told of its handshake.
type safe struct {
	conn
	secured chan tls.ConnectionState
}

func newSafe(c conn) *safe { return &safe{c, make(chan tls.ConnectionState, 1)} }

func (s *safe) Secured(state tls.ConnectionState) { s.secured <- state }

// narrow is a Stream that takes and gives at most some octets at a time.
type narrow struct {
	Stream
	in, out int
}

func (n *narrow) Read(p []byte) (int, error) { return n.Stream.Read(p[:min(len(p), n.in)]) }

func (n *narrow) Write(p []byte) (int, error) {
	k, err := n.Stream.Write(p[:min(len(p), n.out)])
	if err == nil && k < len(p) {
		err = ErrAgain
	}
	return k, err
}

// attachTLS puts the server's end of a new connection on l and returns the
// client's, with no handshake made.
func attachTLS(t testing.TB, l *Loop, server *tls.Config, h *safe, width ...int) net.Conn {
	t.Helper()
	fd, peer := pair(t, "tcp")
	on(t, l, func() {
		s := l.newSecure(&TLSConfig{TLS: server, Handshakes: NewHandshakes(1)}, h)
		inner, err := l.Attach(fd, s)
		if err != nil {
			t.Errorf("attach: %v", err)
			return
		}
		if len(width) > 0 {
			inner = &narrow{inner, width[0], width[len(width)-1]}
		}
		s.start(inner)
		h.attached(s)
		t.Cleanup(func() { on(t, l, func() { s.Close(false) }) })
	})
	_ = peer.SetDeadline(time.Now().Add(patience))
	return peer
}

// dialTLS is attachTLS with the handshake.
func dialTLS(t testing.TB, l *Loop, h *safe, change func(server, client *tls.Config), width ...int) *tls.Conn {
	t.Helper()
	server, client := identity(t)
	if change != nil {
		change(server, client)
	}
	c := tls.Client(attachTLS(t, l, server, h, width...), client)
	if err := c.Handshake(); err != nil {
		t.Fatal(err)
	}
	testkit.Wait(t, h.secured, "the handshake")
	return c
}

// versions runs f with each version of TLS.
func versions(t *testing.T, f func(t *testing.T, version uint16, change func(server, client *tls.Config))) {
	for _, v := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(v), func(t *testing.T) {
			f(t, v, func(_, client *tls.Config) { client.MinVersion, client.MaxVersion = v, v })
		})
	}
}

// gather is a probe that reads whatever comes, and notes how it ends.
type gather struct {
	probe
	got []byte
	end chan error
}

func newGather(t testing.TB) *gather {
	g := &gather{probe: probe{t: t}, end: make(chan error, 1)}
	buf := make([]byte, 4<<10)
	g.readable = func() {
		n, err := g.s.Read(buf)
		g.got = append(g.got, buf[:n]...)
		if err != nil && !errors.Is(err, ErrAgain) {
			g.s.Want(false, false)
			g.end <- err
		}
	}
	g.hup = func(err error) {
		g.s.Close(true)
		g.end <- err
	}
	return g
}
