package websocket

import (
	"strconv"
	"strings"
)

// extension is one element of Sec-WebSocket-Extensions.
type extension struct {
	name   string
	params []param
}

type param struct {
	name, value string
	hasValue    bool
}

// parseExtensions reads a list of extensions (RFC 6455 §9.1) and reports whether
// it is one. Empty elements are skipped, as in any list (RFC 9110 §5.6.1.2).
func parseExtensions(s string) ([]extension, bool) {
	p := scanner{s}
	var list []extension
	for {
		for p.take(',') {
		}
		if p.rest == "" {
			return list, true
		}
		e := extension{name: p.token()}
		if e.name == "" {
			return nil, false
		}
		for p.take(';') {
			param, ok := p.param()
			if !ok {
				return nil, false
			}
			e.params = append(e.params, param)
		}
		list = append(list, e)
		if p.rest != "" && !p.take(',') {
			return nil, false
		}
	}
}

// scanner takes a field value apart.
type scanner struct{ rest string }

func (p *scanner) space() { p.rest = strings.TrimLeft(p.rest, " \t") }

// take takes c, with the whitespace around it, if it is next.
func (p *scanner) take(c byte) bool {
	p.space()
	if p.rest == "" || p.rest[0] != c {
		return false
	}
	p.rest = p.rest[1:]
	p.space()
	return true
}

// token takes a token, or nothing.
func (p *scanner) token() string {
	n := tokenLength(p.rest)
	t := p.rest[:n]
	p.rest = p.rest[n:]
	return t
}

func (p *scanner) param() (param, bool) {
	q := param{name: p.token()}
	if q.name == "" {
		return q, false
	}
	if !p.take('=') {
		return q, true
	}
	q.hasValue = true
	if p.rest == "" || p.rest[0] != '"' {
		q.value = p.token()
		return q, q.value != ""
	}
	var ok bool
	q.value, ok = p.quoted()
	return q, ok && q.value != "" && tokenLength(q.value) == len(q.value)
}

// quoted takes a quoted-string (RFC 9110 §5.6.4).
func (p *scanner) quoted() (string, bool) {
	var b strings.Builder
	for i := 1; i < len(p.rest); i++ {
		switch c := p.rest[i]; c {
		case '"':
			p.rest = p.rest[i+1:]
			return b.String(), true
		case '\\':
			if i++; i == len(p.rest) {
				return "", false
			}
			b.WriteByte(p.rest[i])
		default:
			b.WriteByte(c)
		}
	}
	return "", false
}

// tokenLength is how many octets of a token (RFC 9110 §5.6.2) s begins with.
func tokenLength(s string) int {
	for i := 0; i < len(s); i++ {
		c := s[i]
		alnum := c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z'
		if !alnum && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return i
		}
	}
	return len(s)
}

// Deflate is what was agreed on of permessage-deflate (RFC 7692 §7.1), with no
// context takeover in either direction. The zero value is: nothing.
type Deflate struct {
	// On says that the client offered it.
	On bool
	// WindowBits is the base-2 logarithm of the window the server may use to
	// compress, from 8 to 15.
	WindowBits int
	// demanded says that the client limited the window.
	demanded bool
}

const (
	deflateName = "permessage-deflate"
	minWindow   = 8
	maxWindow   = 15
)

// negotiate returns the first offer of permessage-deflate that can be kept.
func negotiate(offers []extension) Deflate {
	for _, o := range offers {
		if d, ok := o.deflate(); ok {
			return d
		}
	}
	return Deflate{}
}

// deflate reads an offer and reports whether it can be kept: it cannot if it has
// parameters that are unknown, come twice, or have a wrong value (RFC 7692
// §7.1).
func (e *extension) deflate() (Deflate, bool) {
	if e.name != deflateName {
		return Deflate{}, false
	}
	d := Deflate{On: true, WindowBits: maxWindow}
	seen := make(map[string]bool, len(e.params))
	for _, p := range e.params {
		if seen[p.name] {
			return Deflate{}, false
		}
		seen[p.name] = true
		bits, isBits := windowBits(p.value)
		switch p.name {
		case "server_no_context_takeover", "client_no_context_takeover":
			if p.hasValue {
				return Deflate{}, false
			}
		case "server_max_window_bits":
			if !isBits {
				return Deflate{}, false
			}
			d.WindowBits, d.demanded = bits, true
		case "client_max_window_bits":
			if p.hasValue && !isBits {
				return Deflate{}, false
			}
		default:
			return Deflate{}, false
		}
	}
	return d, true
}

// windowBits reads a number from 8 to 15 without leading zeros.
func windowBits(s string) (int, bool) {
	n, err := strconv.Atoi(s)
	return n, err == nil && n >= minWindow && n <= maxWindow && s[0] != '0' && s[0] != '+'
}

// Response is the value of Sec-WebSocket-Extensions that accepts the offer.
func (d Deflate) Response() string {
	s := deflateName + "; server_no_context_takeover; client_no_context_takeover"
	if d.demanded {
		s += "; server_max_window_bits=" + strconv.Itoa(d.WindowBits)
	}
	return s
}
