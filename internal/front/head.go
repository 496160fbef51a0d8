package front

import (
	"bytes"
	"errors"
	"net/http"

	"rickhouse/internal/exchange"
	wire "rickhouse/internal/wire/http1"
)

// ErrMalformed is the cause of errors about messages that HTTP/2 and HTTP/3 have
// no answer for: their stream is reset (RFC 9113 §8.1.1, RFC 9114 §4.1.2).
var ErrMalformed = errors.New("the message is malformed")

// Head makes the head of a request out of fields that come one by one, as HTTP/2
// and HTTP/3 bring them (RFC 9113 §8.3, RFC 9114 §4.3), by the rules and within
// the limits that HTTP/1 has. It is used again for one request after the other:
// the slices of a request point into it until the next Begin.
type Head struct {
	// Expect is true if the client waits for a 100 before it sends content.
	Expect bool

	limits *wire.Limits
	parser *wire.Parser
	names  names
	req    *exchange.Request
	buf    []byte
	crumbs [][]byte // of the cookie, RFC 9113 §8.2.3
	cookie int      // index in Fields of the first crumb
	err    *exchange.Error

	method, scheme, path, authority, protocol, host []byte

	lengths, fields, size int
	length                int64
	regular, trailers     bool
	expectOther           bool
}

// fieldOverhead is what a field counts besides its octets (RFC 9113 §6.5.2).
const fieldOverhead = 32

// maxKept is how large a buffer may be to be kept for later.
const maxKept = 8 << 10

// names are what a request gets that did not come.
type names struct{ host, get []byte }

// NewHead returns a Head within limits, which must have their defaults and
// outlive it.
func NewHead(limits *wire.Limits) *Head {
	return &Head{limits: limits, parser: wire.NewParser(limits), names: names{[]byte("host"), []byte("GET")}}
}

// SetLimits has h keep other limits from the next Begin on.
func (h *Head) SetLimits(limits *wire.Limits) {
	h.limits = limits
	h.parser.SetLimits(limits)
}

// Begin starts the head of req.
func (h *Head) Begin(req *exchange.Request) {
	buf := h.buf[:0]
	if cap(buf) > maxKept {
		buf = nil
	}
	clear(h.crumbs)
	*h = Head{limits: h.limits, parser: h.parser, names: h.names, req: req, buf: buf, crumbs: h.crumbs[:0], cookie: -1}
	req.Fields = append(req.Fields[:0], exchange.Field{})
}

// BeginTrailers starts the trailers of the request that Begin was called for.
func (h *Head) BeginTrailers() {
	h.trailers, h.fields, h.size, h.err = true, 0, 0, nil
	h.req.Trailers = h.req.Trailers[:0]
}

// Add takes the next field. After a limit has been passed nothing is kept.
func (h *Head) Add(name, value string) {
	h.fields++
	h.size += len(name) + len(value) + fieldOverhead
	switch {
	case h.malformed():
		return
	case h.size > h.limits.Head:
		h.fail(http.StatusRequestHeaderFieldsTooLarge, "the head is larger than %d octets", h.limits.Head)
		return
	case h.fields > h.limits.Fields+5:
		h.tooMany()
		return
	}
	start := len(h.buf)
	h.buf = append(append(h.buf, name...), value...)
	n, end := start+len(name), len(h.buf)
	f := exchange.Field{Name: h.buf[start:n:n], Value: h.buf[n:end:end]}
	switch {
	case !validValue(f.Value):
		h.bad("the value of the field %.60q holds a control character, or space at its ends", name)
	case len(name) > 0 && name[0] == ':':
		h.pseudo(f)
	default:
		h.field(f)
	}
}

func validValue(v []byte) bool {
	if n := len(v); n > 0 && (v[0] == ' ' || v[0] == '\t' || v[n-1] == ' ' || v[n-1] == '\t') {
		return false
	}
	return wire.ValidValue(v)
}

