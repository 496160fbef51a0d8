package certs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/certmagic"
)

// auto gets certificates from an ACME server and renews them.
type auto struct {
	magic  *certmagic.Config
	issuer *certmagic.ACMEIssuer
	cache  *certmagic.Cache
	config *tls.Config // of the handshakes of TLS-ALPN-01
}

// challengeProtocol is what an ACME server alone asks for (RFC 8737 §6.2).
const challengeProtocol = "acme-tls/1"

var (
	errNoDomains = errors.New("there is no name to get a certificate for: give domains, or routes a host (a wildcard cannot be had this way)")
	errNoPort    = errors.New("no address in bind is TLS, and there is no redirect_http: the ACME server could not verify anything")
)

// openAuto starts to get what is missing; handshakes fail until it is there. It
// ends with ctx.
func openAuto(ctx context.Context, cfg Config, p Parts) (*auto, error) {
	domains := cfg.Domains
	if len(domains) == 0 {
		domains = slices.DeleteFunc(slices.Clone(p.Domains), func(d string) bool { return strings.HasPrefix(d, "*") })
	}
	switch {
	case len(domains) == 0:
		return nil, errNoDomains
	case p.TLSPort == 0 && p.HTTPPort == 0:
		return nil, errNoPort
	}
	roots, err := readAuthorities(cfg.ACMECARoot)
	if err != nil {
		return nil, err
	}
	log := newZap(p.Log)
	a := &auto{}
	a.cache = certmagic.NewCache(certmagic.CacheOptions{
		GetConfigForCert:   func(certmagic.Certificate) (*certmagic.Config, error) { return a.magic, nil },
		RenewCheckInterval: p.renewEvery,
		Logger:             log,
	})
	a.magic = certmagic.New(a.cache, certmagic.Config{
		Storage:            &certmagic.FileStorage{Path: filepath.Join(p.Data, "acme")},
		OCSP:               certmagic.OCSPConfig{DisableStapling: cfg.NoOCSP},
		DefaultServerName:  domains[0],
		FallbackServerName: domains[0],
		Logger:             log,
	})
	a.issuer = certmagic.NewACMEIssuer(a.magic, certmagic.ACMEIssuer{
		CA: cfg.ACMECA, Email: cfg.ACMEEmail, Agreed: true, TrustedRoots: roots, Logger: log,
		DisableHTTPChallenge: p.HTTPPort == 0, AltHTTPPort: p.HTTPPort,
		DisableTLSALPNChallenge: p.TLSPort == 0, AltTLSALPNPort: p.TLSPort,
	})
	a.magic.Issuers = []certmagic.Issuer{a.issuer}
	a.config = &tls.Config{
		MinVersion: tls.VersionTLS12, NextProtos: []string{challengeProtocol}, GetCertificate: a.magic.GetCertificate,
	}
	a.load(ctx, domains)
	if err := a.magic.ManageAsync(ctx, domains); err != nil {
		a.close()
		return nil, fmt.Errorf("manage the certificates of %s: %w", strings.Join(domains, ", "), err)
	}
	return a, nil
}

// loadPatience is how long certificates that are there already are waited for:
// their OCSP responses may come from the network.
const loadPatience = 3 * time.Second

// load takes what was got before, so that it is in use from the start.
func (a *auto) load(ctx context.Context, domains []string) {
	loaded := make(chan struct{})
	go func() {
		defer close(loaded)
		for _, d := range domains {
			_, _ = a.magic.CacheManagedCertificate(ctx, d) // what is missing or broken is told by ManageAsync
		}
	}()
	select {
	case <-loaded:
	case <-time.After(loadPatience):
	}
}

func (a *auto) close() { a.cache.Stop() }

// certificateFor is the certificate that a client which gives a name is shown, or
// nil.
func (a *auto) certificateFor(name string) *x509.Certificate {
	for _, n := range []string{strings.ToLower(name), a.magic.DefaultServerName} {
		if list := a.cache.AllMatchingCertificates(n); n != "" && len(list) > 0 {
			return list[0].Leaf
		}
	}
	return nil
}

// isChallenge reports whether a hello is that of an ACME server (RFC 8737).
func isChallenge(hello *tls.ClientHelloInfo) bool {
	return slices.Equal(hello.SupportedProtos, []string{challengeProtocol})
}

// challenge answers HTTP-01.
func (a *auto) challenge(host, path string) (string, bool) {
	r := &http.Request{Method: http.MethodGet, Host: host, URL: &url.URL{Path: path}, RequestURI: path}
	w := &page{header: http.Header{}}
	if !a.issuer.HandleHTTPChallenge(w, r) {
		return "", false
	}
	return w.text.String(), true
}

// page is a http.ResponseWriter that keeps what it is given.
type page struct {
	header http.Header
	text   strings.Builder
}

func (p *page) Header() http.Header         { return p.header }
func (p *page) Write(b []byte) (int, error) { return p.text.Write(b) }
func (p *page) WriteHeader(int)             {}
