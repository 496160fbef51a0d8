package route

import (
	"bytes"
	"maps"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"rickhouse/internal/exchange"
	"rickhouse/internal/units"
	wire "rickhouse/internal/wire/http1"
)

// conditions are those that few routes have.
type conditions struct {
	methods []string
	headers []pair // names in lower case
	query   []pair
	clients []netip.Prefix
	unix    bool // clients of Unix sockets hold, too
	scheme  string

	listeners []string
}

// pair is a name and the value it must have; any means that it is there.
type pair struct {
	name, value string
	any         bool
}

// newConditions returns nil if there are none.
func newConditions(c *Config) *conditions {
	n := &conditions{methods: slices.Clone(c.Method), scheme: c.Scheme, listeners: c.Listener, query: pairs(c.Query, false), headers: pairs(c.Header, true)}
	if slices.Contains(n.methods, http.MethodGet) {
		n.methods = append(n.methods, http.MethodHead)
	}
	for _, s := range c.Client {
		if s == units.Unix {
			n.unix = true
		} else if p, err := units.ParseNetwork(s); err == nil {
			n.clients = append(n.clients, p)
		}
	}
	if len(n.methods)+len(n.headers)+len(n.query)+len(c.Client)+len(n.scheme)+len(n.listeners) == 0 {
		return nil
	}
	return n
}

func pairs(m map[string]string, lower bool) []pair {
	list := make([]pair, 0, len(m))
	for _, name := range sortedNames(m) {
		p := pair{name: name, value: m[name], any: m[name] == "*"}
		if lower {
			p.name = strings.ToLower(name)
		}
		list = append(list, p)
	}
	return list
}

func sortedNames(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }

func (c *conditions) hold(r *exchange.Request) bool {
	return (len(c.listeners) == 0 || slices.Contains(c.listeners, r.Listener)) && c.methodHolds(r.Method) && (c.scheme == "" || string(r.Scheme) == c.scheme) &&
		c.clientHolds(r.ClientAddr) && c.headersHold(r.Fields) && c.queryHolds(r.Query)
}

func (c *conditions) methodHolds(method []byte) bool {
	for _, m := range c.methods {
		if string(method) == m {
			return true
		}
	}
	return len(c.methods) == 0
}

func (c *conditions) clientHolds(addr []byte) bool {
	if len(c.clients) == 0 && !c.unix {
		return true
	}
	if len(addr) == 0 {
		return c.unix
	}
	a, err := netip.ParseAddr(string(addr))
	if err != nil {
		return false
	}
	a = a.Unmap()
	for _, p := range c.clients {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

func (c *conditions) headersHold(fields []exchange.Field) bool {
	for i := range c.headers {
		if !c.headers[i].inFields(fields) {
			return false
		}
	}
	return true
}

func (p *pair) inFields(fields []exchange.Field) bool {
	for i := range fields {
		if string(fields[i].Name) == p.name && (p.any || string(fields[i].Value) == p.value) {
			return true
		}
	}
	return false
}

func (c *conditions) queryHolds(query []byte) bool {
	for i := range c.query {
		if !c.query[i].inQuery(query) {
			return false
		}
	}
	return true
}

// inQuery looks through parameters as forms write them.
func (p *pair) inQuery(query []byte) bool {
	for len(query) > 0 {
		var one []byte
		one, query, _ = bytes.Cut(query, []byte("&"))
		name, value, _ := bytes.Cut(one, []byte("="))
		if formEqual(name, p.name) && (p.any || formEqual(value, p.value)) {
			return true
		}
	}
	return false
}

// formEqual reports whether b, decoded as application/x-www-form-urlencoded, is
// s. A "%" without two hexadecimal digits stands for itself.
func formEqual(b []byte, s string) bool {
	n := 0
	for i := 0; i < len(b); i++ {
		c := b[i]
		switch {
		case c == '+':
			c = ' '
		case c == '%' && i+2 < len(b) && wire.HexValue(b[i+1]) >= 0 && wire.HexValue(b[i+2]) >= 0:
			c = byte(wire.HexValue(b[i+1])<<4 | wire.HexValue(b[i+2]))
			i += 2
		}
		if n == len(s) || s[n] != c {
			return false
		}
		n++
	}
	return n == len(s)
}
