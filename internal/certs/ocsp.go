package certs

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"golang.org/x/crypto/ocsp"
)

const (
	// ocspPatience bounds one request to a responder, ocspRetry is how long after
	// a failure the next one follows, and ocspLimit how large an answer may be.
	ocspPatience = 10 * time.Second
	ocspRetry    = 10 * time.Minute
	ocspLimit    = 1 << 20
)

// stapler keeps the OCSP responses (RFC 6960) that go out with certificates.
type stapler struct {
	log    *slog.Logger
	client *http.Client

	mu      sync.Mutex
	staples map[string]staple // by the certificate
}

// staple is a response, and when the next one is to be asked for.
type staple struct {
	raw        []byte // nil for none
	good, next time.Time
}

func newStapler(log *slog.Logger) *stapler {
	return &stapler{log: log, client: &http.Client{Timeout: ocspPatience}, staples: map[string]staple{}}
}

// staple gives certificates the responses that there are.
func (s *stapler) staple(list []*tls.Certificate) []*tls.Certificate {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]*tls.Certificate, len(list))
	for i, c := range list {
		stapled := *c
		if r := s.staples[string(c.Leaf.Raw)]; time.Now().Before(r.good) {
			stapled.OCSPStaple = r.raw
		}
		out[i] = &stapled
	}
	return out
}

// fetch gets what is due for the certificates in use, and reports whether there
// is something new.
func (s *stapler) fetch(ctx context.Context, c *chooser) bool {
	seen := map[*tls.Certificate]bool{c.first: true}
	fresh := s.fetchOne(ctx, c.first)
	for _, list := range c.names {
		for _, cert := range list {
			if !seen[cert] {
				seen[cert] = true
				fresh = s.fetchOne(ctx, cert) || fresh
			}
		}
	}
	return fresh
}

func (s *stapler) fetchOne(ctx context.Context, cert *tls.Certificate) bool {
	key := string(cert.Leaf.Raw)
	s.mu.Lock()
	old := s.staples[key]
	s.mu.Unlock()
	if len(cert.Leaf.OCSPServer) == 0 || len(cert.Certificate) < 2 || time.Now().Before(old.next) {
		return false
	}
	r, err := s.ask(ctx, cert)
	if ctx.Err() != nil {
		return false
	}
	if err != nil {
		s.log.Warn("no OCSP response to staple", "names", namesOf(cert.Leaf), "responder", cert.Leaf.OCSPServer[0], "error", err)
		r = staple{raw: old.raw, good: old.good, next: time.Now().Add(ocspRetry)}
	}
	s.mu.Lock()
	s.staples[key] = r
	s.mu.Unlock()
	return err == nil
}

// ask asks the responder that cert names.
func (s *stapler) ask(ctx context.Context, cert *tls.Certificate) (staple, error) {
	issuer, err := x509.ParseCertificate(cert.Certificate[1])
	if err != nil {
		return staple{}, fmt.Errorf("read the issuer: %w", err)
	}
	request, err := ocsp.CreateRequest(cert.Leaf, issuer, nil)
	if err != nil {
		return staple{}, fmt.Errorf("make a request: %w", err)
	}
	post, err := http.NewRequestWithContext(ctx, http.MethodPost, cert.Leaf.OCSPServer[0], bytes.NewReader(request))
	if err != nil {
		return staple{}, err
	}
	post.Header.Set("Content-Type", "application/ocsp-request")
	res, err := s.client.Do(post)
	if err != nil {
		return staple{}, err
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(io.LimitReader(res.Body, ocspLimit))
	switch {
	case err != nil:
		return staple{}, err
	case res.StatusCode != http.StatusOK:
		return staple{}, fmt.Errorf("the responder answers %s", res.Status)
	}
	return newStaple(raw, cert.Leaf, issuer, time.Now())
}

// newStaple checks a response.
func newStaple(raw []byte, leaf, issuer *x509.Certificate, now time.Time) (staple, error) {
	r, err := ocsp.ParseResponseForCert(raw, leaf, issuer)
	switch {
	case err != nil:
		return staple{}, fmt.Errorf("read the response: %w", err)
	case r.Status == ocsp.Revoked:
		return staple{}, fmt.Errorf("the certificate was revoked at %s", r.RevokedAt.Format(time.RFC3339))
	case r.Status != ocsp.Good:
		return staple{}, errors.New("the responder does not know the certificate")
	case now.Before(r.ThisUpdate.Add(-backdate)):
		return staple{}, errors.New("the response is of the future")
	}
	good := r.NextUpdate
	if good.IsZero() {
		good = now.Add(24 * time.Hour)
	}
	if !now.Before(good) {
		return staple{}, errors.New("the response is out of date")
	}
	return staple{raw: raw, good: good, next: now.Add(good.Sub(now) / 2)}, nil
}
