package http1

import (
	"errors"
	"io"
	"net/netip"

	"rickhouse/internal/front"
	"rickhouse/internal/loop"
	"rickhouse/internal/wire/proxyproto"
)

// announcement is the PROXY protocol header of a connection, as far as it has come.
// It stands before all else, TLS too, and nothing behind it is read with it.
type announcement struct{ in []byte }

// announced reports whether a peer has to say for whom it opened its connections.
func (e *entrance) announced(peer netip.AddrPort) bool {
	return e.announcers != nil && e.announcers.Trusts(peer.Addr(), e.Unix)
}

// announced goes on with the header.
func (c *conn) announced() {
	a := c.announcement
	for {
		h, n, need, err := proxyproto.Parse(a.in)
		switch {
		case err != nil:
			c.unannounced(err)
			return
		case n > 0:
			c.announcement = nil
			c.introduce(h)
			return
		}
		room := c.d.scratch[:need]
		n, err = c.s.Read(room)
		a.in = append(a.in, room[:n]...)
		c.d.counters.OctetsIn += uint64(n)
		switch {
		case errors.Is(err, io.EOF) && len(a.in) == 0: // a look whether the port is open
			c.close(false)
			return
		case errors.Is(err, io.EOF):
			c.unannounced(io.ErrUnexpectedEOF)
			return
		case err != nil && !errors.Is(err, loop.ErrAgain):
			c.close(false)
			return
		case n == 0:
			return
		}
	}
}

// unannounced closes a connection whose peer does not say for whom it is.
func (c *conn) unannounced(why error) {
	c.d.counters.Refused++
	c.d.f.parts.Log.Warn("closed a connection: a peer of proxy_protocol sent no right header", "peer", c.peer.String(),
		"address", c.o.Listen.String(), "error", why)
	c.close(false)
}

// introduce makes c the connection of the client that h names, and begins to serve
// it.
func (c *conn) introduce(h proxyproto.Header) {
	if h.Known {
		c.peer = front.Peer{}
		if !h.Unix {
			c.peer = front.PeerAt(h.Source)
		}
		c.o = c.o.at(h.Destination)
	}
	c.until = c.d.l.Now() + c.patience()
	if c.o.tls != nil {
		c.s = c.d.l.Secure(c.s, &c.o.tls.TLSConfig, c)
	}
	c.arm()
}

// at returns e for a connection whose client connected to another address.
func (e *entrance) at(address netip.AddrPort) *entrance {
	copied := *e
	copied.Origin = e.Origin.At(address)
	if e.clear != nil {
		copied.clear = e.clear.at(address)
	}
	return &copied
}
