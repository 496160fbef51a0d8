package http1

import (
	"net/http"

	"rickhouse/internal/exchange"
)

// framing collects what the fields of one head say about the connection.
type framing struct {
	hosts, lengths, codings int
	host                    int // index in Fields of Host, plus one
	length                  int64
	coding                  []byte
	close, keepAlive        bool
	namesUpgrade            bool // Connection names Upgrade
	upgrade                 exchange.Field
	upgradeAt               int // how many Fields came before Upgrade
	upgrades                int
	expect, expectOther     bool
	nominated               [][]byte // options of Connection that name other fields
}

// maxNominated is how many fields Connection may name besides its own: each of
// them is compared with all that there are.
const maxNominated = 32

// fields reads the field lines of head from i on into req.
func (p *Parser) fields(head []byte, i int, req *exchange.Request, f *framing) *exchange.Error {
	req.Fields = req.Fields[:0]
	req.Upgrade, req.TrailersOK = nil, false
	for i < len(head)-2 {
		field, underscore, next, err := fieldLine(head, i)
		if err != nil {
			return err
		}
		i = next
		if underscore && !p.limits.Allows(field.Name) {
			continue
		}
		keep, err := f.note(field, req)
		if err != nil {
			return err
		}
		if keep {
			req.Fields = append(req.Fields, field)
		}
	}
	return nil
}

// fieldLine reads the field line of b that starts at i, where b ends in CRLF.
func fieldLine(b []byte, i int) (f exchange.Field, underscore bool, next int, err *exchange.Error) {
	start := i
	for {
		c := lowerToken[b[i]]
		if c == 0 {
			break
		}
		if c == '_' {
			underscore = true
		}
		b[i] = c
		i++
	}
	if i == start || b[i] != ':' {
		return f, false, 0, badName(b, start, i)
	}
	f.Name = b[start:i:i]
	i++
	for b[i] == ' ' || b[i] == '\t' {
		i++
	}
	start = i
	i = valueEnd(b, i)
	if i+1 >= len(b) || b[i] != '\r' || b[i+1] != '\n' {
		return f, false, 0, fail(http.StatusBadRequest, "the value of the field %.60q holds a control character", f.Name)
	}
	end := i
	for end > start && (b[end-1] == ' ' || b[end-1] == '\t') {
		end--
	}
	f.Value = b[start:end:end]
	return f, underscore, i + 2, nil
}

func badName(b []byte, start, i int) *exchange.Error {
	switch {
	case i == start && (b[i] == ' ' || b[i] == '\t'):
		return bad("a field line is folded (it starts with whitespace)")
	case b[i] == ' ' || b[i] == '\t':
		return fail(http.StatusBadRequest, "there is whitespace between the field name %.60q and the colon", b[start:i])
	case i == start:
		return bad("a field line has no name")
	}
	return fail(http.StatusBadRequest, "a field name starts with %.60q and is not a token", b[start:i])
}

// note looks at one field and reports whether it stays among the Fields.
func (f *framing) note(field exchange.Field, req *exchange.Request) (keep bool, err *exchange.Error) {
	switch string(field.Name) {
	case "host":
		f.hosts++
		f.host = len(req.Fields) + 1
	case "content-length":
		f.lengths++
		f.length, err = ParseLength(field.Value)
	case "transfer-encoding":
		f.codings++
		f.coding = field.Value
		return false, nil
	case "connection":
		return false, f.connection(field.Value)
	case "te":
		req.TrailersOK = req.TrailersOK || listHas(field.Value, "trailers")
		return false, nil
	case "upgrade":
		f.upgrades++
		f.upgrade, f.upgradeAt = field, len(req.Fields)
		return false, nil
	case "expect":
		if exchange.EqualFold(field.Value, "100-continue") {
			f.expect = true
		} else {
			f.expectOther = true
		}
	case "keep-alive", "proxy-connection", "proxy":
		return false, nil
	}
	return true, err
}

func (f *framing) connection(list []byte) *exchange.Error {
	for len(list) > 0 {
		var option []byte
		option, list = nextElement(list)
		switch {
		case exchange.EqualFold(option, "close"):
			f.close = true
		case exchange.EqualFold(option, "keep-alive"):
			f.keepAlive = true
		case exchange.EqualFold(option, "upgrade"):
			f.namesUpgrade = true
		case len(option) == 0 || exchange.EqualFold(option, "te"):
		case len(f.nominated) == maxNominated:
			return fail(http.StatusRequestHeaderFieldsTooLarge, "Connection names more than %d fields", maxNominated)
		default:
			f.nominated = append(f.nominated, option)
		}
	}
	return nil
}

// endToEnd removes the fields that Connection names (RFC 9110 §7.6.1), but for
// those that are for all recipients: a client that could have one of those taken
// off would hide from us what it has sent to whoever is before us.
func (f *framing) endToEnd(fields []exchange.Field) []exchange.Field {
	kept := fields[:0]
	for _, field := range fields {
		if forAll(field.Name) || !f.names(field.Name) {
			kept = append(kept, field)
		}
	}
	return kept
}

func (f *framing) names(name []byte) bool {
	for _, option := range f.nominated {
		if exchange.EqualFold(option, string(name)) {
			return true
		}
	}
	return false
}

