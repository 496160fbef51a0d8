package front

import (
	"slices"

	"rickhouse/internal/errorpage"
	"rickhouse/internal/exchange"
	"rickhouse/internal/listen"
	"rickhouse/internal/spool"
	wire "rickhouse/internal/wire/http1"
)

// Settings are what a front end goes by until it is given others: a Config, and
// what is made of it once. They do not change, so that any goroutine may read
// them: what begins takes those of now, and keeps them to its end.
type Settings struct {
	Config // with its defaults
	// Limits are those of a head.
	Limits wire.Limits
	// Proxies are the trusted_proxies, and Announcers those of proxy_protocol.
	Proxies, Announcers Proxies
	// Server is the Server field of answers that have none; nil adds none.
	Server []byte
	// Pages are the error_pages.
	Pages exchange.Pages
	// Memory is how many octets of an answer wait in memory before the spool takes
	// them, and MaxAnswer how many the spool takes before the Server has to wait.
	Memory    int
	MaxAnswer int64
}

// Announces reports whether the peers in Announcers have to say for whom they are at
// that address.
func (s *Settings) Announces(a listen.Addr) bool {
	return a.Gateway == "" && (len(s.ProxyProtocolListener) == 0 || slices.Contains(s.ProxyProtocolListener, a.Text))
}

// NewSettings makes Settings, or says what is wrong with c or s. It reads the files
// that c names.
func NewSettings(c Config, s spool.Config) (*Settings, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if err := s.Validate(); err != nil {
		return nil, err
	}
	pages, err := errorpage.Read("error_pages", c.ErrorPages)
	if err != nil {
		return nil, err
	}
	c, s = c.WithDefaults(), s.WithDefaults()
	set := &Settings{
		Config: c, Limits: c.limits(), Proxies: NewProxies(c.TrustedProxies), Announcers: NewProxies(c.ProxyProtocol),
		Pages: pages, Memory: int(s.Memory), MaxAnswer: int64(s.MaxAnswer),
	}
	if c.ServerHeader != "none" {
		set.Server = []byte(c.ServerHeader)
	}
	return set, nil
}
