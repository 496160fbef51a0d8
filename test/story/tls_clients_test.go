package story

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rickhouse/internal/testkit"
)

const wsgiTLS = `
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    names = ("HTTPS", "SSL_PROTOCOL", "SSL_CIPHER", "SSL_CLIENT_VERIFY", "SSL_CLIENT_S_DN")
    certificate = environ.get("SSL_CLIENT_CERT", "none").splitlines()[0]
    return ["|".join([str(environ.get(name)) for name in names] + [certificate]).encode()]
`

const asgiTLS = `
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        return
    tls = scope["extensions"]["tls"]
    chain = [certificate.splitlines()[0] for certificate in tls["client_cert_chain"]]
    version = {0x0304: "TLSv1.3"}.get(tls["tls_version"])
    text = "|".join([version, str(tls["client_cert_name"]), str(tls["client_cert_error"]), " ".join(chain),
        tls["server_cert"].splitlines()[0], str(tls["cipher_suite"] > 0)])
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": text.encode()})
`

// issueClient makes an authority, whose certificate it writes to file, and a client's
// certificate by it.
func issueClient(t *testing.T, file string) tls.Certificate {
	t.Helper()
	make := func(template, parent *x509.Certificate, by *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if parent == nil {
			parent, by = template, key
		}
		template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
		der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), by)
		if err != nil {
			t.Fatal(err)
		}
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		return cert, key
	}
	ca, caKey := make(&x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "clients"}, IsCA: true, BasicConstraintsValid: true,
	}, nil, nil)
	leaf, key := make(&x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "ann", Organization: []string{"Shop"}},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, ca, caKey)
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.Raw}), 0o644); err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: key}
}

// What applications are told of a TLS connection, with a client certificate and
// without; one by somebody else makes no connection.
func TestTLSClientCertificates(t *testing.T) {
	for name, c := range map[string]struct{ app, with, without string }{
		"wsgi": {
			wsgiTLS,
			"on|TLSv1.3|TLS_|SUCCESS|CN=ann,O=Shop|-----BEGIN CERTIFICATE-----",
			"on|TLSv1.3|TLS_|NONE|None|none",
		},
		"asgi": {
			asgiTLS,
			"TLSv1.3|CN=ann,O=Shop|None|-----BEGIN CERTIFICATE-----|-----BEGIN CERTIFICATE-----|True",
			"TLSv1.3|None|None||-----BEGIN CERTIFICATE-----|True",
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := application(t, map[string]string{"app.py": c.app, "rickhouse.toml": `
tls = "internal"
client_auth = "optional"
client_ca = "clients.pem"
[apps.web]
` + name + ` = "app:app"
workers = 1
`})
			known := issueClient(t, filepath.Join(dir, "clients.pem"))
			unknown := issueClient(t, filepath.Join(dir, "others.pem"))
			s := start(t, dir)
			_, pool := rootOf(t, dir)
			get := func(certificates ...tls.Certificate) (string, error) {
				client := &http.Client{Timeout: testkit.Patience, Transport: &http.Transport{
					DisableKeepAlives: true, TLSClientConfig: &tls.Config{
						RootCAs: pool,
						// Whatever the server asks for: net/http shows only what fits.
						GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
							return &append(certificates, tls.Certificate{})[0], nil
						},
					},
				}}
				res, err := client.Get(s.URL + "/")
				if err != nil {
					return "", err
				}
				defer func() { _ = res.Body.Close() }()
				text, err := io.ReadAll(res.Body)
				return cipher(string(text)), err
			}
			if got, err := get(known); err != nil || got != c.with {
				t.Errorf("with a certificate: %q, %v, want %q", got, err, c.with)
			}
			if got, err := get(); err != nil || got != c.without {
				t.Errorf("without one: %q, %v, want %q", got, err, c.without)
			}
			if got, err := get(unknown); err == nil {
				t.Errorf("with one by somebody else: %q", got)
			}
		})
	}
}

// cipher leaves out which cipher it is: that depends on the processor.
func cipher(text string) string {
	words := strings.Split(text, "|")
	for i, w := range words {
		if strings.HasPrefix(w, "TLS_") {
			words[i] = "TLS_"
		}
	}
	return strings.Join(words, "|")
}
