package http1

import (
	"bytes"
	"net/http"

	"rickhouse/internal/exchange"
)

// Target takes req.Target apart, by req.Method, for a request that came without a
// request line: it sets Form, Host, RawPath, Path and Query. Path may point into
// the Parser.
func (p *Parser) Target(req *exchange.Request) *exchange.Error {
	var seen uint8
	for _, b := range req.Target {
		c := class[b]
		if c&inTarget == 0 {
			return badTarget()
		}
		seen |= c
	}
	switch {
	case len(req.Target) == 0:
		return badTarget()
	case len(req.Target) > p.limits.Line:
		return fail(http.StatusRequestURITooLong, "the request target is longer than %d octets", p.limits.Line)
	}
	return p.target(req, seen)
}

func badTarget() *exchange.Error {
	return bad("the request target is empty or holds a space, a control character or \"#\"")
}

// target takes req.Target apart by its form (RFC 9112 §3.2). seen are the
// classes of octets in it.
func (p *Parser) target(req *exchange.Request, seen uint8) *exchange.Error {
	t := req.Target
	req.Form, req.Host, req.Query = exchange.OriginForm, nil, nil
	switch {
	case string(req.Method) == "CONNECT":
		return authorityForm(req)
	case t[0] == '/':
	case string(t) == "*":
		if string(req.Method) != "OPTIONS" {
			return bad("the target \"*\" goes with OPTIONS only")
		}
		req.Form, req.RawPath, req.Path = exchange.AsteriskForm, t, t
		return nil
	default:
		rest, err := absoluteForm(req)
		if err != nil {
			return err
		}
		t = rest
	}
	req.RawPath = t
	if q := bytes.IndexByte(t, '?'); q >= 0 {
		req.RawPath, req.Query = t[:q:q], t[q+1:]
	}
	if len(req.RawPath) == 0 {
		req.RawPath = []byte("/")
	}
	return p.path(req, seen)
}

func authorityForm(req *exchange.Request) *exchange.Error {
	host, port, ok := splitAuthority(req.Target)
	if !ok || len(host) == 0 || len(port) == 0 {
		return bad("the target of CONNECT is not host:port")
	}
	req.Form, req.Host = exchange.AuthorityForm, req.Target
	req.RawPath, req.Path = nil, nil
	return nil
}

// absoluteForm sets the host and returns the path and query.
func absoluteForm(req *exchange.Request) ([]byte, *exchange.Error) {
	t := req.Target
	switch {
	case len(t) > 7 && exchange.EqualFold(t[:7], "http://"):
		t = t[7:]
	case len(t) > 8 && exchange.EqualFold(t[:8], "https://"):
		t = t[8:]
	default:
		return nil, bad("the target is neither a path nor an http or https URI")
	}
	end := bytes.IndexAny(t, "/?")
	if end < 0 {
		end = len(t)
	}
	req.Form, req.Host = exchange.AbsoluteForm, t[:end:end]
	if host, _, ok := splitAuthority(req.Host); !ok || len(host) == 0 {
		return nil, bad("the host of the target is not valid")
	}
	return t[end:], nil
}

// splitAuthority splits host [":" port] (RFC 9110 §7.2) and reports whether it
// is well-formed. The host may be empty; an IPv6 address keeps its brackets.
func splitAuthority(b []byte) (host, port []byte, ok bool) {
	i := 0
	if len(b) > 0 && b[0] == '[' {
		for i = 1; i < len(b) && class[b[i]]&inAddr != 0; i++ {
		}
		if i < 3 || i == len(b) || b[i] != ']' {
			return nil, nil, false
		}
		i++
	} else {
		for i < len(b) && b[i] != ':' {
			switch {
			case class[b[i]]&inHost != 0:
				i++
			case b[i] == '%' && i+2 < len(b) && HexValue(b[i+1]) >= 0 && HexValue(b[i+2]) >= 0:
				i += 3
			default:
				return nil, nil, false
			}
		}
	}
	host = b[:i]
	if i == len(b) {
		return host, nil, true
	}
	if b[i] != ':' || len(b)-i > 6 {
		return nil, nil, false
	}
	port = b[i+1:]
	n := 0
	for _, c := range port {
		if !isDigit(c) {
			return nil, nil, false
		}
		n = n*10 + int(c-'0')
	}
	return host, port, n <= 65535 && (len(host) > 0 || len(port) == 0)
}

// ValidAuthority reports whether b is host [":" port] with a host.
func ValidAuthority(b []byte) bool {
	host, _, ok := splitAuthority(b)
	return ok && len(host) > 0
}

// path sets req.Path from req.RawPath. It points to the same memory where there
// is nothing to do.
func (p *Parser) path(req *exchange.Request, seen uint8) *exchange.Error {
	raw := req.RawPath
	if seen&(percent|dot) == 0 || !needsWork(raw) {
		req.Path = raw
		return nil
	}
	path := p.scratch[:0]
	for i := 0; i < len(raw); i++ {
		c := raw[i]
		if c == '%' {
			if i+2 >= len(raw) || HexValue(raw[i+1]) < 0 || HexValue(raw[i+2]) < 0 {
				return bad("the path holds a \"%\" without two hexadecimal digits")
			}
			c = byte(HexValue(raw[i+1])<<4 | HexValue(raw[i+2]))
			if c == 0 {
				return bad("the path holds %00")
			}
			i += 2
		}
		path = append(path, c)
	}
	p.scratch = path
	path, ok := removeDots(path)
	if !ok {
		return bad("the path goes above the root")
	}
	req.Path = path
	return nil
}

// needsWork reports whether raw holds a "%" or what may be a dot segment.
func needsWork(raw []byte) bool {
	last := byte(0)
	for _, c := range raw {
		if c == '%' || c == '.' && last == '/' {
			return true
		}
		last = c
	}
	return false
}

// removeDots removes the dot segments of path, which starts with "/", in place
// (RFC 3986 §5.2.4). It reports false if ".." would leave the root.
func removeDots(path []byte) ([]byte, bool) {
	w := 0
	for r := 0; r < len(path); {
		end := len(path)
		if n := bytes.IndexByte(path[r+1:], '/'); n >= 0 {
			end = r + 1 + n
		}
		switch string(path[r+1 : end]) {
		case "..":
			if w == 0 {
				return nil, false
			}
			w = bytes.LastIndexByte(path[:w], '/')
			fallthrough
		case ".":
			if end == len(path) {
				path[w] = '/'
				w++
			}
		default:
			w += copy(path[w:], path[r:end])
		}
		r = end
	}
	return path[:w], true
}
