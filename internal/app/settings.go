package app

import (
	"rickhouse/internal/config"
	"rickhouse/internal/exchange"
	"rickhouse/internal/front"
	"rickhouse/internal/front/gateway"
	"rickhouse/internal/front/http1"
	"rickhouse/internal/front/http2"
	"rickhouse/internal/front/http3"
)

// settings are what the fronts go by, of one configuration.
type settings struct {
	http1   *http1.Settings
	http2   *http2.Settings
	http3   *http3.Settings
	gateway *gateway.Settings
	forward *http1.Settings // of the forward proxy's front
}

// newSettings makes the settings of cfg.
func newSettings(cfg config.Server) (*settings, error) {
	common, err := front.NewSettings(cfg.Front, cfg.Spool)
	if err != nil {
		return nil, err
	}
	var extra []exchange.Field
	if hsts := cfg.Certs.HSTS; hsts != "" {
		extra = []exchange.Field{{Name: []byte("Strict-Transport-Security"), Value: []byte(hsts)}}
	}
	s := &settings{http1: &http1.Settings{Settings: common, TLS: cfg.Certs.On(), HTTP2: !cfg.HTTP2.Off, Extra: extra, HTTP3: cfg.HTTP3.On}}
	if s.http2, err = http2.NewSettings(common, cfg.HTTP2); err != nil {
		return nil, err
	}
	if s.http3, err = http3.NewSettings(common, cfg.HTTP3, extra); err != nil {
		return nil, err
	}
	if s.gateway, err = gateway.NewSettings(common, cfg.Gateway); err != nil {
		return nil, err
	}
	s.forward, err = forwardSettings(cfg)
	return s, err
}

// forwardSettings are those of the forward proxy's front.
func forwardSettings(cfg config.Server) (*http1.Settings, error) {
	c := cfg.Front
	// Nobody speaks for others, servers name themselves, and a client that has said
	// all may have its answer.
	c.TrustedProxies, c.ProxyProtocol, c.ProxyProtocolListener, c.ServerHeader, c.HalfClose = nil, nil, nil, "none", true
	common, err := front.NewSettings(c, cfg.Spool)
	return &http1.Settings{Settings: common}, err
}

// useSettings has the doors of a loop, if there are any yet, go by next. It is
// called there.
func (s *server) useSettings(i int, next *settings) {
	if i < len(s.doors) {
		s.doors[i].use(next)
	}
	if i < len(s.forward.doors) {
		s.forward.doors[i].Use(next.forward)
	}
}
