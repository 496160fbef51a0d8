package certs

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
)

// described is what applications are told of a connection: the keys of the ASGI
// tls extension.
type described struct {
	ServerCert      *string  `json:"server_cert"`
	ClientCertChain []string `json:"client_cert_chain"`
	ClientCertName  *string  `json:"client_cert_name"`
	ClientCertError *string  `json:"client_cert_error"`
	TLSVersion      uint16   `json:"tls_version"`
	CipherSuite     uint16   `json:"cipher_suite"`
}

// maxDescribed is the most that the link to a worker carries.
const maxDescribed = 1<<16 - 1

type toldKey struct {
	name           string
	version, suite uint16
}

// Describe says what applications are told of a connection, as JSON. Connections
// that are alike share it.
func (s *Store) Describe(cs tls.ConnectionState) []byte {
	st := s.now.Load()
	cert := s.certificateFor(st, cs.ServerName)
	if len(cs.PeerCertificates) > 0 {
		return describe(cert, cs)
	}
	key := toldKey{version: cs.Version, suite: cs.CipherSuite}
	if cert != nil {
		key.name = string(cert.Raw)
	}
	if b, ok := st.told.Load(key); ok {
		return b.([]byte)
	}
	b := describe(cert, cs)
	st.told.Store(key, b)
	return b
}

// certificateFor is the certificate for a name, or nil.
func (s *Store) certificateFor(st *state, name string) *x509.Certificate {
	if s.auto != nil {
		return s.auto.certificateFor(name)
	}
	if st.chooser == nil {
		return nil
	}
	if list := st.chooser.find(name); len(list) > 0 {
		return list[0].Leaf
	}
	return st.chooser.first.Leaf
}

func describe(cert *x509.Certificate, cs tls.ConnectionState) []byte {
	d := described{ClientCertChain: []string{}, TLSVersion: cs.Version, CipherSuite: cs.CipherSuite}
	if cert != nil {
		text := toPEM(cert)
		d.ServerCert = &text
	}
	for i, c := range cs.PeerCertificates {
		d.ClientCertChain = append(d.ClientCertChain, toPEM(c))
		if i == 0 {
			name := c.Subject.ToRDNSequence().String() // RFC 4514, as it is wanted
			d.ClientCertName = &name
		}
	}
	b, err := json.Marshal(d)
	for err == nil && len(b) > maxDescribed && len(d.ClientCertChain) > 0 {
		d.ClientCertChain = d.ClientCertChain[:len(d.ClientCertChain)-1]
		b, err = json.Marshal(d)
	}
	if err != nil || len(b) > maxDescribed {
		return fmt.Appendf(nil, `{"client_cert_chain":[],"tls_version":%d,"cipher_suite":%d}`, cs.Version, cs.CipherSuite)
	}
	return b
}

func toPEM(c *x509.Certificate) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
}
