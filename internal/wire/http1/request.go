package http1

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"

	"rickhouse/internal/exchange"
)

// ErrPreface is the cause of the error for a client that speaks HTTP/2 from the
// first octet (RFC 9113 §3.4).
var ErrPreface = errors.New("the client sent the HTTP/2 preface")

// Parser reads one request head after another. Make one by NewParser; it is
// used by one connection at a time and by one request at a time, since Path may
// point into it.
type Parser struct {
	limits *Limits

	// What the last head said about its connection.

	// KeepAlive is true if the client would send another request after this one.
	KeepAlive bool
	// Expect is true if the client waits for a 100 before it sends content.
	Expect bool

	scan    int // octets looked at for the end of the head
	line    int // where the line being looked at starts
	lines   int // lines seen, the request line included
	start   int // where the request line starts: 0, or 2 after an empty line
	scratch []byte
}

// NewParser returns a Parser within limits, which must have their defaults and
// outlive it.
func NewParser(limits *Limits) *Parser { return &Parser{limits: limits} }

// SetLimits has p keep other limits, which must have their defaults and outlive
// their use. It is called between heads.
func (p *Parser) SetLimits(limits *Limits) { p.limits = limits }

// Begun reports whether part of a head has been seen.
func (p *Parser) Begun() bool { return p.scan > p.start }

// Reset forgets the part of a head that has been seen.
func (p *Parser) Reset() { p.scan, p.line, p.lines, p.start = 0, 0, 0, 0 }

// Parse reads a request head from buf, which begins with what the previous call
// saw and goes on with what has arrived since (it may have been moved). It
// returns 0 while the head is incomplete, having looked at each octet once.
// When it is complete Parse returns its length and has filled req, whose slices
// point into buf and, for Path, perhaps into the Parser; field names in buf are
// put in lower case. After an error, answer it and close the connection.
//
// req's Fields keep their capacity; Scheme and the addresses are the caller's.
func (p *Parser) Parse(buf []byte, req *exchange.Request) (int, *exchange.Error) {
	end, err := p.findEnd(buf)
	if end == 0 || err != nil {
		return 0, err
	}
	head := buf[p.start:end]
	p.Reset()
	i, err := p.requestLine(head, req)
	if err != nil {
		return 0, err
	}
	var f framing
	if err := p.fields(head, i, req, &f); err != nil {
		return 0, err
	}
	if err := p.conclude(req, &f); err != nil {
		return 0, err
	}
	return end, nil
}

// findEnd returns the length of the head, or 0 if its end is not there. It holds
// the limits, so that no octet too many is waited for.
func (p *Parser) findEnd(buf []byte) (int, *exchange.Error) {
	if p.scan == 0 && len(buf) > 0 && buf[0] == '\r' {
		if len(buf) == 1 {
			return 0, nil
		}
		if buf[1] == '\n' {
			p.start, p.scan, p.line = 2, 2, 2
		}
	}
	if p.scan == p.start && len(buf) > p.start && lowerToken[buf[p.start]] == 0 {
		return 0, badStart(buf[p.start])
	}
	for {
		n := bytes.IndexByte(buf[p.scan:], '\n')
		if n < 0 {
			p.scan = len(buf)
			return 0, p.checkSize(p.scan-p.line-1, p.scan)
		}
		lf := p.scan + n
		if lf == p.line || buf[lf-1] != '\r' {
			return 0, bad("a line ends in LF without CR")
		}
		if err := p.checkSize(lf-1-p.line, lf+1); err != nil {
			return 0, err
		}
		if lf == p.line+1 {
			return lf + 1, nil
		}
		if p.lines == 0 {
			if err := checkVersion(buf[p.line : lf-1]); err != nil {
				return 0, err
			}
		}
		p.lines++
		p.scan, p.line = lf+1, lf+1
	}
}

// checkSize checks the octets of the current line and of the head so far.
func (p *Parser) checkSize(line, head int) *exchange.Error {
	switch {
	case line > p.limits.Line && p.lines == 0:
		return fail(http.StatusRequestURITooLong, "the request line is longer than %d octets", p.limits.Line)
	case line > p.limits.Line:
		return fail(http.StatusRequestHeaderFieldsTooLarge, "a field line is longer than %d octets", p.limits.Line)
	case head-p.start > p.limits.Head:
		return fail(http.StatusRequestHeaderFieldsTooLarge, "the head is longer than %d octets", p.limits.Head)
	case p.lines > p.limits.Fields && line > 0:
		return fail(http.StatusRequestHeaderFieldsTooLarge, "there are more than %d fields", p.limits.Fields)
	}
	return nil
}

// checkVersion looks at the end of the request line: a client that speaks
// HTTP/0.9 would wait for an answer, and an unknown version may have another
// head.
func checkVersion(line []byte) *exchange.Error {
	if len(line) < 9 || string(line[len(line)-9:len(line)-3]) != " HTTP/" {
		return fail(http.StatusBadRequest, "the request line %.60q does not end in a version", line)
	}
	v := line[len(line)-3:]
	switch {
	case !isDigit(v[0]) || v[1] != '.' || !isDigit(v[2]):
		return fail(http.StatusBadRequest, "%q is not a version", line[len(line)-8:])
	case v[0] == '1':
		return nil
	case string(line) == "PRI * HTTP/2.0":
		return &exchange.Error{
			Status: http.StatusHTTPVersionNotSupported,
			Reason: "HTTP/2 is not served here", Err: ErrPreface,
		}
	}
	return fail(http.StatusHTTPVersionNotSupported, "HTTP/%s is not served", v)
}

// requestLine reads the request line of head and returns where the fields start.
func (p *Parser) requestLine(head []byte, req *exchange.Request) (int, *exchange.Error) {
	i := 0
	for lowerToken[head[i]] != 0 {
		i++
	}
	if i == 0 || head[i] != ' ' {
		return 0, bad("the method is not a token followed by one space")
	}
	req.Method = head[:i:i]
	i++
	start := i
	var seen uint8
	for {
		c := class[head[i]]
		if c&inTarget == 0 {
			break
		}
		seen |= c
		i++
	}
	// checkVersion has seen that " HTTP/1.x" CRLF ends the line: no index is
	// past it, and its LF is the only one.
	if i == start || head[i] != ' ' || head[i+10] != '\n' {
		return 0, badTarget()
	}
	req.Target = head[start:i:i]
	req.Version = exchange.HTTP11
	if head[i+8] == '0' {
		req.Version = exchange.HTTP10
	}
	return i + 11, p.target(req, seen)
}

func bad(reason string) *exchange.Error {
	return &exchange.Error{Status: http.StatusBadRequest, Reason: reason}
}

func badStart(c byte) *exchange.Error {
	if c == 0x16 {
		return bad("the client speaks TLS, and this address does not")
	}
	return fail(http.StatusBadRequest, "a request cannot begin with the octet %#02x", c)
}

func fail(status int, format string, args ...any) *exchange.Error {
	return &exchange.Error{Status: status, Reason: fmt.Sprintf(format, args...)}
}
