package proxy

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"slices"
)

// sessions is how many TLS sessions are kept to be taken up again.
const sessions = 64

// clientTLS is how the Proxy speaks TLS to its upstreams, but for their names, and the
// digest of the certificates for it.
func (c *Config) clientTLS() (*tls.Config, [sha256.Size]byte, error) {
	t := &tls.Config{
		MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}, InsecureSkipVerify: c.NoVerify,
		ClientSessionCache: tls.NewLRUClientSessionCache(sessions),
	}
	var files [sha256.Size]byte
	if c.CA != "" {
		text, err := os.ReadFile(c.CA)
		if err != nil {
			return nil, files, fmt.Errorf("upstream_ca: %w", err)
		}
		t.RootCAs = x509.NewCertPool()
		if !t.RootCAs.AppendCertsFromPEM(text) {
			return nil, files, fmt.Errorf("upstream_ca: %s holds no certificate", c.CA)
		}
		files = sha256.Sum256(text)
	}
	if c.Cert != "" {
		pair, err := tls.LoadX509KeyPair(c.Cert, c.Key)
		if err != nil {
			return nil, files, fmt.Errorf("upstream_cert: %w", err)
		}
		t.Certificates = []tls.Certificate{pair}
		files = sha256.Sum256(slices.Concat(files[:], slices.Concat(pair.Certificate...)))
	}
	return t, files, nil
}

// CheckFiles reads the files that c names and reports what is wrong with them, as
// Validate does. It blocks.
func (c Config) CheckFiles() error {
	if c.checkTLS() != nil {
		return nil // which Validate reports
	}
	_, _, err := c.clientTLS()
	return err
}

// Files are those that c names and New reads.
func (c Config) Files() []string {
	return slices.DeleteFunc([]string{c.CA, c.Cert, c.Key}, func(name string) bool { return name == "" })
}

// tlsFor is how TLS is spoken to u.
func (p *Proxy) tlsFor(u *upstream) *tls.Config {
	t := p.tls.Clone()
	t.ServerName = p.cfg.Name
	if t.ServerName == "" {
		t.ServerName = u.host
	}
	return t
}

// checkTLS reports what is wrong with the keys about TLS.
func (c *Config) checkTLS() error {
	switch {
	case (c.Cert == "") != (c.Key == ""):
		return errors.New("upstream_cert: it goes with upstream_key")
	case c.NoVerify && c.CA != "":
		return errors.New("upstream_ca: it means nothing without upstream_verify")
	}
	return nil
}
