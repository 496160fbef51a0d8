package front

import (
	"bytes"
	"net/netip"
	"strconv"

	"rickhouse/internal/exchange"
	"rickhouse/internal/units"
	wire "rickhouse/internal/wire/http1"
)

// Proxies are those whose word is believed.
type Proxies struct {
	unix        bool
	prefixes    []netip.Prefix
	http, https []byte
}

// NewProxies reads what Validate has accepted.
func NewProxies(texts []string) Proxies {
	t := Proxies{http: []byte("http"), https: []byte("https")}
	for _, text := range texts {
		if text == units.Unix {
			t.unix = true
		} else if p, err := units.ParseNetwork(text); err == nil {
			t.prefixes = append(t.prefixes, p)
		}
	}
	return t
}

func (t *Proxies) has(a netip.Addr) bool {
	for _, p := range t.prefixes {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// Trusts reports whether a peer, or those of Unix sockets, are among them.
func (t *Proxies) Trusts(peer netip.Addr, unix bool) bool {
	return unix && t.unix || !unix && len(t.prefixes) > 0 && t.has(peer)
}

// forwarded is what a chain of proxies says of a request.
type forwarded struct {
	addr        netip.Addr // of the client; the zero Addr if it is not told
	port        uint16
	proto, host []byte
}

// Apply sets who the client is and how it addressed us: what trusted proxies
// say, where there are any. Fields that say such things are removed if they are
// not believed. buf is room for the client's address in text.
func (t *Proxies) Apply(req *exchange.Request, unix bool, buf []byte) {
	if !has(req.Fields, isForwarded) {
		return
	}
	peer := netip.Addr{}
	if !unix {
		peer, _ = parseAddr(req.ClientAddr)
	}
	if unix && !t.unix || !unix && !t.has(peer) {
		req.Fields = remove(req.Fields, isForwarded)
		return
	}
	f := forwarded{addr: peer}
	if has(req.Fields, isCustomary) {
		req.Fields = remove(req.Fields, isStandard)
		t.customary(req.Fields, &f)
	} else {
		t.standard(req.Fields, &f)
	}
	if f.addr.IsValid() && f.addr != peer {
		req.ClientAddr, req.ClientPort = f.addr.AppendTo(buf), f.port
	}
	switch {
	case exchange.EqualFold(f.proto, "https"), exchange.EqualFold(f.proto, "wss"):
		req.Scheme = t.https
	case exchange.EqualFold(f.proto, "http"), exchange.EqualFold(f.proto, "ws"):
		req.Scheme = t.http
	}
	if wire.ValidAuthority(f.host) {
		req.Host = f.host
		for i := range req.Fields {
			if string(req.Fields[i].Name) == "host" {
				req.Fields[i].Value = f.host
			}
		}
	}
}

// has reports whether there are fields of a kind.
func has(fields []exchange.Field, kind func(name []byte) bool) bool {
	for i := range fields {
		if kind(fields[i].Name) {
			return true
		}
	}
	return false
}

// remove removes the fields of a kind.
func remove(fields []exchange.Field, kind func(name []byte) bool) []exchange.Field {
	kept := fields[:0]
	for _, f := range fields {
		if !kind(f.Name) {
			kept = append(kept, f)
		}
	}
	return kept
}

// isForwarded: the field is about forwarding.
func isForwarded(name []byte) bool {
	if len(name) < 9 || name[0] != 'f' && name[0] != 'x' {
		return false
	}
	return string(name) == "forwarded" || bytes.HasPrefix(name, []byte("x-forwarded-")) || string(name) == "x-real-ip"
}

func isStandard(name []byte) bool { return string(name) == "forwarded" }

// isCustomary: the field is one of those that customary reads.
func isCustomary(name []byte) bool {
	switch string(name) {
	case "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host":
		return true
	}
	return false
}

// customary reads X-Forwarded-For, -Proto and -Host.
func (t *Proxies) customary(fields []exchange.Field, f *forwarded) {
	hops := 0
	list := fromRight{fields: fields, name: "x-forwarded-for"}
	for node, more := list.next(); more; node, more = list.next() {
		hops++
		addr, port, ok := parseNode(node)
		if !ok {
			break
		}
		f.addr, f.port = addr, port
		if !t.has(addr) {
			break
		}
	}
	total := elements(fields, "x-forwarded-for")
	f.proto = sameHop(fields, "x-forwarded-proto", hops, total)
	f.host = sameHop(fields, "x-forwarded-host", hops, total)
}

// sameHop returns the element of a list that the proxy wrote whose word was the
// last to be believed: the hops-th from the right if each proxy has added one,
// else the last, which the nearest proxy has written.
func sameHop(fields []exchange.Field, name string, hops, total int) []byte {
	if hops == 0 || elements(fields, name) != total {
		hops = 1
	}
	list := fromRight{fields: fields, name: name}
	var element []byte
	for range hops {
		element, _ = list.next()
	}
	return element
}

// elements is how many elements the list has that all fields of a name make up.
func elements(fields []exchange.Field, name string) int {
	n := 0
	for i := range fields {
		if string(fields[i].Name) == name {
			n += 1 + bytes.Count(fields[i].Value, []byte(","))
		}
	}
	return n
}

// fromRight goes through that list, from its last element to its first.
type fromRight struct {
	fields []exchange.Field // to come
	name   string
	rest   []byte // of the field that next is in
	inside bool
}

// next returns an element, trimmed, or false after the first one.
func (l *fromRight) next() ([]byte, bool) {
	for !l.inside {
		last := len(l.fields) - 1
		if last < 0 {
			return nil, false
		}
		l.inside = string(l.fields[last].Name) == l.name
		l.rest, l.fields = l.fields[last].Value, l.fields[:last]
	}
	comma := bytes.LastIndexByte(l.rest, ',')
	element := bytes.Trim(l.rest[comma+1:], " \t")
	if l.inside = comma >= 0; l.inside {
		l.rest = l.rest[:comma]
	}
	return element, true
}

// standard reads Forwarded (RFC 7239): from the right, an element is believed if
// the one who wrote it is trusted.
func (t *Proxies) standard(fields []exchange.Field, f *forwarded) {
	for i := len(fields) - 1; i >= 0; i-- {
		if string(fields[i].Name) != "forwarded" {
			continue
		}
		rest := fields[i].Value
		for len(rest) > 0 {
			var element []byte
			var ok bool
			if rest, element, ok = lastElement(rest); !ok {
				return
			}
			var node []byte
			node, f.proto, f.host = parseElement(element)
			addr, port, ok := parseNode(node)
			if !ok {
				return
			}
			f.addr, f.port = addr, port
			if !t.has(addr) {
				return
			}
		}
	}
}

// lastElement cuts the last element off a list whose elements may hold quoted
// strings. It reports false if the quotes do not match or hold escapes, which
// none of what is wanted needs.
func lastElement(list []byte) (rest, element []byte, ok bool) {
	quoted := false
	for i := len(list) - 1; i >= 0; i-- {
		switch list[i] {
		case '\\':
			return nil, nil, false
		case '"':
			quoted = !quoted
		case ',':
			if !quoted {
				return list[:i], list[i+1:], true
			}
		}
	}
	return nil, list, !quoted
}

// parseElement takes the pairs of an element of Forwarded apart.
func parseElement(element []byte) (node, proto, host []byte) {
	for len(element) > 0 {
		pair := element
		element = nil
		quoted := false
		for i, b := range pair {
			if b == '"' {
				quoted = !quoted
			} else if b == ';' && !quoted {
				pair, element = pair[:i], pair[i+1:]
				break
			}
		}
		name, value, _ := bytes.Cut(bytes.Trim(pair, " \t"), []byte("="))
		if n := len(value); n >= 2 && value[0] == '"' && value[n-1] == '"' {
			value = value[1 : n-1]
		}
		switch {
		case exchange.EqualFold(name, "for"):
			node = value
		case exchange.EqualFold(name, "proto"):
			proto = value
		case exchange.EqualFold(name, "host"):
			host = value
		}
	}
	return node, proto, host
}

// parseNode reads an address with or without a port, IPv6 with or without
// brackets.
func parseNode(node []byte) (addr netip.Addr, port uint16, ok bool) {
	if len(node) == 0 || len(node) > 64 {
		return addr, 0, false
	}
	if addr, ok = parseAddr(node); ok {
		return addr, 0, true
	}
	host := node
	if i := bytes.LastIndexByte(node, ':'); i >= 0 && node[len(node)-1] != ']' {
		// An obfuscated port is none.
		n, _ := strconv.ParseUint(string(node[i+1:]), 10, 16)
		host, port = node[:i], uint16(n)
	}
	if n := len(host); n > 2 && host[0] == '[' && host[n-1] == ']' {
		host = host[1 : n-1]
	}
	addr, ok = parseAddr(host)
	return addr, port, ok
}

// parseAddr reads an address; IPv4, which most are, without allocating.
func parseAddr(b []byte) (netip.Addr, bool) {
	var four [4]byte
	field, digits, value := 0, 0, 0
	for _, c := range b {
		switch {
		case c >= '0' && c <= '9' && digits < 3 && (digits == 0 || value > 0):
			value = value*10 + int(c-'0')
			digits++
		case c == '.' && digits > 0 && field < 3 && value < 256:
			four[field] = byte(value)
			field, digits, value = field+1, 0, 0
		default:
			a, err := netip.ParseAddr(string(b))
			return a.Unmap().WithZone(""), err == nil
		}
	}
	four[3] = byte(value)
	return netip.AddrFrom4(four), field == 3 && digits > 0 && value < 256
}
