package app

import (
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"rickhouse/internal/certs"
	"rickhouse/internal/chain"
	"rickhouse/internal/exchange"
	"rickhouse/internal/front/http1"
	"rickhouse/internal/listen"
	"rickhouse/internal/loop"
)

// listen opens the listening sockets. With TLS all are TLS but Unix sockets, and
// what was written as http://.
func (s *server) listen() error {
	bind := s.cfg.General.Bind
	if len(s.cfg.Routes) == 0 { // a forward proxy and nothing else
		bind = nil
	}
	for _, b := range bind {
		l, err := s.listenOn(b, s.cfg.Certs.On())
		if err != nil {
			return err
		}
		s.listeners = append(s.listeners, l)
	}
	if s.cfg.Certs.RedirectHTTP == "" {
		return nil
	}
	if s.httpsPort() == 0 {
		return errors.New("redirect_http has nowhere to send clients: no address in bind is TLS")
	}
	var err error
	s.redirect, err = s.listenOn(s.cfg.Certs.RedirectHTTP, false)
	return err
}

func (s *server) listenOn(address string, secure bool) (*listen.Listener, error) {
	addr, err := listen.Parse(address)
	if err != nil {
		return nil, err
	}
	addr.TLS = secure && !addr.HTTP && addr.Path == "" && addr.Gateway == ""
	return listen.Listen(addr, s.cfg.Listen)
}

// all are the listening sockets there are.
func (s *server) all() []*listen.Listener {
	list := slices.Concat(s.listeners, s.forward.listeners)
	if s.redirect != nil {
		list = append(list, s.redirect)
	}
	return list
}

// openCerts gets the certificates.
func (s *server) openCerts() error {
	if !s.cfg.Certs.On() {
		return nil
	}
	p := certs.Parts{Log: s.log, Protocols: []string{"http/1.1"}, Domains: s.cfg.Hosts()}
	if !s.cfg.HTTP2.Off {
		p.Protocols = []string{"h2", "http/1.1"}
	}
	for _, l := range s.listeners {
		if a := l.Addr(); a.TLS {
			p.Hosts = append(p.Hosts, a.Host)
			p.TLSPort = s.httpsPort()
		}
	}
	if s.redirect != nil {
		p.HTTPPort = s.redirect.Addr().Port
	}
	if mode := s.cfg.Certs.Source.Mode; mode == certs.Internal || mode == certs.Auto {
		dir, err := dataFolder(s.env.Getenv)
		if err != nil {
			return fmt.Errorf("tls = %q: %w", string(mode), err)
		}
		p.Data = dir
	}
	var err error
	s.certs, err = certs.Open(s.cfg.Certs, p)
	return err
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

// httpsPort is the port of the first address that is TLS, or 0.
func (s *server) httpsPort() int {
	for _, l := range s.listeners {
		if l.Addr().TLS {
			return l.Addr().Port
		}
	}
	return 0
}

// tlsParts is what the front needs of TLS, or nil.
func (s *server) tlsParts() *http1.TLS {
	if s.certs == nil {
		return nil
	}
	t := &http1.TLS{
		TLSConfig: loop.TLSConfig{TLS: s.certs.TLS(), Handshakes: loop.NewHandshakes(runtime.GOMAXPROCS(0))},
		Describe:  s.certs.Describe,
		HTTP3:     s.cfg.HTTP3.On,
	}
	if hsts := s.cfg.Certs.HSTS; hsts != "" {
		t.Extra = []exchange.Field{{Name: []byte("Strict-Transport-Security"), Value: []byte(hsts)}}
	}
	return t
}

// toHTTPS answers at redirect_http.
func (s *server) toHTTPS() *chain.ToHTTPS {
	return &chain.ToHTTPS{Port: s.httpsPort(), Challenge: s.certs.Challenge}
}

// trust says how to trust certificates of tls = "internal".
func (s *server) trust() {
	if s.certs == nil || s.certs.Root() == "" {
		return
	}
	root := s.certs.Root()
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
