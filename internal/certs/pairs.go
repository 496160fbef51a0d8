package certs

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// load reads a certificate and its key.
func load(p Pair) (*tls.Certificate, error) {
	cert, err := readPEM(p.Cert)
	if err != nil {
		return nil, err
	}
	key, err := readPEM(p.Key)
	if err != nil {
		return nil, err
	}
	c, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("%s with the key %s: %w", p.Cert, p.Key, plain(err))
	}
	return &c, nil
}

func readPEM(file string) ([]byte, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		var path *fs.PathError
		if errors.As(err, &path) {
			err = path.Err
		}
		return nil, fmt.Errorf("%s cannot be read: %w", file, err)
	}
	return text, nil
}

// plain is err without the name of the package that it comes from.
func plain(err error) error { return errors.New(strings.TrimPrefix(err.Error(), "tls: ")) }

// chooser finds the certificate for a host name. It does not change.
type chooser struct {
	// names are lower case, without a dot at the end; "*.example.com" stands for
	// one label before example.com.
	names map[string][]*tls.Certificate
	first *tls.Certificate
}

// newChooser indexes certificates, of which there is at least one, with their
// Leaf.
func newChooser(list []*tls.Certificate) *chooser {
	c := &chooser{map[string][]*tls.Certificate{}, list[0]}
	for _, cert := range list {
		for _, name := range namesOf(cert.Leaf) {
			name = strings.ToLower(strings.TrimSuffix(name, "."))
			c.names[name] = append(c.names[name], cert)
		}
	}
	return c
}

// namesOf are the names a certificate is for. The common name is one only if
// there is nothing else: clients look at it no more, but whoever has such a
// certificate means it.
func namesOf(leaf *x509.Certificate) []string {
	if len(leaf.DNSNames) == 0 && len(leaf.IPAddresses) == 0 && leaf.Subject.CommonName != "" {
		return []string{leaf.Subject.CommonName}
	}
	return leaf.DNSNames
}

// find returns those for a name, or nil.
func (c *chooser) find(name string) []*tls.Certificate {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	if list := c.names[name]; list != nil {
		return list
	}
	if _, parent, ok := strings.Cut(name, "."); ok {
		return c.names["*."+parent]
	}
	return nil
}

// choose answers a hello: the first certificate for its name that the client can
// use, or the first of all (RFC 6066 §3 leaves it to us).
func (c *chooser) choose(hello *tls.ClientHelloInfo) *tls.Certificate {
	list := c.find(hello.ServerName)
	for _, cert := range list {
		if hello.SupportsCertificate(cert) == nil {
			return cert
		}
	}
	if len(list) > 0 {
		return list[0]
	}
	return c.first
}
