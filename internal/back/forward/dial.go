package forward

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"rickhouse/internal/exchange"
)

const (
	// maxAddresses is how many addresses of a name are tried.
	maxAddresses = 8
	// stagger is how long one is tried before the next is, too (RFC 8305 §5).
	stagger = 250 * time.Millisecond
	// ownFor is how long the addresses of this machine are believed to be the same.
	ownFor = 10 * time.Second
)

// dialer finds and reaches servers. Any goroutine may use it.
type dialer struct {
	timeout  time.Duration
	dryRun   bool
	log      *slog.Logger
	registry registry
	// lookup finds the addresses of a name, connect reaches one.
	lookup  func(ctx context.Context, name string) ([]netip.Addr, error)
	connect func(ctx context.Context, address netip.AddrPort) (net.Conn, error)
	// listening are where the proxy itself listens.
	listening []netip.AddrPort
	running   sync.WaitGroup

	mu      sync.Mutex
	own     map[netip.Addr]bool
	ownNext time.Time
}

// failure is why a server was not reached.
type failure struct {
	what exchange.Error
	// kind is what RFC 9209 §2.3 calls it.
	kind string
	// refused says that it was not tried.
	refused bool
}

func (f *failure) Error() string { return f.what.Error() }
func (f *failure) Unwrap() error { return &f.what }

// fail makes a failure.
func fail(status int, kind string, err error, format string, args ...any) *failure {
	return &failure{what: exchange.Error{Status: status, Reason: fmt.Sprintf(format, args...), Err: err}, kind: kind}
}

// dial reaches a host, in its normal form, as far as r may. It blocks.
func (d *dialer) dial(ctx context.Context, r *role, host string, port uint16) (net.Conn, error) {
	d.running.Add(1)
	defer d.running.Done()
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	addresses, err := d.find(ctx, host)
	if err != nil {
		return nil, err
	}
	var may []netip.AddrPort
	var refused *failure
	for _, a := range addresses {
		to := netip.AddrPortFrom(a, port)
		if f := d.check(r, host, to); f != nil {
			refused = f
			continue
		}
		may = append(may, to)
	}
	if len(may) == 0 {
		return nil, refused
	}
	return d.race(ctx, host, interleave(may))
}

// find returns the addresses of a host; there is at least one.
func (d *dialer) find(ctx context.Context, host string) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a}, nil
	}
	addresses, err := d.lookup(ctx, host)
	var unknown *net.DNSError
	switch {
	case errors.As(err, &unknown) && unknown.IsNotFound, err == nil && len(addresses) == 0:
		return nil, fail(http.StatusBadGateway, "dns_error", err, "there is no host %s", host)
	case err != nil && ctx.Err() != nil, errors.As(err, &unknown) && unknown.IsTimeout:
		return nil, fail(http.StatusGatewayTimeout, "dns_timeout", err, "finding %s took longer than connect_timeout", host)
	case err != nil:
		return nil, fail(http.StatusBadGateway, "dns_error", err, "%s cannot be found", host)
	}
	for i, a := range addresses {
		addresses[i] = a.Unmap()
	}
	return addresses, nil
}

// check says why r may not reach an address, or nil.
func (d *dialer) check(r *role, host string, to netip.AddrPort) *failure {
	c, inner := d.registry.classify(to.Addr())
	ours := d.isOwn(inner)
	if d.isListening(netip.AddrPortFrom(inner, to.Port()), c == loopback || c == unspecified || ours) {
		f := fail(http.StatusLoopDetected, "proxy_loop_detected", nil, "%s (%v) is this proxy", host, to)
		f.refused = true
		return f
	}
	if c == public && ours {
		c = own
	}
	if c == public || r.private.has(inner) || r.private.has(to.Addr()) {
		return nil
	}
	f := fail(http.StatusForbidden, "destination_ip_prohibited", nil, "the address of %s is %s: %v", host, c, to.Addr())
	f.refused = true
	if d.dryRun {
		d.log.Info("forward proxy would refuse", "role", r.name, "host", host, "address", to.String(), "reason", f.what.Reason)
		return nil
	}
	return f
}

// isListening reports whether the proxy itself listens at to. local says that to is
// this machine in whatever way.
func (d *dialer) isListening(to netip.AddrPort, local bool) bool {
	for _, l := range d.listening {
		if l.Port() == to.Port() && (l.Addr() == to.Addr() || local && (l.Addr().IsUnspecified() || l.Addr().IsLoopback() == to.Addr().IsLoopback())) {
			return true
		}
	}
	return false
}

// isOwn reports whether a is an address of this machine.
func (d *dialer) isOwn(a netip.Addr) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if now := time.Now(); now.After(d.ownNext) {
		d.ownNext = now.Add(ownFor)
		if list, err := net.InterfaceAddrs(); err == nil {
			d.own = map[netip.Addr]bool{}
			for _, n := range list {
				if p, err := netip.ParsePrefix(n.String()); err == nil {
					d.own[p.Addr().Unmap().WithZone("")] = true
				}
			}
		}
	}
	return d.own[a]
}

// interleave puts addresses into the order in which they are tried: those of both
// families in turn, beginning with that of the first (RFC 8305 §4).
func interleave(all []netip.AddrPort) []netip.AddrPort {
	var same, other []netip.AddrPort
	for _, a := range all {
		if a.Addr().Is4() == all[0].Addr().Is4() {
			same = append(same, a)
		} else {
			other = append(other, a)
		}
	}
	list := make([]netip.AddrPort, 0, len(all))
	for i := range all {
		if i < len(same) {
			list = append(list, same[i])
		}
		if i < len(other) {
			list = append(list, other[i])
		}
	}
	return list[:min(len(list), maxAddresses)]
}

// attempt is the outcome of trying one address.
type attempt struct {
	c   net.Conn
	err error
}

// race tries the addresses one after the other, each stagger after the one before
// or as soon as that has failed, and returns the first connection there is.
func (d *dialer) race(ctx context.Context, host string, list []netip.AddrPort) (net.Conn, error) {
	ctx, cancel := context.WithCancel(ctx)
	outcomes := make(chan attempt, len(list))
	pending, next := 0, 0
	try := func() {
		to := list[next]
		next++
		pending++
		d.running.Go(func() {
			c, err := d.connect(ctx, to)
			outcomes <- attempt{c, err}
		})
	}
	defer func() {
		cancel()
		for range pending { // others may have made it, too
			d.running.Go(func() {
				if a := <-outcomes; a.err == nil {
					_ = a.c.Close()
				}
			})
		}
	}()
	try()
	tick := time.NewTicker(stagger)
	defer tick.Stop()
	var errs []error
	for {
		select {
		case a := <-outcomes:
			pending--
			if a.err == nil {
				return a.c, nil
			}
			errs = append(errs, a.err)
			switch {
			case next < len(list) && ctx.Err() == nil:
				try()
				tick.Reset(stagger)
			case pending == 0:
				return nil, d.unreached(ctx, host, errors.Join(errs...))
			}
		case <-tick.C:
			if next < len(list) {
				try()
			}
		}
	}
}

// unreached says why no address answered.
func (d *dialer) unreached(ctx context.Context, host string, err error) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fail(http.StatusGatewayTimeout, "connection_timeout", err, "%s was not reached within connect_timeout (%v)", host, d.timeout)
	}
	return fail(http.StatusBadGateway, "connection_refused", err, "%s cannot be reached", host)
}
