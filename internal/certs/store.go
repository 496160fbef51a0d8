package certs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// pollEvery is how often files are looked at, and what is due is done. A file is
// asked for its time rather than watched: that works on every file system, and
// with the links that secrets are mounted by.
const pollEvery = 2 * time.Second

// Parts are what a Store works with.
type Parts struct {
	Log *slog.Logger
	// Protocols are offered in the handshake (ALPN), the best first.
	Protocols []string
	// Hosts are the names and addresses that tls = "internal" is for besides
	// localhost; Domains those of "auto", where the Config names none.
	Hosts, Domains []string
	// Data is a private folder that lasts; needed for "internal" and "auto".
	Data string
	// HTTPPort is where challenges of HTTP-01 are answered, 0 for nowhere; TLSPort
	// where connections are TLS. For "auto" alone.
	HTTPPort, TLSPort int

	renewEvery time.Duration // how often "auto" looks for what is due; 0 for its default
}

// Store holds the certificates of a server. It is safe for concurrent use.
type Store struct {
	cfg   Config
	parts Parts
	base  *tls.Config

	now   atomic.Pointer[state]
	files *files
	local *authority // of "internal"
	auto  *auto
	ocsp  *stapler

	cancel  context.CancelFunc
	running sync.WaitGroup
	closing sync.Once
}

// state is what handshakes go by. It does not change.
type state struct {
	chooser *chooser // nil for "auto"
	config  *tls.Config
	// told is what applications are told of connections without a client's
	// certificate.
	told sync.Map
}

// Open gets the certificates that cfg asks for. For "auto" it does not wait for
// the ACME server.
func Open(cfg Config, p Parts) (*Store, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	s := &Store{cfg: cfg.WithDefaults(), parts: p}
	s.base = &tls.Config{MinVersion: tls.VersionTLS12, GetConfigForClient: s.configFor, GetCertificate: s.certificate}
	if s.cfg.MinVersion == "1.3" {
		s.base.MinVersion = tls.VersionTLS13
	}
	s.base.NextProtos = slices.Clone(p.Protocols)
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	if err := s.open(ctx); err != nil {
		s.Close()
		return nil, err
	}
	s.running.Go(func() { s.run(ctx) })
	return s, nil
}

func (s *Store) open(ctx context.Context) error {
	s.files = newFiles(s.cfg)
	if !s.cfg.NoOCSP && s.cfg.Source.Mode == Files {
		s.ocsp = newStapler(s.parts.Log)
	}
	switch s.cfg.Source.Mode {
	case Internal:
		a, err := openAuthority(s.parts.Data)
		if err != nil {
			return fmt.Errorf("tls = \"internal\": %w", err)
		}
		s.local = a
	case Auto:
		a, err := openAuto(ctx, s.cfg, s.parts)
		if err != nil {
			return fmt.Errorf("tls = \"auto\": %w", err)
		}
		s.auto = a
	}
	return s.refresh()
}

// TLS is the server's configuration. It must not be changed.
func (s *Store) TLS() *tls.Config { return s.base }

// Root is the file of the authority whose certificates clients have to trust, or
// empty.
func (s *Store) Root() string {
	if s.local == nil {
		return ""
	}
	return s.local.file
}

// Challenge answers what an ACME server asks for by plain HTTP (RFC 8555 §8.3).
// It may block.
func (s *Store) Challenge(host, path string) (answer string, ok bool) {
	if s.auto == nil {
		return "", false
	}
	return s.auto.challenge(host, path)
}

// Close ends what runs in the background. A second Close does nothing.
func (s *Store) Close() {
	s.closing.Do(func() {
		s.cancel()
		s.running.Wait()
		if s.auto != nil {
			s.auto.close()
		}
	})
}

// refresh reads or makes the certificates anew.
func (s *Store) refresh() error {
	var list []*tls.Certificate
	switch s.cfg.Source.Mode {
	case Files:
		for _, p := range s.cfg.Source.Pairs {
			c, err := load(p)
			if err != nil {
				return err
			}
			list = append(list, c)
		}
	case Internal:
		leaf, err := s.local.issue(append(slices.Clone(s.parts.Hosts), s.cfg.Domains...), time.Now())
		if err != nil {
			return err
		}
		list = []*tls.Certificate{leaf}
	}
	clients, err := readAuthorities(s.cfg.ClientCA)
	if err != nil {
		return err
	}
	s.use(list, clients)
	return nil
}

// use has handshakes go by other certificates from now on.
func (s *Store) use(list []*tls.Certificate, clients *x509.CertPool) {
	st := &state{config: s.base.Clone()}
	st.config.GetConfigForClient = nil
	st.config.ClientCAs = clients
	switch s.cfg.ClientAuth {
	case "optional":
		st.config.ClientAuth = tls.VerifyClientCertIfGiven
	case "required":
		st.config.ClientAuth = tls.RequireAndVerifyClientCert
	}
	if s.ocsp != nil {
		list = s.ocsp.staple(list)
	}
	if len(list) > 0 {
		st.chooser = newChooser(list)
	}
	s.now.Store(st)
	now := time.Now()
	for _, c := range list {
		if now.After(c.Leaf.NotAfter) || now.Before(c.Leaf.NotBefore) {
			s.parts.Log.Warn("a certificate is not valid now: clients will refuse it", "names", namesOf(c.Leaf),
				"from", c.Leaf.NotBefore.Format(time.RFC3339), "to", c.Leaf.NotAfter.Format(time.RFC3339))
		}
	}
}

// configFor gives a handshake the state of now. Session tickets are those of
// base: sessions outlive it.
func (s *Store) configFor(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	if s.auto != nil && isChallenge(hello) {
		return s.auto.config, nil
	}
	return s.now.Load().config, nil
}

func (s *Store) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if s.auto != nil {
		return s.auto.magic.GetCertificate(hello)
	}
	return s.now.Load().chooser.choose(hello), nil
}

// run keeps the certificates fresh.
func (s *Store) run(ctx context.Context) {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		s.poll(ctx)
	}
}

func (s *Store) poll(ctx context.Context) {
	changed := s.files.changed()
	switch {
	case changed == "" && s.local != nil && s.local.due(time.Now()):
		changed = "the certificate of tls = \"internal\""
	case changed == "" && s.ocsp != nil && s.ocsp.fetch(ctx, s.now.Load().chooser):
		changed = "an OCSP response"
	}
	if changed == "" {
		return
	}
	if err := s.refresh(); err != nil {
		s.parts.Log.Error("the certificates could not be read again: the old ones stay in use", "error", err)
		return
	}
	s.parts.Log.Info("the certificates are renewed", "changed", changed)
}
