package cgi

import (
	"bytes"
	"fmt"
	"net/http"
	"net/netip"
	"strconv"

	"rickhouse/internal/exchange"
	wire "rickhouse/internal/wire/http1"
)

// Head makes the head of a request out of variables that come one by one. It is
// used again for one request after the other: the slices of a request point into
// it, or into what was given to Add, until the next Begin.
type Head struct {
	limits *wire.Limits
	parser *wire.Parser // of the path that counts
	asked  *wire.Parser // of REQUEST_URI
	buf    []byte       // names of fields
	target []byte
	fields int
	size   int
	err    *exchange.Error

	method, script, path, uri, query, protocol         []byte
	contentType, length, https, scheme                 []byte
	serverName, serverAddr, serverPort, remote, rePort []byte
	user, authType                                     []byte
	host                                               []byte
	hosts                                              int
	chunked                                            bool // of the gateway's client
}

// fieldOverhead is what a variable counts besides its octets.
const fieldOverhead = 4

// Others is how many octets variables that are no fields may have, besides the
// limit of a head, and otherCount how many there may be.
const (
	Others     = 16 << 10
	otherCount = 200
)

// NewHead returns a Head within limits, which must have their defaults and
// outlive it.
func NewHead(limits *wire.Limits) *Head {
	return &Head{limits: limits, parser: wire.NewParser(limits), asked: wire.NewParser(limits)}
}

// SetLimits has h keep other limits from the next Begin on.
func (h *Head) SetLimits(limits *wire.Limits) {
	h.limits = limits
	h.parser.SetLimits(limits)
	h.asked.SetLimits(limits)
}

// Begin starts the head of req.
func (h *Head) Begin(req *exchange.Request) {
	*h = Head{limits: h.limits, parser: h.parser, asked: h.asked, buf: h.buf[:0], target: h.target[:0]}
	req.Fields = append(req.Fields[:0], exchange.Field{})
}

// Add takes the next variable. Of those that come twice the last one counts, as
// with everybody else; fields are all kept.
func (h *Head) Add(req *exchange.Request, name, value []byte) {
	h.fields++
	h.size += len(name) + len(value) + fieldOverhead
	switch {
	case h.err != nil:
	case h.size > h.limits.Head+Others:
		h.fail(http.StatusRequestHeaderFieldsTooLarge, "the variables are larger than %d octets", h.limits.Head+Others)
	case h.fields > h.limits.Fields+otherCount:
		h.fail(http.StatusRequestHeaderFieldsTooLarge, "there are more than %d variables", h.limits.Fields+otherCount)
	case !wire.ValidValue(value) && !h.decoded(name):
		h.fail(http.StatusBadRequest, "the variable %.60q holds a control character", name)
	case bytes.HasPrefix(name, []byte("HTTP_")):
		h.field(req, name[len("HTTP_"):], value)
	case bytes.HasPrefix(name, []byte("UWSGI_")) && string(name) != "UWSGI_SCHEME":
		h.err = &exchange.Error{Status: http.StatusForbidden, Reason: fmt.Sprintf("the gateway sent %.60s", name), Err: ErrDangerous}
	default:
		h.meta(name, value)
	}
}

// decoded reports whether a variable has percent-encoding taken off: it may hold
// anything but NUL, which the target it becomes part of is refused for.
func (h *Head) decoded(name []byte) bool {
	switch string(name) {
	case "SCRIPT_NAME", "PATH_INFO", "PATH_TRANSLATED", "DOCUMENT_URI", "SCRIPT_FILENAME":
		return true
	}
	return false
}

// fail notes the first thing that is wrong.
func (h *Head) fail(status int, format string, args ...any) {
	if h.err == nil {
		h.err = &exchange.Error{Status: status, Reason: fmt.Sprintf(format, args...)}
	}
}

