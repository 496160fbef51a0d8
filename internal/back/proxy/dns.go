package proxy

import (
	"context"
	"encoding/binary"
	"errors"
	"math"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

const (
	// minTTL and maxTTL bound how long an answer is taken to hold, whatever DNS says.
	minTTL = time.Second
	maxTTL = 5 * time.Minute
)

// A dialer connects to a name server: by net.Dialer, or as a test wants. With it
// names are looked up.
type dialer func(ctx context.Context, network, address string) (net.Conn, error)

// lookUp asks where u is: the hosts file and DNS, as the system is set up. Where DNS
// was not asked the ttl is 0.
func (d dialer) lookUp(ctx context.Context, u *upstream, some func([]record)) ([]record, time.Duration, error) {
	least := &leastTTL{}
	r := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := d(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return least.listen(c), nil
	}}
	if u.srv {
		all, whole, err := lookUpService(ctx, r, u, some)
		if !whole {
			return all, 0, err
		}
		return all, least.get(), err
	}
	ips, err := r.LookupNetIP(ctx, "ip", u.host)
	if err != nil {
		return nil, 0, err
	}
	var all []record
	for _, ip := range ips {
		all = append(all, record{address{ip: netip.AddrPortFrom(ip.Unmap(), u.port)}, u.weight, u.backup})
	}
	return all, least.get(), nil
}

const (
	// maxLookups is how many targets of a service are looked up at a time.
	maxLookups = 16
	// soon is after how long those that are known need not wait for the others.
	soon = 100 * time.Millisecond
)

// target is one of a service, and where that is.
type target struct {
	*net.SRV
	at  int // its place among them, by priority
	ips []netip.Addr
	err error
}

// lookUpService asks for a service (RFC 2782): what has the best priority serves,
// the others are backups. whole says that every target was found.
func lookUpService(ctx context.Context, r *net.Resolver, u *upstream, some func([]record)) (all []record, whole bool, err error) {
	_, records, err := r.LookupSRV(ctx, "", "", u.host)
	if err != nil {
		return nil, false, err
	}
	found := lookUpTargets(ctx, r, records)
	targets := make([]target, len(records))
	late := time.NewTimer(soon)
	defer late.Stop()
	for n, isLate := 0, false; n < len(targets); {
		select {
		case t := <-found:
			targets[t.at] = t
			n++
		case <-late.C:
			isLate = true
		}
		if isLate && n < len(targets) {
			some(recordsOf(u, targets, records[0].Priority))
		}
	}
	var errs []error
	for _, t := range targets {
		if t.err != nil {
			errs = append(errs, t.err)
		}
	}
	if all = recordsOf(u, targets, records[0].Priority); len(all) > 0 {
		return all, len(errs) == 0, nil
	}
	return nil, false, errors.Join(errs...)
}

// lookUpTargets asks for all targets at once, and gives each when it is known.
func lookUpTargets(ctx context.Context, r *net.Resolver, records []*net.SRV) <-chan target {
	found := make(chan target, len(records))
	room := make(chan struct{}, maxLookups)
	for i, srv := range records {
		go func() {
			room <- struct{}{}
			defer func() { <-room }()
			ips, err := r.LookupNetIP(ctx, "ip", srv.Target)
			found <- target{srv, i, ips, err}
		}()
	}
	return found
}

// recordsOf is where the targets of a service are that were found.
func recordsOf(u *upstream, targets []target, best uint16) (all []record) {
	for _, t := range targets {
		for _, ip := range t.ips {
			all = append(all, record{
				address{ip: netip.AddrPortFrom(ip.Unmap(), t.Port)},
				min(max(1, int(t.Weight)), maxWeight),
				u.backup || t.Priority > best,
			})
		}
	}
	return all
}

// leastTTL is the least TTL in the answers to one look-up, which net.Resolver keeps
// to itself: they are read as they pass. What is read decides about nothing but
// when the next look-up is, between minTTL and maxTTL, so that it does not
// matter if it was forged.
type leastTTL struct {
	mu    sync.Mutex // a look-up that was given up may still read
	known bool
	ttl   time.Duration
}

// get returns the TTL within its bounds, or 0 if there was none.
func (t *leastTTL) get() time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.known {
		return 0
	}
	return min(max(t.ttl, minTTL), maxTTL)
}

// note takes an answer in. One that is no answer, or not whole, counts for nothing.
func (t *leastTTL) note(message []byte) {
	var p dnsmessage.Parser
	h, err := p.Start(message)
	if err != nil || !h.Response || h.Truncated || h.RCode != dnsmessage.RCodeSuccess || p.SkipAllQuestions() != nil {
		return
	}
	found, least := false, time.Duration(math.MaxInt64)
	for {
		r, err := p.AnswerHeader()
		if errors.Is(err, dnsmessage.ErrSectionDone) {
			break
		}
		if err != nil || p.SkipAnswer() != nil {
			return
		}
		ttl := r.TTL
		if ttl > math.MaxInt32 {
			ttl = 0 // RFC 2181 §8
		}
		found, least = true, min(least, time.Duration(ttl)*time.Second)
	}
	if !found {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.known || least < t.ttl {
		t.known, t.ttl = true, least
	}
}

// listen returns c with its answers noted. net.Resolver tells datagrams from a stream
// by what kind of connection it is.
func (t *leastTTL) listen(c net.Conn) net.Conn {
	if udp, is := c.(*net.UDPConn); is {
		return &datagrams{udp, t}
	}
	return &stream{Conn: c, least: t}
}

// datagrams is DNS over UDP: each is one message.
type datagrams struct {
	*net.UDPConn
	least *leastTTL
}

func (c *datagrams) Read(p []byte) (int, error) {
	n, err := c.UDPConn.Read(p)
	if n > 0 {
		c.least.note(p[:n])
	}
	return n, err
}

// stream is DNS over TCP: a length, then the one message that was asked for (RFC
// 1035 §4.2.2).
type stream struct {
	net.Conn
	least *leastTTL
	in    []byte // what has come, until that is whole
	whole bool
}

func (c *stream) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 && !c.whole {
		c.in = append(c.in, p[:n]...)
		if len(c.in) >= 2 {
			if end := 2 + int(binary.BigEndian.Uint16(c.in)); len(c.in) >= end {
				c.whole = true
				c.least.note(c.in[2:end])
				c.in = nil
			}
		}
	}
	return n, err
}
