package http1

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"

	"rickhouse/internal/exchange"
	"rickhouse/internal/front"
	"rickhouse/internal/loop"
)

// TLS is how connections become secure.
type TLS struct {
	loop.TLSConfig
	// Describe says what applications are told of a connection: see
	// exchange.Request. nil tells them nothing.
	Describe func(state tls.ConnectionState) []byte
}

// altSvc is the field that says so, for a day.
func altSvc(port int) exchange.Field {
	return exchange.Field{Name: []byte("Alt-Svc"), Value: fmt.Appendf(nil, `h3=":%d"; ma=86400`, port)}
}

// entrance is a listening socket as its connections see it. It does not change.
type entrance struct {
	*front.Origin
	gate    *gate
	handler exchange.Handler
	// announcers have to say first for whom they are; nil for nobody.
	announcers *front.Proxies
	prior      bool // a client may begin with the preface of HTTP/2
	once       bool // connections close after their first answer
	tls        *TLS // nil in cleartext
	// clear is what a connection that should be TLS and is not comes to.
	clear *entrance
}

func (d *Door) newEntrance(g *gate) *entrance {
	a := g.addr
	a.TLS = a.TLS && d.settings.TLS
	e := &entrance{Origin: front.NewOrigin(a), gate: g, handler: g.handler, prior: !a.TLS}
	if d.settings.Announces(a) {
		e.announcers = &d.settings.Announcers
	}
	if !a.TLS {
		return e
	}
	e.tls = d.f.parts.TLS
	a.TLS = false
	e.clear = &entrance{Origin: front.NewOrigin(a), gate: g, handler: exchange.HandlerFunc(d.refuseCleartext), once: true}
	return e
}

func attachClear(l *loop.Loop, fd int, c *conn) (loop.Stream, error) { return l.Attach(fd, c) }

// attach makes a Stream of a connection.
func (e *entrance) attach(l *loop.Loop, fd int, c *conn) (loop.Stream, error) {
	if e.tls == nil {
		return attachClear(l, fd, c)
	}
	return l.AttachTLS(fd, &e.tls.TLSConfig, c)
}

var errCleartext = errors.New("the request came without TLS to an address that is https")

// refuseCleartext answers who speaks HTTP where HTTPS is spoken.
func (d *Door) refuseCleartext(x *exchange.Exchange) {
	d.counters.Refused++
	x.Stats.Err = errCleartext
	x.Answer(http.StatusBadRequest, "This address is https, and the request came as plain http: write https:// in place of http://.\n")
}

var _ loop.TLSHandler = (*conn)(nil)

// The protocols that a handshake may choose (RFC 7301) and that are not HTTP/1.
const (
	protocolHTTP2 = "h2"
	protocolACME  = "acme-tls/1" // RFC 8737: the handshake was all there is to it
)

// Secured implements loop.TLSHandler.
func (c *conn) Secured(state tls.ConnectionState) {
	d := c.d
	if c.o.tls.Describe != nil {
		c.tls = c.o.tls.Describe(state)
	}
	switch {
	case state.NegotiatedProtocol == protocolACME:
		c.close(false)
	case state.NegotiatedProtocol == protocolHTTP2 && d.f.parts.HTTP2 != nil:
		c.handOff(d.f.parts.HTTP2)
	default:
		c.until = d.l.Now() + c.patience()
		c.arm()
	}
}

// cleartext goes on with a connection whose client does not speak TLS, as far as
// to tell it so.
func (c *conn) cleartext(e *loop.CleartextError) {
	c.s, c.o = e.Stream, c.o.clear
	c.w = c.d.take(c)
	c.w.buffer(e.Octets)
	c.d.counters.OctetsIn += uint64(len(e.Octets))
	c.advance()
}
