package forward

import (
	"encoding/binary"
	"net/netip"
)

// class is what an address is for.
type class string

// The classes there are (the registries of RFC 6890). Only public ones are reached
// unasked.
const (
	public      class = "public"
	unspecified class = "unspecified"
	loopback    class = "loopback"
	linkLocal   class = "link-local"
	private     class = "private"
	shared      class = "shared (CGNAT)"
	multicast   class = "multicast"
	reserved    class = "reserved"
	tunnelled   class = "of a tunnel"
	own         class = "this machine's"
)

// span is a network and what it is for.
type span struct {
	prefix netip.Prefix
	class  class
}

func spans(c class, texts ...string) []span {
	list := make([]span, len(texts))
	for i, text := range texts {
		list[i] = span{netip.MustParsePrefix(text), c}
	}
	return list
}

// registry are the networks that are not public.
type registry []span

func newRegistry() registry {
	var r registry
	for _, list := range [][]span{
		spans(unspecified, "0.0.0.0/8", "::/128"),
		spans(loopback, "127.0.0.0/8", "::1/128"),
		spans(linkLocal, "169.254.0.0/16", "fe80::/10"),
		spans(private, "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "fec0::/10"),
		spans(shared, "100.64.0.0/10"),
		spans(multicast, "224.0.0.0/4", "ff00::/8"),
		// Protocol assignments, documentation, benchmarks, relays, what is not given out.
		spans(reserved, "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15", "198.51.100.0/24",
			"203.0.113.0/24", "240.0.0.0/4"),
		// The addresses in them are other people's to choose: Teredo, 6to4, and the prefix
		// for translation within a site (RFC 8215).
		spans(tunnelled, "2001::/32", "2002::/16", "64:ff9b:1::/48"),
		spans(reserved, "100::/64", "2001::/23", "2001:db8::/32", "3fff::/20", "5f00::/16"),
	} {
		r = append(r, list...)
	}
	return r
}

// classify says what a is for. inner is the IPv4 address that a stands for, or a
// itself.
func (r registry) classify(a netip.Addr) (c class, inner netip.Addr) {
	inner = a.WithZone("")
	if v4, ok := embedded(inner); ok {
		inner = v4
	}
	if a.Zone() != "" {
		return linkLocal, inner
	}
	for _, s := range r {
		if s.prefix.Contains(inner) {
			return s.class, inner
		}
	}
	switch {
	case inner.Is4():
		return public, inner
	case isatap(inner):
		return tunnelled, inner
	case netip.PrefixFrom(netip.AddrFrom16([16]byte{0x20}), 3).Contains(inner): // all that is given out
		return public, inner
	}
	return reserved, inner
}

// embedded returns the IPv4 address that an IPv6 one stands for: mapped
// (::ffff:a.b.c.d), compatible (::a.b.c.d), translated (::ffff:0:a.b.c.d) and
// NAT64 (64:ff9b::a.b.c.d, RFC 6052).
func embedded(a netip.Addr) (netip.Addr, bool) {
	if a.Is4() || a.IsUnspecified() || a == netip.IPv6Loopback() {
		return netip.Addr{}, false
	}
	b := a.As16()
	v4 := netip.AddrFrom4([4]byte(b[12:]))
	high, low := binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint32(b[8:12])
	switch {
	case high == 0 && (low == 0xffff || low == 0 || low == 0xffff0000),
		high == 0x0064ff9b_00000000 && low == 0:
		return v4, true
	}
	return netip.Addr{}, false
}

// isatap tells interface identifiers of RFC 5214, which embed IPv4 addresses.
func isatap(a netip.Addr) bool {
	b := a.As16()
	id := binary.BigEndian.Uint32(b[8:12])
	return id == 0x00005efe || id == 0x02005efe
}
