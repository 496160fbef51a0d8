package forward

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// pattern is hosts and ports that may be reached.
type pattern struct {
	host     string // in lower case; an address as netip writes it
	any      bool   // any host
	below    bool   // hosts below host
	itself   bool   // host
	from, to uint16 // 0 for 80 and 443
}

// parsePattern reads one element of Role.Allow.
func parsePattern(text string) (pattern, error) {
	host, ports := text, ""
	if i := strings.LastIndexByte(text, ':'); i >= 0 && !strings.HasSuffix(text, "]") {
		if _, err := netip.ParseAddr(text); err != nil { // not ::1 without brackets
			host, ports = text[:i], text[i+1:]
			if ports == "" {
				return pattern{}, fmt.Errorf("%q names no port after the colon", text)
			}
		}
	}
	var p pattern
	if err := p.ports(ports); err != nil {
		return p, fmt.Errorf("%q: %w", text, err)
	}
	switch {
	case host == "*":
		p.any = true
		return p, nil
	case strings.HasPrefix(host, "*."):
		p.below, host = true, host[2:]
	case strings.HasPrefix(host, "."):
		p.below, p.itself, host = true, true, host[1:]
	default:
		p.itself = true
	}
	var err error
	var literal netip.Addr
	p.host, literal, err = normal(host)
	if err != nil || p.below && literal.IsValid() {
		return p, fmt.Errorf("%q is not host, *.domain, .domain or *, with or without :port", text)
	}
	return p, nil
}

func (p *pattern) ports(text string) error {
	from, to, isRange := strings.Cut(text, "-")
	if !isRange {
		to = from
	}
	switch {
	case text == "":
		return nil
	case text == "*":
		p.from, p.to = 1, 65535
		return nil
	}
	a, errA := strconv.ParseUint(from, 10, 16)
	b, errB := strconv.ParseUint(to, 10, 16)
	if errA != nil || errB != nil || a == 0 || a > b {
		return errors.New("the port is not a number, from-to or *")
	}
	p.from, p.to = uint16(a), uint16(b)
	return nil
}

// matches reports whether p allows a host, in its normal form, and port.
func (p *pattern) matches(host string, port uint16) bool {
	switch {
	case p.from == 0 && port != 80 && port != 443, p.from != 0 && (port < p.from || port > p.to):
		return false
	case p.any, p.itself && host == p.host:
		return true
	}
	rest, below := strings.CutSuffix(host, p.host)
	return p.below && below && len(rest) > 1 && rest[len(rest)-1] == '.'
}

var errHost = errors.New("it is not the name or address of a host")

// normal returns the one form of a host: in lower case, without the dot at its end;
// an address, with or without brackets, as netip writes it. What looks like an
// address and is none, as 0x7f.1 or 127.1, is not a host.
func normal(host string) (string, netip.Addr, error) {
	bare := host
	if len(host) > 2 && host[0] == '[' && host[len(host)-1] == ']' {
		bare = host[1 : len(host)-1]
		if !strings.Contains(bare, ":") {
			return "", netip.Addr{}, errHost
		}
	}
	if a, err := netip.ParseAddr(bare); err == nil {
		if a.Zone() != "" {
			return "", netip.Addr{}, errHost
		}
		return a.Unmap().String(), a.Unmap(), nil
	}
	name := strings.ToLower(strings.TrimSuffix(host, "."))
	if name == "" || len(name) > 253 {
		return "", netip.Addr{}, errHost
	}
	last := ""
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 || strings.ContainsFunc(label, notInName) {
			return "", netip.Addr{}, errHost
		}
		last = label
	}
	if number := strings.TrimPrefix(last, "0x"); number == "" || number != last && isHex(number) || isDigits(last) {
		return "", netip.Addr{}, errHost
	}
	return name, netip.Addr{}, nil
}

func notInName(r rune) bool {
	return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '_'
}

func isDigits(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < '0' || r > '9' })
}

func isHex(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return (r < '0' || r > '9') && (r < 'a' || r > 'f') })
}