// meta takes a variable that is no field. Those of no interest are passed over.
func (h *Head) meta(name, value []byte) {
	var to *[]byte
	switch string(name) {
	case "REQUEST_METHOD":
		to = &h.method
	case "SCRIPT_NAME":
		to = &h.script
	case "PATH_INFO":
		to = &h.path
		if value == nil {
			value = []byte{}
		}
	case "REQUEST_URI":
		to = &h.uri
	case "QUERY_STRING":
		to = &h.query
	case "SERVER_PROTOCOL":
		to = &h.protocol
	case "CONTENT_TYPE":
		to = &h.contentType
	case "CONTENT_LENGTH":
		if len(h.length) > 0 && !bytes.Equal(h.length, value) {
			h.fail(http.StatusBadRequest, "there are two values of CONTENT_LENGTH")
		}
		to = &h.length
	case "HTTPS":
		to = &h.https
	case "REQUEST_SCHEME", "UWSGI_SCHEME":
		to = &h.scheme
	case "SERVER_NAME":
		to = &h.serverName
	case "SERVER_ADDR":
		to = &h.serverAddr
	case "SERVER_PORT":
		to = &h.serverPort
	case "REMOTE_ADDR":
		to = &h.remote
	case "REMOTE_PORT":
		to = &h.rePort
	case "REMOTE_USER":
		to = &h.user
	case "AUTH_TYPE":
		to = &h.authType
	default:
		return
	}
	*to = value
}

// field takes a field of the client's, whose name has lost what case and dashes it
// had.
func (h *Head) field(req *exchange.Request, name, value []byte) {
	start := len(h.buf)
	for _, c := range name {
		switch {
		case c == '_':
			c = '-'
		case c >= 'A' && c <= 'Z':
			c |= 0x20
		}
		h.buf = append(h.buf, c)
	}
	low := h.buf[start:len(h.buf):len(h.buf)]
	value = trim(value)
	switch {
	case !wire.ValidName(low):
		h.fail(http.StatusBadRequest, "the variable HTTP_%.60q is no field: it is not a token", name)
	case len(low)+len(value) > h.limits.Line:
		h.fail(http.StatusRequestHeaderFieldsTooLarge, "a field is longer than %d octets", h.limits.Line)
	case !h.keeps(low, value):
	case len(req.Fields) > h.limits.Fields:
		h.fail(http.StatusRequestHeaderFieldsTooLarge, "there are more than %d fields", h.limits.Fields)
	default:
		req.Fields = append(req.Fields, exchange.Field{Name: low, Value: value})
	}
}

// keeps looks at a field and reports whether it stays among the Fields.
func (h *Head) keeps(name, value []byte) bool {
	switch string(name) {
	case "host":
		h.hosts++
		h.host = value
	case "transfer-encoding":
		h.chunked = true
	case "content-length", "content-type", // of which CGI has variables
		"connection", "keep-alive", "proxy-connection", "te", "upgrade", "expect", "trailer", "proxy":
	default:
		return true
	}
	return false
}

func trim(b []byte) []byte { return bytes.Trim(b, " \t") }

// End concludes what the variables mean. A length that is not told is 0; Unknown
// says whether there may be content all the same.
func (h *Head) End(req *exchange.Request) *exchange.Error {
	req.Version = versionOf(h.protocol)
	req.Method, req.Upgrade, req.TrailersOK = h.method, nil, false
	req.RemoteUser, req.AuthType = h.user, h.authType
	if h.err == nil && !wire.ValidName(h.method) {
		h.fail(http.StatusBadRequest, "there is no REQUEST_METHOD that is a token")
	}
	if h.err == nil && string(h.method) == "CONNECT" {
		h.fail(http.StatusNotImplemented, "CONNECT does not pass a gateway")
	}
	if h.err == nil {
		h.content(req)
	}
	if h.err == nil {
		h.err = h.paths(req)
	}
	if h.err == nil {
		h.decideHost(req)
	}
	return h.err
}

// Unknown reports whether CONTENT_LENGTH was left out, and whether the gateway's
// client had sent content in chunks then.
func (h *Head) Unknown() (absent, chunked bool) { return len(h.length) == 0, h.chunked }

