package chain

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/gaissmai/bart"

	"rickhouse/internal/exchange"
)

// unixClient stands for clients of Unix sockets, which have no address.
const unixClient = "unix"

// networks says something about clients by where they are: what is said of the
// smallest network that a client is in counts. It does not change once made.
type networks struct {
	table bart.Table[bool]
	// unix is what is said of clients of Unix sockets, if saysUnix.
	unix, saysUnix bool
}

// add says v of the clients in texts, which are addresses, networks or unixClient.
func (n *networks) add(texts []string, v bool) {
	for _, s := range texts {
		if s == unixClient {
			n.unix, n.saysUnix = v, true
		} else if p, err := parseNetwork(s); err == nil {
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

// parseNetwork reads an address or a network.
func parseNetwork(s string) (netip.Prefix, error) {
	if strings.Contains(s, "/") {
		p, err := netip.ParsePrefix(s)
		if err != nil {
			return netip.Prefix{}, err
		}
		if a := p.Addr().Unmap(); a != p.Addr() && p.Bits() >= 96 {
			p = netip.PrefixFrom(a, p.Bits()-96)
		}
		return p.Masked(), nil
	}
	a, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Prefix{}, err
	}
	a = a.Unmap().WithZone("")
	return netip.PrefixFrom(a, a.BitLen()), nil
}

// checkNetworks reports what in the texts of a key is no client.
func checkNetworks(key string, texts []string) []error {
	var errs []error
	for i, s := range texts {
		if _, err := parseNetwork(s); err != nil && s != unixClient {
			errs = append(errs, fmt.Errorf("%s[%d]: %q is not an address, a network such as 10.0.0.0/8, or \"unix\"", key, i, s))
		}
	}
	return errs
}
