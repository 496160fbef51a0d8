package gateway

import (
	"errors"
	"net/netip"

	"rickhouse/internal/front"
	"rickhouse/internal/loop"
	"rickhouse/internal/units"
)

// Config is what a Front is told besides what every front end is told. The zero
// value takes connections from this machine alone.
type Config struct {
	Peers []string `toml:"gateway_peers" reload:"live" default:"" help:"Addresses or networks that may speak uwsgi, FastCGI and SCGI to us, besides Unix sockets and this machine. They say who the client is: name those alone whose nginx or Apache hands requests on."`
}

// Validate reports every mistake in c, each as "key: what is wrong".
func (c Config) Validate() error {
	return errors.Join(units.CheckNetworks("gateway_peers", c.Peers, false)...)
}

// Settings are what a Door goes by until it is given others. They do not change.
type Settings struct {
	*front.Settings
	peers []netip.Prefix
}

// NewSettings makes Settings, or says what is wrong with cfg.
func NewSettings(common *front.Settings, cfg Config) (*Settings, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	s := &Settings{Settings: common}
	for _, text := range cfg.Peers {
		prefix, err := units.ParseNetwork(text)
		if err != nil {
			return nil, err
		}
		s.peers = append(s.peers, prefix)
	}
	return s, nil
}

// trusts reports whether a peer may speak to us; the zero Addr is that of a Unix
// socket.
func (s *Settings) trusts(a netip.Addr) bool {
	if !a.IsValid() || a.IsLoopback() {
		return true
	}
	for _, p := range s.peers {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// Front serves the three protocols. It is safe for concurrent use.
type Front struct{ parts front.Parts }

// New makes a Front.
func New(p front.Parts) *Front { return &Front{parts: p} }

// Door makes the Front's part on one Loop, which goes by s; there is one for each.
// It may be called before the Loop runs, or on it.
func (f *Front) Door(l *loop.Loop, s *Settings) *Door {
	d := &Door{f: f, l: l, settings: s}
	d.output = front.OutputParts{Loop: l, Store: f.parts.Store, Disk: f.parts.Disk, Sent: &d.counters.OctetsOut}
	d.nobody = front.Nobody{Log: f.parts.Log}
	return d
}