// content decides how much content is to come, and adds its fields.
func (h *Head) content(req *exchange.Request) {
	req.ContentLength = 0
	if len(h.length) > 0 {
		n, err := wire.ParseLength(h.length)
		if err != nil {
			h.err = err
			return
		}
		req.ContentLength = n
		if n > 0 || string(h.method) != "GET" && string(h.method) != "HEAD" {
			req.Fields = append(req.Fields, exchange.Field{Name: []byte("content-length"), Value: h.length})
		}
	}
	if len(h.contentType) > 0 {
		req.Fields = append(req.Fields, exchange.Field{Name: []byte("content-type"), Value: trim(h.contentType)})
	}
}

// decideHost settles Request.Host and the Host field, which comes first.
func (h *Head) decideHost(req *exchange.Request) {
	host := h.host
	if len(host) == 0 {
		host = h.named(req)
	}
	switch {
	case h.hosts > 1:
		h.fail(http.StatusBadRequest, "there is more than one HTTP_HOST")
	case !wire.ValidAuthority(host):
		h.fail(http.StatusBadRequest, "the HTTP_HOST or SERVER_NAME %.60q is not valid", host)
	}
	req.Host = host
	req.Fields[0] = exchange.Field{Name: []byte("host"), Value: host}
}

// named is the host of a request that names none, as those of HTTP/1.0 may.
func (h *Head) named(req *exchange.Request) []byte {
	name := h.serverName
	if len(name) == 0 || string(name) == "_" { // nginx's way to say none
		name = h.serverAddr
	}
	if len(name) == 0 {
		name = []byte("localhost")
	}
	if bytes.IndexByte(name, ':') >= 0 && name[0] != '[' {
		name = fmt.Appendf(nil, "[%s]", name)
	}
	usual := "80"
	if string(h.Scheme(req.Scheme)) == "https" {
		usual = "443"
	}
	if p := string(h.serverPort); p != "" && p != usual {
		name = fmt.Appendf(nil, "%s:%s", name, p)
	}
	return name
}

// Scheme is the scheme that the client used as far as it is told, else otherwise.
func (h *Head) Scheme(otherwise []byte) []byte {
	switch {
	case bytes.EqualFold(h.https, []byte("on")), string(h.https) == "1", bytes.EqualFold(h.https, []byte("true")),
		len(h.https) == 0 && bytes.EqualFold(h.scheme, []byte("https")):
		return []byte("https")
	case len(h.https) > 0, bytes.EqualFold(h.scheme, []byte("http")):
		return []byte("http")
	}
	return otherwise
}

// Client is the client of the gateway. told is false if there is no REMOTE_ADDR; a
// Unix socket of the gateway's gives the zero AddrPort.
func (h *Head) Client() (client netip.AddrPort, told bool) {
	if len(h.remote) == 0 {
		return client, false
	}
	addr, err := netip.ParseAddr(string(h.remote))
	if err != nil {
		return client, true
	}
	port, _ := strconv.ParseUint(string(h.rePort), 10, 16)
	return netip.AddrPortFrom(addr.Unmap().WithZone(""), uint16(port)), true
}

// Server is the gateway's name and port, the host of the request where it tells no
// name; false where it tells no port.
func (h *Head) Server() (name []byte, port uint16, told bool) {
	n, err := strconv.ParseUint(string(h.serverPort), 10, 16)
	if err != nil || n == 0 {
		return nil, 0, false
	}
	host, _ := splitHost(h.host)
	for _, name := range [][]byte{h.serverName, h.serverAddr, bytes.Trim(host, "[]")} {
		if string(name) != "_" && wire.ValidAuthority(name) && bytes.IndexByte(name, ':') < 0 {
			return name, uint16(n), true
		}
		if a, err := netip.ParseAddr(string(name)); err == nil {
			return a.WithZone("").AppendTo(nil), uint16(n), true
		}
	}
	return nil, 0, false
}

func versionOf(protocol []byte) exchange.Version {
	switch string(protocol) {
	case "HTTP/1.0":
		return exchange.HTTP10
	case "HTTP/2.0", "HTTP/2":
		return exchange.HTTP2
	case "HTTP/3.0", "HTTP/3":
		return exchange.HTTP3
	}
	return exchange.HTTP11
}
