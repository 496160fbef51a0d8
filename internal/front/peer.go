package front

import (
	"net/netip"

	"rickhouse/internal/exchange"
)

// Peer is the other end of a connection, as its requests are told. It is small. The
// zero value is that of a Unix socket, which has no address.
type Peer struct {
	port uint16
	n    uint8
	text [45]byte
}

// PeerAt returns the Peer at an address; the zero AddrPort is none.
func PeerAt(a netip.AddrPort) Peer {
	p := Peer{port: a.Port()}
	if a.IsValid() {
		p.n = uint8(len(a.Addr().AppendTo(p.text[:0])))
	}
	return p
}

// String is the address without the port, "" where there is none.
func (p *Peer) String() string { return string(p.text[:p.n]) }

// AddrPort is the address.
func (p *Peer) AddrPort() netip.AddrPort {
	a, _ := netip.ParseAddr(p.String())
	return netip.AddrPortFrom(a, p.port)
}

// Identify fills in which client it is. The request refers to p.
func (p *Peer) Identify(req *exchange.Request) {
	req.ClientAddr, req.ClientPort = p.text[:p.n:p.n], p.port
}