func (h *Head) tooMany() {
	h.fail(http.StatusRequestHeaderFieldsTooLarge, "there are more than %d fields", h.limits.Fields)
}

func (h *Head) malformed() bool { return h.err != nil && h.err.Err != nil }

// fail notes the first thing that is wrong.
func (h *Head) fail(status int, format string, args ...any) {
	if h.err == nil {
		h.err = Refusal(status, format, args...)
	}
}

// bad notes that the message is malformed, which goes before all else.
func (h *Head) bad(format string, args ...any) {
	if !h.malformed() {
		h.err = Refusal(http.StatusBadRequest, format, args...)
		h.err.Err = ErrMalformed
	}
}

// pseudo takes a pseudo-field (RFC 9113 §8.3.1, RFC 8441 §4).
func (h *Head) pseudo(f exchange.Field) {
	var to *[]byte
	switch string(f.Name) {
	case ":method":
		to = &h.method
	case ":scheme":
		to = &h.scheme
	case ":path":
		to = &h.path
	case ":authority":
		to = &h.authority
	case ":protocol":
		to = &h.protocol
	}
	switch {
	case h.trailers || to == nil:
		h.bad("there is a pseudo-field %.60q", f.Name)
	case h.regular:
		h.bad("the pseudo-field %s comes after other fields", f.Name)
	case *to != nil:
		h.bad("the pseudo-field %s comes twice", f.Name)
	default:
		*to = f.Value
	}
}

// field takes a field of the message.
func (h *Head) field(f exchange.Field) {
	h.regular = true
	valid, underscore := wire.ValidLowerName(f.Name)
	switch {
	case !valid:
		h.bad("the field name %.60q is not a token in lower case", f.Name)
	case len(f.Name)+len(f.Value) > h.limits.Line:
		h.fail(http.StatusRequestHeaderFieldsTooLarge, "a field is longer than %d octets", h.limits.Line)
	case h.trailers:
		h.trailer(f, underscore)
	case underscore && !h.limits.Allows(f.Name):
	case h.note(f):
		h.req.Fields = append(h.req.Fields, f)
	}
}

func (h *Head) trailer(f exchange.Field, underscore bool) {
	switch {
	case connectionField(f.Name):
		h.bad("there is a %s field", f.Name)
	case !underscore && wire.AllowedTrailer(f.Name):
		h.req.Trailers = append(h.req.Trailers, f)
	}
}

// connectionField tells the fields that only HTTP/1 has (RFC 9113 §8.2.2).
func connectionField(name []byte) bool {
	switch string(name) {
	case "connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade":
		return true
	}
	return false
}

// note looks at a field and reports whether it stays among the Fields.
func (h *Head) note(f exchange.Field) bool {
	switch string(f.Name) {
	case "host":
		if h.host != nil {
			h.bad("there is more than one Host field")
		}
		h.host = f.Value
		return false
	case "content-length":
		n, err := wire.ParseLength(f.Value)
		if err != nil || h.lengths > 0 {
			h.bad("the Content-Length %.30q is not a length, or not the only one", f.Value)
		}
		h.lengths++
		h.length = n
	case "cookie":
		h.crumbs = append(h.crumbs, f.Value)
		if h.cookie < 0 {
			h.cookie = len(h.req.Fields)
			return true
		}
		return false
	case "te":
		if !exchange.EqualFold(f.Value, "trailers") {
			h.bad("the TE %.60q is not \"trailers\"", f.Value)
		}
		h.req.TrailersOK = true
		return false
	case "expect":
		h.Expect = exchange.EqualFold(f.Value, "100-continue")
		h.expectOther = !h.Expect
	case "proxy":
		return false
	default:
		if connectionField(f.Name) {
			h.bad("there is a %s field", f.Name)
		}
	}
	return true
}

// EndTrailers says whether the trailers can be used.
func (h *Head) EndTrailers() *exchange.Error {
	if h.err == nil && h.fields > h.limits.Fields {
		h.tooMany()
	}
	return h.err
}

