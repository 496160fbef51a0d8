package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"rickhouse/internal/exchange"
)

// again is how long a Unix socket whose backlog is full is left alone, in
// nanoseconds.
const again = int64(5 * time.Millisecond)

// dial begins to make the connection, for c.call.
func (c *conn) dial() {
	c.state = connecting
	c.since = c.sh.l.Now()
	c.begun = c.since
	c.arm()
	if !raw || c.pool.at.tls != nil {
		c.dialAside()
		return
	}
	c.connect()
}

// connect begins the connection on the loop.
func (c *conn) connect() {
	s, made, tryAgain, err := connect(c.sh.l, c.pool.at.addr, c)
	switch {
	case tryAgain:
		// Its own timer is the connection's, which runs.
		c.retry.Task = exchange.TaskFunc(func() {
			if c.state == connecting && c.s == nil {
				c.connect()
			}
		})
		c.sh.l.SetTimer(&c.retry, c.sh.l.Now()+again)
	case err != nil:
		c.sh.l.Defer(exchange.TaskFunc(func() { c.refused(err) }))
	case made:
		c.s = s
		c.made()
	default:
		c.s = s
		s.Want(false, true)
	}
}

// dialAside makes the connection on a goroutine: TLS has to be computed.
func (c *conn) dialAside() {
	ctx, cancel := context.WithTimeout(context.Background(), c.sh.p.cfg.ConnectTimeout)
	c.cancel = cancel
	e, l := c.pool.at, c.sh.l
	go func() {
		defer cancel()
		nc, err := dial(ctx, e.addr, e.tls)
		l.Post(exchange.TaskFunc(func() {
			switch {
			case c.state != connecting && err == nil:
				_ = nc.Close()
			case c.state != connecting:
			case err != nil:
				c.refused(err)
			default:
				if t, is := nc.(*tls.Conn); is {
					c.unasked = t.ConnectionState().NegotiatedProtocol == ""
				}
				c.s = l.AttachConn(nc, c)
				c.made()
			}
		}))
	}()
}

// dial connects to an address, with TLS if there is how.
func dial(ctx context.Context, to address, how *tls.Config) (net.Conn, error) {
	var d net.Dialer
	nc, err := d.DialContext(ctx, to.network(), to.text())
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	if how == nil {
		return nc, nil
	}
	secure := tls.Client(nc, how)
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = nc.Close()
		return nil, fmt.Errorf("TLS handshake: %w", explain(err, "HTTP/1.1", "h2:// in place of https://"))
	}
	return secure, nil
}

// explain adds to an error what to write where an upstream does not speak what it was
// asked by: it found no protocol by ALPN (RFC 7301 §3.2), or answers HTTP/2 by
// HTTP/1, or by something else. The standard library has texts for these alone.
func explain(err error, asked, write string) error {
	for _, text := range []string{"no application protocol", "looked like an HTTP/1.1 header", "client conn could not be established"} {
		if strings.Contains(err.Error(), text) {
			return fmt.Errorf("%w: it does not speak %s: write %s", err, asked, write)
		}
	}
	return err
}

// timeout reports whether err says that time was up.
func timeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &t) && t.Timeout()
}
