package http1

import (
	"bytes"
	"net/http"

	"rickhouse/internal/exchange"
)

// ResponseParser reads one response head after another, as strictly as Parser
// reads requests. Make one by NewResponseParser; it is used by one connection at a
// time. Its errors have the status 502.
type ResponseParser struct {
	limits *Limits

	// What the last head said about its connection.

	// KeepAlive is true if the server takes another request after this one.
	KeepAlive bool
	// Chunked is true if the content, where there is any, is in the chunked coding.
	Chunked bool
	// Upgrade is the protocol of an Upgrade field that Connection names, or nil.
	Upgrade []byte

	scan, line, lines int // as in Parser
	lengths, codings  int
	upgrade           []byte
	old               bool
	close, keepAlive  bool
	namesUpgrade      bool
	nominated         [][]byte // options of Connection that name other fields
}

// NewResponseParser returns a ResponseParser within limits, which must have their
// defaults and outlive it. All of them but Underscore apply.
func NewResponseParser(limits *Limits) *ResponseParser { return &ResponseParser{limits: limits} }

// Begun reports whether part of a head has been seen.
func (p *ResponseParser) Begun() bool { return p.scan > 0 }

// Reset forgets the part of a head that has been seen.
func (p *ResponseParser) Reset() { p.scan, p.line, p.lines = 0, 0, 0 }

// Parse reads a response head from buf, which begins with what the previous call
// saw and goes on with what has arrived since (it may have been moved). It
// returns 0 while the head is incomplete, having looked at each octet once. When
// it is complete Parse returns its length and has set the Status, Reason, Fields
// and ContentLength of res, whose slices point into buf. Fields of the connection,
// those that Connection names and Content-Length are left out; an Upgrade stays.
// Field names keep their spelling. After an error the connection is of no more use.
func (p *ResponseParser) Parse(buf []byte, res *exchange.Response) (int, *exchange.Error) {
	end, err := p.findEnd(buf)
	if end == 0 || err != nil {
		return 0, err
	}
	head := buf[:end]
	p.Reset()
	i, err := p.statusLine(head, res)
	if err != nil {
		return 0, err
	}
	if err := p.fields(head, i, res); err != nil {
		return 0, err
	}
	if err := p.conclude(res); err != nil {
		return 0, err
	}
	return end, nil
}

// Content says how the content of a response ends whose head Parse has read
// (RFC 9112 §6.3), where head and connect say that the method was HEAD or CONNECT.
func (p *ResponseParser) Content(res *exchange.Response, head, connect bool) Framing {
	switch {
	case res.Status == http.StatusSwitchingProtocols || connect && res.Status/100 == 2:
		return Tunnel
	case head || res.Status < 200 || res.Status == http.StatusNoContent || res.Status == http.StatusNotModified:
		return NoContent
	case p.Chunked:
		return ByChunks
	case res.ContentLength >= 0:
		return ByLength
	}
	return ByClose
}

func (p *ResponseParser) findEnd(buf []byte) (int, *exchange.Error) {
	for {
		n := bytes.IndexByte(buf[p.scan:], '\n')
		if n < 0 {
			p.scan = len(buf)
			if p.lines == 0 && !beginsStatus(buf) {
				return 0, invalid("what came does not begin as HTTP does: %.40q", buf)
			}
			return 0, p.checkSize(p.scan-p.line-1, p.scan)
		}
		lf := p.scan + n
		switch {
		case p.lines == 0 && !beginsStatus(buf):
			return 0, invalid("what came does not begin as HTTP does: %.40q", buf)
		case lf == p.line || buf[lf-1] != '\r':
			return 0, invalid("a line ends in LF without CR")
		}
		if err := p.checkSize(lf-1-p.line, lf+1); err != nil {
			return 0, err
		}
		if lf == p.line+1 {
			return lf + 1, nil
		}
		p.lines++
		p.scan, p.line = lf+1, lf+1
	}
}

func beginsStatus(buf []byte) bool {
	const start = "HTTP/1."
	n := min(len(buf), len(start))
	return string(buf[:n]) == start[:n]
}

func (p *ResponseParser) checkSize(line, head int) *exchange.Error {
	switch {
	case line > p.limits.Line:
		return invalid("a line is longer than %d octets", p.limits.Line)
	case head > p.limits.Head:
		return invalid("the head is longer than %d octets", p.limits.Head)
	case p.lines > p.limits.Fields && line > 0:
		return invalid("there are more than %d fields", p.limits.Fields)
	}
	return nil
}

// statusLine reads the status line (RFC 9112 §4) and returns where the fields
// start. The space before a reason phrase that is empty may be missing, as it
// often is.
func (p *ResponseParser) statusLine(head []byte, res *exchange.Response) (int, *exchange.Error) {
	end := bytes.IndexByte(head, '\r')
	line := head[:end:end]
	if len(line) < 12 || !isDigit(line[7]) || line[8] != ' ' || len(line) > 12 && line[12] != ' ' {
		return 0, invalid("the status line %.60q is malformed", line)
	}
	status := 0
	for _, c := range line[9:12] {
		if !isDigit(c) {
			return 0, invalid("the status line %.60q is malformed", line)
		}
		status = status*10 + int(c-'0')
	}
	if status < 100 {
		return 0, invalid("%d is not a status", status)
	}
	res.Status, res.Reason = status, nil
	if len(line) > 13 {
		res.Reason = line[13:]
	}
	if head[end+1] != '\n' || valueEnd(res.Reason, 0) < len(res.Reason) {
		return 0, invalid("the reason phrase holds a control character")
	}
	p.old = line[7] == '0'
	return end + 2, nil
}

