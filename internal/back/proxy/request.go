package proxy

import (
	"bytes"
	"net/http"
	"strconv"

	"rickhouse/internal/exchange"
)

// names are the names of fields that requests get.
type names struct {
	xFor, xProto, xHost, xPrefix, forwarded, via, expect, key, version []byte
	continues, thirteen                                                []byte
}

func newNames() names {
	return names{
		xFor: []byte("x-forwarded-for"), xProto: []byte("x-forwarded-proto"), xHost: []byte("x-forwarded-host"),
		xPrefix: []byte("x-forwarded-prefix"), forwarded: []byte("forwarded"), via: []byte("via"), expect: []byte("expect"),
		key: []byte("sec-websocket-key"), version: []byte("sec-websocket-version"),
		continues: []byte("100-continue"), thirteen: []byte("13"),
	}
}

// builder makes requests of Exchanges. It is a shard's: what it made is valid until
// it makes the next.
type builder struct {
	cfg    *Config
	names  names
	host   []byte // for all requests; nil for the client's
	r      request
	fields []exchange.Field
	text   []byte
}

func newBuilder(cfg *Config) builder {
	b := builder{cfg: cfg, names: newNames()}
	if cfg.Host != "" {
		b.host = []byte(cfg.Host)
	}
	return b
}

// build makes the request of x for an upstream that is called authority where no
// Host is known. expect has the upstream say whether it wants the content.
func (b *builder) build(x *exchange.Exchange, authority []byte, expect bool) (*request, error) {
	q := &x.Request
	b.fields, b.text = b.fields[:0], b.text[:0]
	r := &b.r
	*r = request{
		x: x, script: x.Route.ScriptName, path: q.Path[len(x.Route.ScriptName):], host: b.host,
		length: q.ContentLength, upgrade: q.Upgrade, trailers: q.TrailersOK,
	}
	if r.host == nil {
		if r.host = q.Host; len(r.host) == 0 {
			r.host = authority
		}
	}
	via := b.copyFields(q)
	r.tellEmpty = q.Get("content-length") != nil
	b.via(q.Version, via)
	b.forwarded(x)
	if expect {
		b.add(b.names.expect, b.names.continues)
	}
	var err error
	r.target, err = b.target(x)
	r.fields = b.fields
	return r, err
}

func (b *builder) add(name, value []byte) {
	b.fields = append(b.fields, exchange.Field{Name: name, Value: value})
}

// copyFields copies the fields that pass, and returns the last Via.
func (b *builder) copyFields(q *exchange.Request) (via []byte) {
	for _, f := range q.Fields {
		switch string(f.Name) {
		case "host", "content-length", "expect", "upgrade", "forwarded", "x-real-ip":
		case "via":
			if via != nil {
				b.add(f.Name, via)
			}
			via = f.Value
		case "max-forwards":
			if n, ok := forwards(f); ok && string(q.Method) == http.MethodOptions {
				start := len(b.text)
				b.text = strconv.AppendUint(b.text, n-1, 10)
				f.Value = b.text[start:]
			}
			b.fields = append(b.fields, f)
		default:
			if len(f.Name) < 12 || f.Name[0] != 'x' || string(f.Name[:12]) != "x-forwarded-" {
				b.fields = append(b.fields, f)
			}
		}
	}
	return via
}

// via adds us to Via (RFC 9110 §7.6.3).
func (b *builder) via(v exchange.Version, before []byte) {
	if b.cfg.Via == "none" {
		if before != nil {
			b.add(b.names.via, before)
		}
		return
	}
	start := len(b.text)
	if before != nil {
		b.text = append(append(b.text, before...), ", "...)
	}
	switch v {
	case exchange.HTTP10:
		b.text = append(b.text, "1.0 "...)
	case exchange.HTTP2:
		b.text = append(b.text, "2 "...)
	case exchange.HTTP3:
		b.text = append(b.text, "3 "...)
	default:
		b.text = append(b.text, "1.1 "...)
	}
	b.text = append(b.text, b.cfg.Via...)
	b.add(b.names.via, b.text[start:])
}

