package app

import (
	"crypto/tls"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"

	"rickhouse/internal/certs"
	"rickhouse/internal/chain"
	"rickhouse/internal/config"
	"rickhouse/internal/exchange"
	"rickhouse/internal/front/http1"
	"rickhouse/internal/loop"
)

// certificates are those of a configuration. The zero value has none.
type certificates struct {
	store *certs.Store // nil without TLS
	cfg   certs.Config
	parts certs.Parts
}

// openCerts gets the certificates that cfg wants at some sockets: those of now, if
// nothing about them is different.
func (s *server) openCerts(cfg config.Server, at *listening) (certificates, error) {
	if !cfg.Certs.On() {
		return certificates{}, nil
	}
	p := certs.Parts{Log: s.log, Protocols: []string{"http/1.1"}, Domains: cfg.Hosts()}
	if !cfg.HTTP2.Off {
		p.Protocols = []string{"h2", "http/1.1"}
	}
	for _, l := range at.listeners {
		if a := at.addr(l); a.TLS {
			p.Hosts = append(p.Hosts, a.Host)
			p.TLSPort = at.httpsPort()
		}
	}
	if at.redirect != nil {
		p.HTTPPort = at.redirect.Addr().Port
	}
	if mode := cfg.Certs.Source.Mode; mode == certs.Internal || mode == certs.Auto {
		dir, err := dataFolder(s.env.Getenv)
		if err != nil {
			return certificates{}, fmt.Errorf("tls = %q: %w", string(mode), err)
		}
		p.Data = dir
	}
	if now := s.certs; now.store != nil && reflect.DeepEqual(now.cfg, cfg.Certs) && reflect.DeepEqual(now.parts, p) {
		return now, nil
	}
	store, err := certs.Open(cfg.Certs, p)
	return certificates{store, cfg.Certs, p}, err
}

// useCerts has handshakes go by other certificates from now on. Where there are none
// any more, what has come by then still finds those of before.
func (s *server) useCerts(next certificates) {
	before := s.certs
	s.certs = next
	if next.store != nil {
		s.handshakes.Store(next.store)
	}
	if before.store != nil && before.store != next.store {
		before.store.Close()
	}
}

// dataFolder is where certificates are kept: a folder of the service, or of the
// user.
func dataFolder(getenv func(string) string) (string, error) {
	if dir, _, _ := strings.Cut(getenv("STATE_DIRECTORY"), ":"); dir != "" { // systemd
		return dir, nil
	}
	if dir := getenv("XDG_DATA_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "rickhouse"), nil
	}
	home := getenv("HOME")
	switch {
	case home == "":
		return "", errors.New("there is no folder to keep certificates in: set HOME, XDG_DATA_HOME or STATE_DIRECTORY")
	case runtime.GOOS == "darwin":
		return filepath.Join(home, "Library", "Application Support", "rickhouse"), nil
	}
	return filepath.Join(home, ".local", "share", "rickhouse"), nil
}

// tlsParts is what the fronts need of TLS.
func (s *server) tlsParts() *http1.TLS {
	now := s.handshakes.Load
	secure := &tls.Config{
		MinVersion: tls.VersionTLS12, // the store's own, which may be higher, holds
		GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			return now().TLS().GetConfigForClient(hello)
		},
	}
	return &http1.TLS{
		TLSConfig: loop.TLSConfig{TLS: secure, Handshakes: loop.NewHandshakes(runtime.GOMAXPROCS(0))},
		Describe:  func(state tls.ConnectionState) []byte { return now().Describe(state) },
	}
}

// toHTTPS answers at redirect_http.
func (s *server) toHTTPS(x *exchange.Exchange) {
	to := chain.ToHTTPS{Port: int(s.httpsAt.Load()), Challenge: func(host, path string) (string, bool) {
		return s.handshakes.Load().Challenge(host, path)
	}}
	to.Serve(x)
}

// trust says how to trust certificates of tls = "internal".
func (s *server) trust() {
	if s.certs.store == nil || s.certs.store.Root() == "" {
		return
	}
	root := s.certs.store.Root()
	if !s.tele.Err.Terminal {
		s.log.Info("clients have to trust the development certificate authority once", "root", root)
		return
	}
	_, _ = fmt.Fprintf(s.tele.Err, `  Browsers warn until the development certificate authority is trusted, once:
  Debian     sudo cp '%[1]s' /usr/local/share/ca-certificates/rickhouse.crt && sudo update-ca-certificates
  macOS      security add-trusted-cert -k ~/Library/Keychains/login.keychain-db '%[1]s'
  Chromium   certutil -d sql:$HOME/.pki/nssdb -A -t C,, -n Rickhouse -i '%[1]s'
  Firefox    Settings, Certificates, Authorities, Import: %[1]s
  curl       curl --cacert '%[1]s'

`, root)
}