func (p *ResponseParser) fields(head []byte, i int, res *exchange.Response) *exchange.Error {
	res.Fields = res.Fields[:0]
	res.ContentLength = -1
	p.lengths, p.codings, p.upgrade, p.Upgrade, p.Chunked = 0, 0, nil, nil, false
	p.close, p.keepAlive, p.namesUpgrade = false, false, false
	p.nominated = p.nominated[:0]
	for i < len(head)-2 {
		f, next, err := responseField(head, i)
		if err != nil {
			return err
		}
		i = next
		keep, err := p.note(f, res)
		if err != nil {
			return err
		}
		if keep {
			res.Fields = append(res.Fields, f)
		}
	}
	return nil
}

// responseField reads the field line of b that starts at i, where b ends in CRLF.
func responseField(b []byte, i int) (f exchange.Field, next int, err *exchange.Error) {
	start := i
	for lowerToken[b[i]] != 0 {
		i++
	}
	if i == start || b[i] != ':' {
		return f, 0, invalid("%s", badName(b, start, i).Reason)
	}
	f.Name = b[start:i:i]
	i++
	for b[i] == ' ' || b[i] == '\t' {
		i++
	}
	start = i
	i = valueEnd(b, i)
	if i+1 >= len(b) || b[i] != '\r' || b[i+1] != '\n' {
		return f, 0, invalid("the value of the field %.60q holds a control character", f.Name)
	}
	end := i
	for end > start && (b[end-1] == ' ' || b[end-1] == '\t') {
		end--
	}
	f.Value = b[start:end:end]
	return f, i + 2, nil
}

// note looks at one field and reports whether it stays among the Fields.
func (p *ResponseParser) note(f exchange.Field, res *exchange.Response) (keep bool, err *exchange.Error) {
	switch Classify(f.Name) {
	case HopField:
	case UpgradeField:
		p.upgrade = f.Value
		return true, nil
	default:
		return true, nil
	}
	switch {
	case exchange.EqualFold(f.Name, "content-length"):
		p.lengths++
		n, err := ParseLength(f.Value)
		if err != nil {
			return false, invalid("%s", err.Reason)
		}
		res.ContentLength = n
	case exchange.EqualFold(f.Name, "transfer-encoding"):
		p.codings++
		if !exchange.EqualFold(f.Value, "chunked") {
			return false, invalid("the Transfer-Encoding is %.40q, not \"chunked\" alone", f.Value)
		}
	case exchange.EqualFold(f.Name, "connection"):
		return false, p.options(f.Value)
	}
	return false, nil
}

func (p *ResponseParser) options(list []byte) *exchange.Error {
	for len(list) > 0 {
		var option []byte
		option, list = nextElement(list)
		switch {
		case exchange.EqualFold(option, "close"):
			p.close = true
		case exchange.EqualFold(option, "keep-alive"):
			p.keepAlive = true
		case exchange.EqualFold(option, "upgrade"):
			p.namesUpgrade = true
		case len(option) == 0:
		case len(p.nominated) == maxNominated:
			return invalid("Connection names more than %d fields", maxNominated)
		default:
			p.nominated = append(p.nominated, option)
		}
	}
	return nil
}

// conclude draws from the fields of a whole head what they mean together.
func (p *ResponseParser) conclude(res *exchange.Response) *exchange.Error {
	bare := res.Status < 200 || res.Status == http.StatusNoContent
	switch {
	case p.lengths > 1:
		return invalid("there is more than one Content-Length field")
	case p.codings > 1:
		return invalid("there is more than one Transfer-Encoding field")
	case p.codings > 0 && p.lengths > 0:
		return invalid("there are both Content-Length and Transfer-Encoding")
	case p.codings > 0 && p.old:
		return invalid("there is a Transfer-Encoding in HTTP/1.0")
	case bare && (p.codings > 0 || res.ContentLength > 0):
		return invalid("an answer of status %d announces content", res.Status)
	}
	if bare {
		res.ContentLength = -1 // an idle Content-Length: 0
	}
	p.Chunked = p.codings > 0
	p.KeepAlive = !p.close && (!p.old || p.keepAlive)
	if p.namesUpgrade && len(p.upgrade) > 0 {
		p.Upgrade = p.upgrade
	}
	if len(p.nominated) > 0 {
		res.Fields = p.endToEnd(res.Fields)
	}
	return nil
}

// endToEnd removes the fields that Connection names (RFC 9110 §7.6.1).
func (p *ResponseParser) endToEnd(fields []exchange.Field) []exchange.Field {
	kept := fields[:0]
	for _, f := range fields {
		if !p.names(f.Name) {
			kept = append(kept, f)
		}
	}
	return kept
}

func (p *ResponseParser) names(name []byte) bool {
	for _, option := range p.nominated {
		if bytes.EqualFold(option, name) {
			return true
		}
	}
	return false
}

func invalid(format string, args ...any) *exchange.Error {
	return fail(http.StatusBadGateway, format, args...)
}
