package forward

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"rickhouse/internal/listen"
	"rickhouse/internal/units"
)

// Config is what the forward proxy is told. It is off without Bind. The zero value
// of a field means its default.
type Config struct {
	Bind                []string      `toml:"bind" default:"" help:"The addresses of the forward proxy, as those of the server; none, and there is no forward proxy. They are never TLS."`
	Clients             []string      `toml:"clients" default:"this machine" help:"Networks (CIDR) or addresses of clients that may use the proxy, or \"unix\"; others are answered with 403."`
	Users               string        `toml:"users" default:"" help:"A file of users as htpasswd -B writes it (bcrypt, or argon2id); clients then have to say who they are, else 407. It is read again when it changes. None asks nobody."`
	Realm               string        `toml:"realm" default:"proxy" help:"What clients show where they ask for name and password."`
	ConnectTimeout      time.Duration `toml:"connect_timeout" default:"10s" help:"How long finding and reaching a server may take, all its addresses together; then 504."`
	IdleTimeout         time.Duration `toml:"idle_timeout" default:"5m" help:"How long a tunnel may carry nothing, and a server not go on with what it has to do."`
	MaxTunnels          int           `toml:"max_tunnels" default:"1000" help:"The most tunnels at a time; more are answered with 503."`
	MaxTunnelsPerClient int           `toml:"max_tunnels_per_client" default:"100" help:"The most tunnels of one client address (IPv6: of one /64) at a time; more are answered with 429."`
	MaxTunnelBytes      units.Size    `toml:"max_tunnel_bytes" default:"0" help:"How much a tunnel may carry, both directions together; 0 means any amount."`
	DryRun              bool          `toml:"dry_run" default:"false" help:"Let through what clients, users, roles and addresses would have refused, and log it."`
	Log                 string        `toml:"log" default:"all" enum:"all,refused,off" help:"Which requests get a line in the server's log, with role, decision and bytes."`

	// Roles are tried in order; the first that is for a client decides. Without any,
	// clients may reach every public host at the ports 80 and 443.
	Roles []Role `toml:"-"`
}

// Role says what some clients may reach.
type Role struct {
	// Name is what the log calls it.
	Name    string   `toml:"-"`
	Users   []string `toml:"users" default:"everybody" help:"The users that the role is for."`
	Clients []string `toml:"clients" default:"everybody" help:"Networks (CIDR) or addresses of the clients that the role is for, or \"unix\"."`
	Allow   []string `toml:"allow" default:"nothing" help:"What may be reached: host, *.domain (hosts below it), .domain (that one, too), or * for all, each with :port, :from-to or :*; without it the ports are 80 and 443."`
	Private []string `toml:"private" default:"" help:"Networks (CIDR) or addresses that may be reached though they are not public, or are this machine's."`
}

// On reports whether there is a forward proxy.
func (c Config) On() bool { return len(c.Bind) > 0 }

// The values of Config.Log.
const (
	logAll     = "all"
	logRefused = "refused"
	logOff     = "off"
)

// WithDefaults returns c with its zero fields replaced.
func (c Config) WithDefaults() Config {
	if len(c.Clients) == 0 {
		c.Clients = []string{"127.0.0.0/8", "::1", units.Unix}
	}
	c.Realm = cmp.Or(c.Realm, "proxy")
	c.ConnectTimeout = cmp.Or(c.ConnectTimeout, 10*time.Second)
	c.IdleTimeout = cmp.Or(c.IdleTimeout, 5*time.Minute)
	c.MaxTunnels = cmp.Or(c.MaxTunnels, 1000)
	c.MaxTunnelsPerClient = cmp.Or(c.MaxTunnelsPerClient, 100)
	c.Log = cmp.Or(c.Log, logAll)
	return c
}

// Validate reports every mistake in c, its Roles apart, each as "key: what is
// wrong" or "key[index]: what is wrong".
func (c Config) Validate() error {
	d := c.WithDefaults()
	var errs []error
	wrong := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	for i, b := range c.Bind {
		a, err := listen.Parse(b)
		wrong(err != nil, "bind[%d]: %w", i, err)
		wrong(a.Gateway != "", "bind[%d]: %s is not for HTTP", i, b)
		wrong(err == nil && slices.Contains(c.Bind[:i], b), "bind[%d]: %s stands twice", i, b)
	}
	wrong(strings.ContainsFunc(c.Realm, func(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' }),
		"realm: %q holds other than plain ASCII without quotes", c.Realm)
	wrong(d.ConnectTimeout < 0, "connect_timeout: %v is less than 0", d.ConnectTimeout)
	wrong(d.IdleTimeout < 0, "idle_timeout: %v is less than 0", d.IdleTimeout)
	wrong(d.MaxTunnels < 0, "max_tunnels: %d is less than 0", d.MaxTunnels)
	wrong(d.MaxTunnelsPerClient < 0, "max_tunnels_per_client: %d is less than 0", d.MaxTunnelsPerClient)
	wrong(d.MaxTunnelBytes < 0, "max_tunnel_bytes: %v is less than 0", d.MaxTunnelBytes)
	wrong(!slices.Contains([]string{logAll, logRefused, logOff}, d.Log), "log: %q is not one of all, refused, off", d.Log)
	return errors.Join(append(errs, units.CheckNetworks("clients", c.Clients, true)...)...)
}

// Validate reports every mistake in r, likewise.
func (r Role) Validate() error {
	errs := slices.Concat(units.CheckNetworks("clients", r.Clients, true), units.CheckNetworks("private", r.Private, false))
	for i, text := range r.Allow {
		if _, err := parsePattern(text); err != nil {
			errs = append(errs, fmt.Errorf("allow[%d]: %w", i, err))
		}
	}
	for i, name := range r.Users {
		if name == "" || strings.Contains(name, ":") {
			errs = append(errs, fmt.Errorf("users[%d]: %q is no name of a user", i, name))
		}
	}
	return errors.Join(errs...)
}

// networks are addresses that something is said of.
type networks struct {
	unix     bool
	prefixes []netip.Prefix
}

// newNetworks reads what units.CheckNetworks accepted.
func newNetworks(texts []string) networks {
	var n networks
	for _, text := range texts {
		if text == units.Unix {
			n.unix = true
		} else if p, err := units.ParseNetwork(text); err == nil {
			n.prefixes = append(n.prefixes, p)
		}
	}
	return n
}

// has reports whether a is among n; the zero Addr is that of a Unix socket.
func (n *networks) has(a netip.Addr) bool {
	if !a.IsValid() {
		return n.unix
	}
	return slices.ContainsFunc(n.prefixes, func(p netip.Prefix) bool { return p.Contains(a) })
}
