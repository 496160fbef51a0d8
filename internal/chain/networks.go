package chain

import (
	"net/netip"

	"github.com/gaissmai/bart"

	"rickhouse/internal/exchange"
	"rickhouse/internal/units"
)

// networks says something about clients by where they are: what is said of the
// smallest network that a client is in counts. It does not change once made.
type networks struct {
	table bart.Table[bool]
	// unix is what is said of clients of Unix sockets, if saysUnix.
	unix, saysUnix bool
}

// add says v of the clients in texts, which are addresses, networks or units.Unix.
func (n *networks) add(texts []string, v bool) {
	for _, s := range texts {
		if s == units.Unix {
			n.unix, n.saysUnix = v, true
		} else if p, err := units.ParseNetwork(s); err == nil {
			n.table.Insert(p, v)
		}
	}
}

// get returns what is said of the client of r, or other.
func (n *networks) get(r *exchange.Request, other bool) bool {
	a, ok := clientAddr(r)
	if !ok {
		if len(r.ClientAddr) == 0 && n.saysUnix {
			return n.unix
		}
		return other
	}
	if v, found := n.table.Lookup(a); found {
		return v
	}
	return other
}

// clientAddr is the address of the client of r, if it has one.
func clientAddr(r *exchange.Request) (netip.Addr, bool) {
	if a, ok := parseIPv4(r.ClientAddr); ok {
		return a, true
	}
	a, err := netip.ParseAddr(string(r.ClientAddr))
	return a.Unmap().WithZone(""), err == nil
}

// parseIPv4 reads the usual form without an allocation, as netip does not.
func parseIPv4(b []byte) (netip.Addr, bool) {
	var octets [4]byte
	for i := range octets {
		n, digits := 0, 0
		for digits < len(b) && b[digits] >= '0' && b[digits] <= '9' && digits < 3 {
			n = 10*n + int(b[digits]-'0')
			digits++
		}
		if digits == 0 || n > 255 || digits > 1 && b[0] == '0' {
			return netip.Addr{}, false
		}
		octets[i] = byte(n)
		b = b[digits:]
		if i < 3 {
			if len(b) == 0 || b[0] != '.' {
				return netip.Addr{}, false
			}
			b = b[1:]
		}
	}
	return netip.AddrFrom4(octets), len(b) == 0
}