// End concludes what the head means, ended saying that no content follows. An
// error is malformed (see ErrMalformed) or has an answer.
func (h *Head) End(version exchange.Version, ended bool) *exchange.Error {
	req := h.req
	req.Version = version
	req.Method, req.Upgrade = h.method, nil
	h.joinCookie()
	switch {
	case h.malformed():
		return h.err
	case !wire.ValidName(h.method):
		h.bad("there is no :method that is a token")
		return h.err
	}
	h.target()
	h.content(ended)
	if h.err == nil && len(req.Fields)-1 > h.limits.Fields {
		h.tooMany()
	}
	if h.err != nil {
		return h.err
	}
	h.err = h.parser.Target(req)
	h.decideHost()
	if h.err == nil && h.expectOther {
		h.fail(http.StatusExpectationFailed, "the only expectation there is is 100-continue")
	}
	h.Expect = h.Expect && req.ContentLength != 0
	return h.err
}

// joinCookie makes one field of the crumbs.
func (h *Head) joinCookie() {
	if len(h.crumbs) < 2 {
		return
	}
	start := len(h.buf)
	for i, c := range h.crumbs {
		if i > 0 {
			h.buf = append(h.buf, "; "...)
		}
		h.buf = append(h.buf, c...)
	}
	h.req.Fields[h.cookie].Value = h.buf[start:len(h.buf):len(h.buf)]
}

// target decides what the pseudo-fields ask for.
func (h *Head) target() {
	req := h.req
	connect := string(h.method) == "CONNECT"
	switch {
	case connect && h.protocol == nil:
		if h.scheme != nil || h.path != nil || h.authority == nil {
			h.bad("CONNECT has a :scheme or :path, or no :authority")
		}
		req.Target = h.authority
		return
	case h.protocol != nil && !connect:
		h.bad("there is a :protocol and the method is not CONNECT")
	case len(h.scheme) == 0 || len(h.path) == 0:
		h.bad("there is no :scheme or no :path")
	case h.path[0] != '/' && string(h.path) != "*":
		h.bad("the :path %.60q is not a path", h.path)
	case h.protocol != nil && (len(h.authority) == 0 || len(h.protocol) == 0):
		h.bad("an extended CONNECT has no :authority or an empty :protocol")
	case !exchange.EqualFold(h.scheme, "http") && !exchange.EqualFold(h.scheme, "https"):
		h.fail(http.StatusBadRequest, "the :scheme %.60q is not served", h.scheme)
	}
	req.Target = h.path
	if connect {
		// Whoever answers sees what it would see over HTTP/1 (RFC 8441 §5).
		req.Method, req.Upgrade = h.names.get, h.protocol
	}
}

// decideHost settles Request.Host and the Host field, which comes first.
func (h *Head) decideHost() {
	req := h.req
	authority := h.authority
	switch {
	case len(authority) == 0:
		authority = h.host
	case h.host != nil && !bytes.EqualFold(h.host, authority):
		h.bad("the Host %.60q is not the :authority", h.host)
	}
	if h.err == nil && !wire.ValidAuthority(authority) {
		h.fail(http.StatusBadRequest, "there is no :authority or Host, or it is not valid: %.60q", authority)
	}
	req.Host = authority
	req.Fields[0] = exchange.Field{Name: h.names.host, Value: authority}
}

// content decides how much content is to come.
func (h *Head) content(ended bool) {
	req := h.req
	switch {
	case req.Upgrade != nil || req.Upgrade == nil && string(req.Method) == "CONNECT":
		req.ContentLength = 0
		if h.lengths > 0 {
			h.bad("CONNECT has no content")
		}
	case ended && h.length > 0:
		h.bad("the content is shorter than its Content-Length")
	case ended || h.lengths > 0:
		req.ContentLength = h.length
	default:
		req.ContentLength = -1
	}
}
