package certs

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"
)

func TestOCSP(t *testing.T) {
	ca := newCA(t)
	status, code, next := ocsp.Good, http.StatusOK, time.Now().Add(time.Hour)
	asked := 0
	responder := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		body, _ := io.ReadAll(r.Body)
		request, err := ocsp.ParseRequest(body)
		if err != nil {
			t.Errorf("the request: %v", err)
			return
		}
		raw, err := ocsp.CreateResponse(ca.cert, ca.cert, ocsp.Response{
			Status: status, SerialNumber: request.SerialNumber, ThisUpdate: time.Now().Add(-time.Minute), NextUpdate: next,
			RevokedAt: time.Now().Add(-time.Minute),
		}, ca.key)
		if err != nil {
			t.Errorf("the response: %v", err)
		}
		w.WriteHeader(code)
		_, _ = w.Write(raw)
	}))
	defer responder.Close()
	pair := ca.write("a", ca.issue(func(c *x509.Certificate) { c.OCSPServer = []string{responder.URL} }, "a.example"))
	stapled := func(s *Store) []byte {
		_, at, err := shake(t, s.TLS(), &tls.Config{ServerName: "a.example", RootCAs: ca.pool})
		if err != nil {
			t.Fatal(err)
		}
		return at.OCSPResponse
	}
	for _, c := range []struct {
		name   string
		change func()
		off    bool
		ok     bool
		log    string
	}{
		{"good", func() {}, false, true, ""},
		{"off", func() {}, true, false, ""},
		{"revoked", func() { status = ocsp.Revoked }, false, false, "was revoked"},
		{"unknown", func() { status = ocsp.Unknown }, false, false, "does not know"},
		{"out of date", func() { status, next = ocsp.Good, time.Now().Add(-time.Second) }, false, false, "out of date"},
		{"failing", func() { code = http.StatusInternalServerError }, false, false, "500"},
		{"down", responder.Close, false, false, "refused"},
	} {
		c.change()
		log := &logBuffer{}
		s := open(t, Config{Source: Source{Files, []Pair{pair}}, NoOCSP: c.off}, Parts{Log: log.logger()})
		asked = 0
		s.poll(t.Context())
		s.poll(t.Context())
		got := stapled(s)
		if (len(got) > 0) != c.ok || !strings.Contains(log.String(), c.log) || asked > 1 {
			t.Errorf("%s: %d octets are stapled, asked %d times, log %s", c.name, len(got), asked, log)
		}
		if c.ok {
			// It outlives a reload of the file, and is asked for again at half its time.
			s.ocsp.mu.Lock()
			for k, v := range s.ocsp.staples {
				if left := time.Until(v.next); left < 20*time.Minute || left > 40*time.Minute {
					t.Errorf("it is renewed in %v", left)
				}
				v.next = time.Now()
				s.ocsp.staples[k] = v
			}
			s.ocsp.mu.Unlock()
			if err := s.refresh(); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(stapled(s), got) {
				t.Error("the response is lost on a reload")
			}
			s.poll(t.Context())
			if asked != 2 {
				t.Errorf("it was asked for %d times", asked)
			}
		}
	}
}
