package front

import (
	"net/netip"
	"testing"

	"rickhouse/internal/exchange"
)

func TestPeer(t *testing.T) {
	for _, text := range []string{"192.0.2.1:80", "[2001:db8:1111:2222:3333:4444:5555:6666]:65535", "[::1]:0"} {
		a := netip.MustParseAddrPort(text)
		p := PeerAt(a)
		var req exchange.Request
		p.Identify(&req)
		if p.AddrPort() != a || p.String() != a.Addr().String() || string(req.ClientAddr) != p.String() || req.ClientPort != a.Port() {
			t.Errorf("%s: got %v, %v and %q %d", text, p.AddrPort(), &p, req.ClientAddr, req.ClientPort)
		}
	}
	var none Peer
	if PeerAt(netip.AddrPort{}) != none || none.String() != "" || none.AddrPort().IsValid() {
		t.Errorf("a Unix socket is %v", none.AddrPort())
	}
}
