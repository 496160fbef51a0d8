package http3

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/quic-go/quic-go"
	h3 "github.com/quic-go/quic-go/http3"
)

// conn is what is known of a connection. Requests of it may be at it at the same
// time.
type conn struct {
	d         *Door
	q         *quic.Conn
	maxResets int

	mu       sync.Mutex
	live     int // requests whose Exchange is not finished
	requests int
	leaving  bool // no request is taken any more
	resets   int  // since
	since    int64
	idle     *time.Timer
	told     bool
	tls      []byte
}

// connKey is where the context of a request has its conn.
type connKey struct{}

// connected is told of each connection whose handshake is over.
func (d *Door) connected(ctx context.Context, q *quic.Conn) context.Context {
	s := d.f.settings.Load()
	c := &conn{d: d, q: q, maxResets: s.own.MaxResets}
	// quic-go's own idle timer stands still while a head is on its way.
	c.idle = time.AfterFunc(s.HeaderTimeout, c.idled)
	d.mu.Lock()
	d.conns[c] = struct{}{}
	d.mu.Unlock()
	context.AfterFunc(q.Context(), func() {
		c.mu.Lock()
		c.idle.Stop()
		c.leaving = true
		c.mu.Unlock()
		d.mu.Lock()
		delete(d.conns, c)
		d.mu.Unlock()
	})
	return context.WithValue(ctx, connKey{}, c)
}

// idled closes a connection that has brought no request for too long.
func (c *conn) idled() { c.leaveIfIdle(0) }

// close closes the connection.
func (c *conn) close(code h3.ErrCode, reason string) {
	_ = c.q.CloseWithError(quic.ApplicationErrorCode(code), reason)
}

// leaveIfIdle closes the connection after wait, if there is no request then.
func (c *conn) leaveIfIdle(wait time.Duration) {
	if wait > 0 {
		time.AfterFunc(wait, func() { c.leaveIfIdle(0) })
		return
	}
	c.mu.Lock()
	idle := c.live == 0
	c.leaving = c.leaving || idle
	c.mu.Unlock()
	if idle {
		c.close(h3.ErrCodeNoError, "")
	}
}

// enter takes a request in, or reports false: nothing is done for it, so that the
// client may send it again (RFC 9114 §4.1.1).
func (c *conn) enter(s *Settings) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.leaving {
		return false
	}
	c.live++
	c.requests++
	c.idle.Stop()
	if limit := s.KeepaliveRequests; limit > 0 && c.requests >= limit {
		c.leaving = true
	}
	return true
}

// leave is told of the end of a request that entered.
func (c *conn) leave() {
	draining := c.d.isDraining()
	c.mu.Lock()
	c.live--
	ends := c.live == 0 && (c.leaving || draining)
	if c.live == 0 && !ends {
		c.idle.Reset(c.d.f.settings.Load().IdleTimeout)
	}
	c.mu.Unlock()
	if ends {
		c.leaveIfIdle(c.d.linger)
	}
}

// resetPeriod is what max_resets is counted over.
const resetPeriod = int64(10 * time.Second)

// reset counts a request that was given up, or refused. Too many close the
// connection: they cost more than they cost who sends them.
func (c *conn) reset() {
	now := c.d.f.now()
	c.d.f.counters.resets.Add(1)
	c.mu.Lock()
	if now-c.since > resetPeriod {
		c.since, c.resets = now, 0
	}
	c.resets++
	many := c.resets == c.maxResets+1
	c.leaving = c.leaving || many
	c.mu.Unlock()
	if many {
		c.d.f.parts.Log.Info("closed a connection", "reason", "too many of its requests were reset (http3_max_resets)",
			"client", c.q.RemoteAddr().String())
		c.close(h3.ErrCodeExcessiveLoad, "too many resets")
	}
}

// describe returns what applications are told of the connection's TLS.
func (c *conn) describe() []byte {
	if c.d.f.parts.Describe == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.told {
		c.tls, c.told = c.d.f.parts.Describe(c.q.ConnectionState().TLS), true
	}
	return c.tls
}

// remote is where the client is now: a connection can move.
func (c *conn) remote() netip.AddrPort {
	a, _ := c.q.RemoteAddr().(*net.UDPAddr)
	if a == nil {
		return netip.AddrPort{}
	}
	ap := a.AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap().WithZone(""), ap.Port())
}