// forwarded says who the client is, in the ways that are wanted.
func (b *builder) forwarded(x *exchange.Exchange) {
	q, how := &x.Request, b.cfg.Forwarded
	if how == "x-forwarded" || how == "both" {
		if len(q.ClientAddr) > 0 {
			b.add(b.names.xFor, q.ClientAddr)
		}
		b.add(b.names.xProto, q.Scheme)
		if len(q.Host) > 0 {
			b.add(b.names.xHost, q.Host)
		}
		if len(x.Route.ScriptName) > 0 {
			start := len(b.text)
			b.text = appendPath(b.text, x.Route.ScriptName)
			b.add(b.names.xPrefix, b.text[start:])
		}
	}
	if how == "forwarded" || how == "both" {
		start := len(b.text)
		b.text = append(b.text, "for="...)
		switch {
		case len(q.ClientAddr) == 0:
			b.text = append(b.text, "unknown"...)
		case bytes.IndexByte(q.ClientAddr, ':') >= 0:
			b.text = append(append(append(b.text, `"[`...), q.ClientAddr...), `]"`...)
		default:
			b.text = append(b.text, q.ClientAddr...)
		}
		b.text = append(append(b.text, ";proto="...), q.Scheme...)
		if len(q.Host) > 0 && bytes.IndexByte(q.Host, '"') < 0 {
			b.text = append(append(append(b.text, `;host="`...), q.Host...), '"')
		}
		b.add(b.names.forwarded, b.text[start:])
	}
}

// target is the request target that the upstream sees.
func (b *builder) target(x *exchange.Exchange) ([]byte, error) {
	q, script := &x.Request, x.Route.ScriptName
	if q.Form == exchange.AsteriskForm {
		return q.Path, nil
	}
	raw, whole := q.RawPath, true
	switch {
	case len(script) == 0 && (b.cfg.Path == "raw" || bytes.Equal(q.RawPath, q.Path)):
	case len(script) > 0 && len(q.RawPath) > len(script) && q.RawPath[len(script)] == '/' && bytes.HasPrefix(q.RawPath, script) &&
		(b.cfg.Path == "raw" || bytes.Equal(q.RawPath, q.Path)):
		raw = raw[len(script):]
	case b.cfg.Path == "raw" && !bytes.Equal(q.RawPath, script):
		return nil, &exchange.Error{Status: 400, Reason: "the raw path does not begin with the mount point of the route, as the decoded one does"}
	default:
		whole = false
	}
	if whole && len(q.Query) == 0 && !endsInMark(q.Target) {
		return raw, nil
	}
	start := len(b.text)
	if whole {
		b.text = append(b.text, raw...)
	} else if path := q.Path[len(script):]; len(path) == 0 {
		b.text = append(b.text, '/')
	} else {
		b.text = appendPath(b.text, path)
	}
	if len(q.Query) > 0 || endsInMark(q.Target) {
		b.text = append(append(b.text, '?'), q.Query...)
	}
	return b.text[start:], nil
}

// endsInMark reports whether the query is there and empty.
func endsInMark(target []byte) bool { return len(target) > 0 && target[len(target)-1] == '?' }

// appendPath appends a decoded path with percent-encoding where that is needed
// (RFC 3986 §3.3).
func appendPath(dst, path []byte) []byte {
	const hex = "0123456789ABCDEF"
	for _, c := range path {
		if plain(c) {
			dst = append(dst, c)
		} else {
			dst = append(dst, '%', hex[c>>4], hex[c&15])
		}
	}
	return dst
}

// plain reports whether c stands for itself in a path.
func plain(c byte) bool {
	switch {
	case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		return true
	}
	switch c {
	case '-', '.', '_', '~', '!', '$', '&', '\'', '(', ')', '*', '+', ',', ';', '=', ':', '@', '/':
		return true
	}
	return false
}