func forAll(name []byte) bool {
	switch string(name) {
	case "host", "content-length", "content-type", "content-encoding", "expect", "authorization", "cookie", "cache-control", "forwarded", "x-real-ip":
		return true
	}
	return hasPrefix(name, "x-forwarded-")
}

func listHas(list []byte, name string) bool {
	for len(list) > 0 {
		var element []byte
		if element, list = nextElement(list); exchange.EqualFold(element, name) {
			return true
		}
	}
	return false
}

// ParseLength reads a Content-Length: digits alone, at most 2^63-1.
func ParseLength(b []byte) (int64, *exchange.Error) {
	if len(b) == 0 || len(b) > 19 {
		return 0, fail(http.StatusBadRequest, "the Content-Length %.30q is not a length", b)
	}
	var n uint64
	for _, c := range b {
		if !isDigit(c) {
			return 0, fail(http.StatusBadRequest, "the Content-Length %.30q is not a length", b)
		}
		n = n*10 + uint64(c-'0')
	}
	if n > 1<<63-1 {
		return 0, fail(http.StatusBadRequest, "the Content-Length %.30q is not a length", b)
	}
	return int64(n), nil
}

// conclude draws from the fields of a whole head what they mean together.
func (p *Parser) conclude(req *exchange.Request, f *framing) *exchange.Error {
	if err := f.decideHost(req); err != nil {
		return err
	}
	if err := f.decideContent(req); err != nil {
		return err
	}
	old := req.Version == exchange.HTTP10
	if f.expectOther && !old {
		return fail(http.StatusExpectationFailed, "the only expectation there is is 100-continue")
	}
	p.Expect = f.expect && !old && req.ContentLength != 0
	p.KeepAlive = !f.close && (!old || f.keepAlive)
	if f.nominated != nil {
		req.Fields = f.endToEnd(req.Fields)
		f.upgradeAt = min(f.upgradeAt, len(req.Fields))
	}
	if f.upgrades == 1 && f.namesUpgrade && !old && len(f.upgrade.Value) > 0 {
		req.Upgrade = f.upgrade.Value
		req.Fields = append(req.Fields, exchange.Field{})
		copy(req.Fields[f.upgradeAt+1:], req.Fields[f.upgradeAt:])
		req.Fields[f.upgradeAt] = f.upgrade
	}
	return nil
}

func (f *framing) decideHost(req *exchange.Request) *exchange.Error {
	switch {
	case f.hosts > 1:
		return bad("there is more than one Host field")
	case f.hosts == 0 && req.Version == exchange.HTTP10:
		return nil
	case f.hosts == 0:
		return bad("there is no Host field")
	}
	host := &req.Fields[f.host-1]
	if _, _, ok := splitAuthority(host.Value); !ok {
		return fail(http.StatusBadRequest, "the Host %.60q is not valid", host.Value)
	}
	if req.Host != nil {
		// RFC 9112 §3.2.2: the target's host replaces what the field says.
		host.Value = req.Host
		return nil
	}
	req.Host = host.Value
	return nil
}

func (f *framing) decideContent(req *exchange.Request) *exchange.Error {
	req.ContentLength = f.length
	switch {
	case f.lengths > 1:
		return bad("there is more than one Content-Length field")
	case f.codings > 0:
		if err := f.decideCoding(req); err != nil {
			return err
		}
		req.ContentLength = -1
	case f.lengths == 0 && req.Version == exchange.HTTP10 && carriesContent(req.Method):
		// RFC 1945 §7.2.2: content without a length would end with the
		// connection, and the answer could not be sent.
		return fail(http.StatusLengthRequired, "an HTTP/1.0 %s has no Content-Length", req.Method)
	}
	if req.Form == exchange.AuthorityForm && req.ContentLength != 0 {
		return bad("CONNECT has no content")
	}
	return nil
}

func carriesContent(method []byte) bool {
	return string(method) == "POST" || string(method) == "PUT"
}

// decideCoding checks Transfer-Encoding: one field that says "chunked", alone.
func (f *framing) decideCoding(req *exchange.Request) *exchange.Error {
	switch {
	case f.lengths > 0:
		return bad("there are both Content-Length and Transfer-Encoding")
	case req.Version == exchange.HTTP10:
		return bad("there is a Transfer-Encoding in HTTP/1.0")
	case f.codings > 1:
		return bad("there is more than one Transfer-Encoding field")
	case exchange.EqualFold(f.coding, "chunked"):
		return nil
	case len(f.coding) == 0:
		return bad("the Transfer-Encoding is empty")
	}
	list, last, chunked, others := f.coding, []byte(nil), 0, 0
	for len(list) > 0 {
		if last, list = nextElement(list); exchange.EqualFold(last, "chunked") {
			chunked++
		} else {
			others++
		}
	}
	if chunked > 1 || chunked == 1 && (others == 0 || !exchange.EqualFold(last, "chunked")) {
		return fail(http.StatusBadRequest, "the Transfer-Encoding %.60q is not \"chunked\" alone", f.coding)
	}
	return fail(http.StatusNotImplemented, "the Transfer-Encoding %.60q is not served", f.coding)
}
