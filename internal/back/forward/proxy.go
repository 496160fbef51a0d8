package forward

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"rickhouse/internal/crew"

	"rickhouse/internal/back/transport"
	"rickhouse/internal/exchange"
	"rickhouse/internal/htpasswd"
)

// Parts are what a Proxy works with.
type Parts struct {
	// Log gets a line for each request.
	Log *slog.Logger
	// Listening are the addresses that lead to the Proxy, which are never reached
	// through it.
	Listening []netip.AddrPort
	// Lookup finds the addresses of a name; nil for the system's way.
	Lookup func(ctx context.Context, name string) ([]netip.Addr, error)
	// Connect reaches an address; nil for TCP.
	Connect func(ctx context.Context, address netip.AddrPort) (net.Conn, error)
}

// Proxy answers what is sent to a forward proxy. Any number of Executors may use
// it.
type Proxy struct {
	cfg     Config
	log     *slog.Logger
	clients networks
	users   *htpasswd.Watched // nil if nobody is asked
	checks  *crew.Crew        // of their passwords
	roles   []*role
	dialer  dialer
	name    string // in Via
	tunnels tunnels
	ctx     context.Context // ends with Close
	stop    context.CancelFunc
}

var _ exchange.Handler = (*Proxy)(nil)

// New makes a Proxy of a valid Config, or says what of its files cannot be used.
func New(cfg Config, p Parts) (*Proxy, error) {
	cfg = cfg.WithDefaults()
	w := &Proxy{cfg: cfg, log: p.Log, clients: newNetworks(cfg.Clients)}
	w.dialer = dialer{
		timeout: cfg.ConnectTimeout, dryRun: cfg.DryRun, log: p.Log, registry: newRegistry(),
		lookup: p.Lookup, connect: p.Connect, listening: p.Listening,
	}
	if w.dialer.lookup == nil {
		resolver := &net.Resolver{}
		w.dialer.lookup = func(ctx context.Context, name string) ([]netip.Addr, error) {
			return resolver.LookupNetIP(ctx, "ip", name)
		}
	}
	if w.dialer.connect == nil {
		plain := &net.Dialer{}
		w.dialer.connect = func(ctx context.Context, a netip.AddrPort) (net.Conn, error) {
			return plain.DialContext(ctx, "tcp", a.String())
		}
	}
	w.ctx, w.stop = context.WithCancel(context.Background())
	w.tunnels = tunnels{most: cfg.MaxTunnels, perClient: cfg.MaxTunnelsPerClient, of: map[netip.Addr]int{}}
	// Proxies of one name would take each other for themselves.
	w.name = "rickhouse-" + strings.ToLower(rand.Text()[:8])
	if err := w.readUsers(); err != nil {
		return nil, err
	}
	return w, w.makeRoles()
}

// checksAtOnce is how many passwords are checked at a time, and checksWaiting how many
// more may wait.
const (
	checksAtOnce  = 2
	checksWaiting = 256
)

func (p *Proxy) readUsers() error {
	if p.cfg.Users == "" {
		return nil
	}
	p.checks = crew.New(checksAtOnce, checksWaiting)
	users, err := htpasswd.Watch(p.cfg.Users, p.checks, func(err error) {
		p.log.Error("the users of the forward proxy stay as they were", "error", err)
	})
	if err != nil {
		return err
	}
	for _, r := range p.cfg.Roles {
		for _, name := range r.Users {
			if !users.Has(name) {
				users.Close()
				return fmt.Errorf("the role %s is for the user %q, who is not in %s", r.Name, name, p.cfg.Users)
			}
		}
	}
	p.users = users
	return nil
}

const (
	// keptPerHost and keptFor bound connections that wait for the next request.
	keptPerHost = 4
	keptInAll   = 256
	keptFor     = time.Minute
)

func (p *Proxy) makeRoles() error {
	list := p.cfg.Roles
	if len(list) == 0 {
		list = []Role{{Name: publicRole, Allow: []string{"*"}}}
	}
	for _, c := range list {
		r := newRole(c)
		r.via = transport.Options{
			Dial:            func(ctx context.Context, _, address string) (net.Conn, error) { return p.dialText(ctx, r, address) },
			ContinueTimeout: time.Second, MaxIdle: keptPerHost, IdleTimeout: keptFor,
		}.RoundTripper()
		r.via.MaxIdleConns = keptInAll
		var err error
		if r.plain, err = transport.New(transport.Config{Stall: p.cfg.IdleTimeout}, r.via, p.log); err != nil {
			return err
		}
		p.roles = append(p.roles, r)
	}
	return nil
}

// dialText is dial for a host and port in one text, which Serve has made.
func (p *Proxy) dialText(ctx context.Context, r *role, address string) (net.Conn, error) {
	to, err := splitHostPort(address)
	if err != nil {
		return nil, err
	}
	return p.dialer.dial(ctx, r, to.host, to.port)
}

// Close ends what is under way, and gives back what the Proxy holds. None may be
// served any more.
func (p *Proxy) Close() error {
	p.stop()
	for _, r := range p.roles {
		r.plain.Close()
		r.via.CloseIdleConnections()
	}
	p.dialer.running.Wait()
	if p.users != nil {
		p.users.Close()
		p.checks.Wait()
	}
	return nil
}

// Tunnels is how many tunnels there are.
func (p *Proxy) Tunnels() int {
	p.tunnels.mu.Lock()
	defer p.tunnels.mu.Unlock()
	return p.tunnels.all
}

// tunnels counts what is open.
type tunnels struct {
	most, perClient int

	mu  sync.Mutex
	all int
	of  map[netip.Addr]int
}

// enter takes a place for a client, or says why there is none.
func (t *tunnels) enter(client netip.Addr) *failure {
	client = subscriber(client)
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.all >= t.most:
		f := fail(http.StatusServiceUnavailable, "connection_limit_reached", nil, "there are %d tunnels (max_tunnels)", t.all)
		f.what.RetryAfter = time.Second
		return f
	case t.of[client] >= t.perClient:
		f := fail(http.StatusTooManyRequests, "connection_limit_reached", nil, "the client has %d tunnels (max_tunnels_per_client)", t.of[client])
		f.what.RetryAfter = time.Second
		return f
	}
	t.all++
	t.of[client]++
	return nil
}

// leave gives the place back.
func (t *tunnels) leave(client netip.Addr) {
	client = subscriber(client)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.all--
	if t.of[client]--; t.of[client] == 0 {
		delete(t.of, client)
	}
}

// subscriber is what of an address stands for one client: of IPv6 the first 64
// bits.
func subscriber(a netip.Addr) netip.Addr {
	if !a.Is6() {
		return a
	}
	p, err := a.Prefix(64)
	if err != nil {
		return a
	}
	return p.Addr()
}

// asFailure returns the failure in err, or one that err is the cause of.
func asFailure(err error) *failure {
	var f *failure
	if errors.As(err, &f) {
		return f
	}
	return &failure{what: *exchange.AsError(err), kind: "http_request_error"}
}
