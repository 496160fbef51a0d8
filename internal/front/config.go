package front

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"time"

	"rickhouse/internal/errorpage"
	"rickhouse/internal/exchange"
	"rickhouse/internal/units"
	wire "rickhouse/internal/wire/http1"
)

// Config is what every front end is told. The zero value of a field means its
// default.
type Config struct {
	MaxLine               units.Size    `toml:"max_line" reload:"live" default:"8KiB" help:"The longest request line (else 414) or header field (else 431)."`
	MaxFields             int           `toml:"max_fields" reload:"live" default:"100" help:"The most header fields of a request; more are answered with 431."`
	MaxHead               units.Size    `toml:"max_head" reload:"live" default:"32KiB" help:"The largest request head in all; a larger one is answered with 431."`
	MaxBody               units.Size    `toml:"max_body" reload:"live" default:"100MiB" help:"The largest request body; a larger one is answered with 413."`
	HeaderTimeout         time.Duration `toml:"header_timeout" reload:"live" default:"10s" help:"How long a request head may take to arrive; then 408. A new connection that sends nothing is closed after it."`
	IdleTimeout           time.Duration `toml:"idle_timeout" reload:"live" default:"75s" help:"How long a connection may wait for its next request, and a body or an answer stand still."`
	MinRate               int           `toml:"min_rate" reload:"live" default:"500" help:"The slowest a client may send a body or take an answer, in bytes per second on average."`
	MinRateGrace          time.Duration `toml:"min_rate_grace" reload:"live" default:"5s" help:"How long a client may be slower than min_rate at first."`
	KeepaliveRequests     int           `toml:"keepalive_requests" reload:"live" default:"0" help:"How many requests a connection may bring; 0 means any number."`
	MaxConnections        int           `toml:"max_connections" reload:"live" default:"0" help:"The most connections at a time; 0 derives it from the limit of open files. Above it idle ones are closed, then accepting pauses."`
	TrustedProxies        []string      `toml:"trusted_proxies" reload:"live" default:"" help:"Addresses, networks (CIDR) or \"unix\" whose X-Forwarded-* headers, or else Forwarded, are believed; they are removed from other requests."`
	ProxyProtocol         []string      `toml:"proxy_protocol" reload:"live" default:"" help:"Addresses, networks (CIDR) or \"unix\" whose connections have to begin with a header of the PROXY protocol (version 1 or 2), which says who the client is; others must not send one. It is not for addresses of gateways."`
	ProxyProtocolListener []string      `toml:"proxy_protocol_listener" reload:"live" default:"all" help:"The addresses that proxy_protocol holds at, as bind (or redirect_http) has them: what is reached past the balancer, as for health checks, is left out."`
	UnderscoreHeaders     []string      `toml:"underscore_headers" reload:"live" default:"" help:"Header names with an underscore that are let through; others are dropped."`
	HalfClose             bool          `toml:"half_close" reload:"live" default:"false" help:"Answer a client that has closed its sending side even if its request had not started by then."`
	ServerHeader          string        `toml:"server_header" reload:"live" default:"rickhouse" help:"The Server header of answers that have none; \"none\" adds none."`

	// ErrorPages are read by NewSettings.
	ErrorPages map[string]string `toml:"error_pages" reload:"live" default:"none" help:"Files to answer with by status where the server itself has to say what went wrong, as those of a route, which count more: { 400 = \"bad.html\", 5xx = \"sorry.html\" }. These are for what belongs to no route as well, as a request that cannot be understood or is too large."`

	// LargestBody is the largest max_body of a route, where that is more than MaxBody.
	LargestBody units.Size `toml:"-"`
}

