package units

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
)

// Unix, in a list of networks, stands for who comes by a Unix socket.
const Unix = "unix"

const usualNetwork = "an address, or a network such as 10.0.0.0/8"

// ParseNetwork reads a network, as 10.0.0.0/8, or an address as the network of it
// alone. IPv4 in the form of IPv6 is IPv4. The error says what is wrong with the
// text, and what to write.
func ParseNetwork(text string) (netip.Prefix, error) { return parseNetwork(text, usualNetwork) }

func parseNetwork(text, usual string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(text); err == nil && !strings.Contains(text, "/") {
		a = a.Unmap().WithZone("")
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("%q is not %s%s", text, usual, meant(text))
	}
	if a := p.Addr().Unmap(); a != p.Addr() && p.Bits() >= 96 {
		p = netip.PrefixFrom(a, p.Bits()-96)
	}
	if p != p.Masked() {
		return netip.Prefix{}, fmt.Errorf("%q is an address in a network: write %q for the network, or %q for the address alone", text, p.Masked(), p.Addr())
	}
	return p, nil
}

// meant is what to write for a text that is no network, if that can be told.
func meant(text string) string {
	addr, mask, _ := strings.Cut(text, "/")
	switch a, err := netip.ParseAddr(addr); {
	case text == "*" || strings.EqualFold(text, "all"):
		return `: write "0.0.0.0/0" and "::/0" for all`
	case strings.EqualFold(text, "localhost"):
		return `: write "127.0.0.1" and "::1"`
	case err == nil && a.Is4():
		if n, bits := net.IPMask(net.ParseIP(mask).To4()).Size(); bits != 0 {
			return fmt.Sprintf(": write %q", netip.PrefixFrom(a, n).Masked())
		}
	}
	return ""
}

// CheckNetworks reports what in the list of a key is no network, each as
// "key[i]: what is wrong". With unix the word Unix may be in it.
func CheckNetworks(key string, list []string, unix bool) []error {
	usual := usualNetwork
	if unix {
		usual = `an address, a network such as 10.0.0.0/8, or "unix"`
	}
	var errs []error
	for i, text := range list {
		if _, err := parseNetwork(text, usual); err != nil && !(unix && text == Unix) {
			errs = append(errs, fmt.Errorf("%s[%d]: %w", key, i, err))
		}
	}
	return errs
}
