package proxyproto

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
)

const (
	// maxLine is the longest line of version 1, its end included.
	maxLine = 107
	// prefix is what either version can be told by, and less than any header has.
	prefix    = 12
	signature = "\r\n\r\n\x00\r\nQUIT\n"
	fixed     = 16 // octets of version 2 before the addresses
	// MaxLength is the longest header that is taken: there is room for TLVs.
	MaxLength = 4 << 10
)

// Header is what a proxy says of a connection.
type Header struct {
	// Known is false where the proxy speaks for itself (LOCAL), or says nothing of
	// the client (UNKNOWN, UNSPEC): the addresses of the connection hold.
	Known bool
	// Unix says that the client came by a Unix socket, which has no addresses.
	Unix bool
	// Source is the client, and Destination what it connected to. IPv4 addresses that
	// are mapped into IPv6 are IPv4.
	Source, Destination netip.AddrPort
}

// ErrNone says that what has come is no header of either version.
var ErrNone = errors.New("no PROXY protocol header")

// Parse reads the header at the start of b. It returns how long that is. A length of
// 0 without an error says that need more octets of the header have to come, at the
// least; octets behind these may not be the header's.
func Parse(b []byte) (h Header, length, need int, err error) {
	n := min(len(b), prefix)
	switch {
	case n == 0:
		return h, 0, shortest, nil
	case string(b[:n]) == signature[:n]:
		if len(b) < fixed {
			return h, 0, fixed - len(b), nil
		}
		return parse2(b)
	case string(b[:min(n, len(word))]) == word[:min(n, len(word))]:
		return parse1(b)
	}
	return h, 0, 0, ErrNone
}

// word is what version 1 begins with.
const word = "PROXY "

// shortest is how long the shortest line is.
const shortest = len("PROXY UNKNOWN\r\n")

// parse1 reads a line, which b is the beginning of.
func parse1(b []byte) (h Header, length, need int, err error) {
	end := bytes.IndexByte(b[:min(len(b), maxLine)], '\n')
	switch {
	case end < 0 && len(b) >= maxLine:
		return h, 0, 0, fmt.Errorf("a PROXY line has no end within %d octets", maxLine)
	case end < 0:
		return h, 0, max(1, shortest-len(b)), nil
	case end == 0 || b[end-1] != '\r':
		return h, 0, 0, errors.New("a PROXY line does not end with CR LF")
	}
	line := string(b[len(word) : end-1])
	if line == "UNKNOWN" || len(line) > 8 && line[:8] == "UNKNOWN " {
		return h, end + 1, 0, nil
	}
	h, err = parseLine(line)
	return h, end + 1, 0, err
}

// parseLine reads "TCP4 SOURCE DESTINATION PORT PORT".
func parseLine(line string) (Header, error) {
	bad := func(what string) (Header, error) {
		return Header{}, fmt.Errorf("a PROXY line with %s: %.120q", what, line)
	}
	var fields [5]string
	rest, more := line, true
	for i := range fields {
		if !more {
			return bad("less than six fields")
		}
		fields[i], rest, more = cut(rest)
	}
	if more {
		return bad("more than six fields")
	}
	four := fields[0] == "TCP4"
	if !four && fields[0] != "TCP6" {
		return bad("a protocol that is none")
	}
	var ends [2]netip.AddrPort
	for i := range ends {
		a, err := netip.ParseAddr(fields[1+i])
		if err != nil || a.Is4() != four || a.Zone() != "" {
			return bad("an address that is none of its protocol")
		}
		port, err := strconv.ParseUint(fields[3+i], 10, 16)
		if err != nil || strconv.FormatUint(port, 10) != fields[3+i] {
			return bad("a port that is none")
		}
		ends[i] = netip.AddrPortFrom(a.Unmap(), uint16(port))
	}
	return Header{Known: true, Source: ends[0], Destination: ends[1]}, nil
}

// cut is strings.Cut at a space, without trimming.
func cut(s string) (field, rest string, more bool) {
	for i := range len(s) {
		if s[i] == ' ' {
			return s[:i], s[i+1:], true
		}
	}
	return s, "", false
}

// The commands and families of version 2.
const (
	local   = 0x20
	proxied = 0x21

	unspecified = 0x0
	inet4       = 0x1
	inet6       = 0x2
	unix        = 0x3
)

// parse2 reads version 2, of which the fixed part is there.
func parse2(b []byte) (h Header, length, need int, err error) {
	command, family, transport := b[12], b[13]>>4, b[13]&0x0f
	size := int(binary.BigEndian.Uint16(b[14:]))
	length = fixed + size
	switch {
	case command != local && command != proxied:
		return h, 0, 0, fmt.Errorf("a PROXY header with version and command 0x%02x", command)
	case family > unix || transport > 2:
		return h, 0, 0, fmt.Errorf("a PROXY header with the family 0x%02x", b[13])
	case length > MaxLength:
		return h, 0, 0, fmt.Errorf("a PROXY header of %d octets", length)
	case len(b) < length:
		return h, 0, length - len(b), nil
	}
	if command == local || family == unspecified {
		return h, length, 0, nil
	}
	addresses := map[byte]int{inet4: 12, inet6: 36, unix: 216}[family]
	switch {
	case transport != 1:
		return h, 0, 0, fmt.Errorf("a PROXY header for what is no stream: 0x%02x", b[13])
	case size < addresses:
		return h, 0, 0, fmt.Errorf("a PROXY header with %d octets of addresses, which have %d", size, addresses)
	case family == unix:
		return Header{Known: true, Unix: true}, length, 0, nil
	}
	p := b[fixed : fixed+addresses]
	width := (addresses - 4) / 2
	from, _ := netip.AddrFromSlice(p[:width])
	to, _ := netip.AddrFromSlice(p[width : 2*width])
	ports := p[2*width:]
	return Header{
		Known:       true,
		Source:      netip.AddrPortFrom(from.Unmap(), binary.BigEndian.Uint16(ports)),
		Destination: netip.AddrPortFrom(to.Unmap(), binary.BigEndian.Uint16(ports[2:])),
	}, length, 0, nil
}