// WithDefaults returns c with its zero fields replaced, MaxConnections apart,
// which depends on the process.
func (c Config) WithDefaults() Config {
	c.MaxLine = cmp.Or(c.MaxLine, 8*units.KiB)
	c.MaxFields = cmp.Or(c.MaxFields, 100)
	c.MaxHead = cmp.Or(c.MaxHead, 32*units.KiB)
	c.MaxBody = cmp.Or(c.MaxBody, 100*units.MiB)
	c.HeaderTimeout = cmp.Or(c.HeaderTimeout, 10*time.Second)
	c.IdleTimeout = cmp.Or(c.IdleTimeout, 75*time.Second)
	c.MinRate = cmp.Or(c.MinRate, 500)
	c.MinRateGrace = cmp.Or(c.MinRateGrace, 5*time.Second)
	c.ServerHeader = cmp.Or(c.ServerHeader, "rickhouse")
	return c
}

// The bounds of what one head may be told to be.
const (
	minLine = 64
	maxHead = units.MiB
)

// Validate reports every mistake in c, each as "key: what is wrong".
func (c Config) Validate() error {
	d := c.WithDefaults()
	var errs []error
	wrong := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	wrong(d.MaxHead < minLine || d.MaxHead > maxHead, "max_head: %v is not between %dB and %v", d.MaxHead, minLine, maxHead)
	wrong(d.MaxLine < minLine || d.MaxLine > d.MaxHead, "max_line: %v is not between %dB and max_head (%v)", d.MaxLine, minLine, d.MaxHead)
	wrong(d.MaxFields < 1, "max_fields: %d is less than 1", d.MaxFields)
	wrong(d.MaxBody < 0, "max_body: %v is less than 0", d.MaxBody)
	wrong(d.HeaderTimeout < 0, "header_timeout: %v is less than 0", d.HeaderTimeout)
	wrong(d.IdleTimeout < 0, "idle_timeout: %v is less than 0", d.IdleTimeout)
	wrong(d.MinRate < 0, "min_rate: %d is less than 0", d.MinRate)
	wrong(d.MinRateGrace < 0, "min_rate_grace: %v is less than 0", d.MinRateGrace)
	wrong(d.KeepaliveRequests < 0, "keepalive_requests: %d is less than 0", d.KeepaliveRequests)
	wrong(d.MaxConnections < 0, "max_connections: %d is less than 0", d.MaxConnections)
	wrong(!wire.ValidValue([]byte(d.ServerHeader)), "server_header: %q holds a control character", d.ServerHeader)
	for i, name := range c.UnderscoreHeaders {
		wrong(!wire.ValidName([]byte(name)) || !strings.Contains(name, "_"), "underscore_headers[%d]: %q is not a header name with an underscore", i, name)
	}
	for key, list := range map[string][]string{"trusted_proxies": c.TrustedProxies, "proxy_protocol": c.ProxyProtocol} {
		errs = append(errs, units.CheckNetworks(key, list, true)...)
	}
	wrong(len(c.ProxyProtocolListener) > 0 && len(c.ProxyProtocol) == 0,
		"proxy_protocol_listener: nobody speaks the PROXY protocol: name who does with proxy_protocol")
	return errors.Join(append(errs, errorpage.Check("error_pages", c.ErrorPages)...)...)
}

// CheckFiles reads the files that a valid Config names and reports what is wrong with
// them, as Validate does. It blocks.
func (c Config) CheckFiles() error {
	_, err := errorpage.Read("error_pages", c.ErrorPages)
	return err
}

// limits are the limits of a head as the parser wants them.
func (c *Config) limits() wire.Limits {
	l := wire.Limits{Line: int(c.MaxLine), Fields: c.MaxFields, Head: int(c.MaxHead)}
	for _, name := range c.UnderscoreHeaders {
		l.Underscore = append(l.Underscore, strings.ToLower(name))
	}
	return l
}

// MostBody is how much content a request may have, whatever its route.
func (c *Config) MostBody() units.Size { return max(c.MaxBody, c.LargestBody) }

// BodyOf is how much content x may have, by its route.
func (c *Config) BodyOf(x *exchange.Exchange) units.Size {
	if most := units.Size(x.Route.MaxBody); most > 0 {
		return most
	}
	return c.MaxBody
}
