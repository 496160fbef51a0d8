package http3

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	h3 "github.com/quic-go/quic-go/http3"

	"rickhouse/internal/exchange"
	"rickhouse/internal/front"
	"rickhouse/internal/listen"
	"rickhouse/internal/spool"
	"rickhouse/internal/testkit"
)

// patience is how long a test waits for what should happen.
const patience = testkit.Patience

// server is a Front with one Door.
type server struct {
	testkit.Observed
	front *Front
	door  *Door
	url   string
	addr  *net.UDPAddr
	roots *x509.CertPool
}

type handler = exchange.HandlerFunc

// certificate makes a certificate of 127.0.0.1 for itself.
func certificate(t testing.TB) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, roots
}

// settings are what a test may change.
type settings struct {
	common front.Config
	config Config
	parts  Parts
	extra  []exchange.Field
	spool  spool.Config
}

// made are the Settings of c.
func (c settings) made(t testing.TB) *Settings {
	t.Helper()
	common, err := front.NewSettings(c.common, c.spool)
	if err != nil {
		t.Fatal(err)
	}
	s, err := NewSettings(common, c.config, c.extra)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// start serves h; change, if not nil, changes the settings.
func start(t *testing.T, h exchange.Handler, change ...func(*settings)) *server {
	t.Helper()
	s := &server{Observed: testkit.Observed{T: t}}
	cert, roots := certificate(t)
	s.roots = roots
	c := settings{parts: Parts{
		Parts: front.Parts{Handler: h, Log: slog.New(slog.NewTextHandler(&s.Log, nil)), Observe: s.Observe},
		TLS:   &tls.Config{Certificates: []tls.Certificate{cert}},
	}}
	for _, f := range change {
		f(&c)
	}
	var err error
	if s.front, err = New(c.made(t), c.parts); err != nil {
		t.Fatal(err)
	}
	socket, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	s.addr = socket.LocalAddr().(*net.UDPAddr)
	s.url = "https://" + s.addr.String()
	if s.door, err = s.front.Serve(socket, listen.Addr{Host: "127.0.0.1", Port: s.addr.Port}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.door.Close()
		s.Until("no connection is left", func() bool { return s.front.Open() == 0 })
		if t.Failed() {
			t.Logf("log:\n%s", s.Log.String())
		}
	})
	return s
}

// client is one connection.
type client struct {
	t    *testing.T
	s    *server
	conn *quic.Conn
	h3   *h3.ClientConn
	tr   *h3.Transport
	ctx  context.Context
}

// dialInTime is dial to a server whose header_timeout is so short that it may end
// before the handshake does: then it connects again.
func (s *server) dialInTime() *client {
	s.T.Helper()
	var c *client
	s.Until("a handshake was made in time", func() bool {
		conn, err := quic.DialAddr(s.T.Context(), s.addr.String(), s.tls(), nil)
		if err == nil {
			c = s.client(s.T.Context(), conn)
		}
		return err == nil
	})
	return c
}

// dial connects; configure, if not nil, changes how.
func (s *server) dial(configure ...func(*quic.Config)) *client {
	s.T.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	s.T.Cleanup(cancel)
	q := &quic.Config{HandshakeIdleTimeout: patience} // 5 s else
	for _, f := range configure {
		f(q)
	}
	conn, err := quic.DialAddr(ctx, s.addr.String(), s.tls(), q)
	if err != nil {
		s.T.Fatalf("connecting: %v", err)
	}
	return s.client(ctx, conn)
}

func (s *server) client(ctx context.Context, conn *quic.Conn) *client {
	s.T.Helper()
	s.T.Cleanup(func() { _ = conn.CloseWithError(0x100, "") })
	tr := &h3.Transport{DisableCompression: true}
	return &client{s.T, s, conn, tr.NewClientConn(conn), tr, ctx}
}

// request makes a request of a path.
func (c *client) request(method, path string, content io.Reader) *http.Request {
	c.t.Helper()
	r, err := http.NewRequestWithContext(c.ctx, method, c.s.url+path, content)
	if err != nil {
		c.t.Fatal(err)
	}
	return r
}

func (s *server) tls() *tls.Config {
	return &tls.Config{RootCAs: s.roots, NextProtos: []string{h3.NextProtoH3}}
}

// response is an answer as a client read it.
type response struct {
	*http.Response
	body string
	err  error // of reading the body
}

// do sends a request and reads the answer.
func (c *client) do(r *http.Request) response {
	c.t.Helper()
	res, err := c.h3.RoundTrip(r)
	if err != nil {
		c.t.Fatalf("%s %s: %v", r.Method, r.URL, err)
	}
	body, err := io.ReadAll(res.Body)
	_ = res.Body.Close()
	return response{res, string(body), err}
}

// try is do for an answer that may be cut.
func (c *client) try(r *http.Request) (string, error) {
	res, err := c.h3.RoundTrip(r)
	if err != nil {
		return "", err
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	return string(body), err
}

func (c *client) get(path string) response {
	c.t.Helper()
	return c.do(c.request("GET", path, nil))
}

// hello answers with the path.
var hello = handler(testkit.Hello)

// post runs f on x's Executor.
func post(x *exchange.Exchange, f func()) { x.Executor.Post(exchange.TaskFunc(f)) }
