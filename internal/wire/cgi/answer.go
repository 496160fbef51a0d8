package cgi

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"rickhouse/internal/exchange"
	wire "rickhouse/internal/wire/http1"
)

// ErrAnswer is in the chain of each error about an answer that cannot be used.
var ErrAnswer = errors.New("the upstream's answer cannot be used")

// Answer reads the head of an answer, which may come in pieces of any size. Make
// one by NewAnswer; Reset makes it ready for another.
type Answer struct {
	// Local is true if Location is a path and no status was given: RFC 3875 §6.2.2
	// has a server answer as if that had been asked for. Status is 302 all the same.
	Local bool

	limits *wire.Limits
	scan   int // octets looked at
	lines  int

	status, location, contentType, lengths int
	http                                   bool
}

// NewAnswer returns an Answer within limits, which must have their defaults and
// outlive it.
func NewAnswer(limits *wire.Limits) *Answer { return &Answer{limits: limits} }

// Reset makes a ready for another head.
func (a *Answer) Reset() { *a = Answer{limits: a.limits} }

func wrong(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrAnswer, fmt.Sprintf(format, args...))
}

// Parse reads a head from buf, which begins with what the previous call saw and
// goes on with what has come since. It returns 0 while the head is incomplete, and
// else its length, and has filled res, whose slices point into buf.
func (a *Answer) Parse(buf []byte, res *exchange.Response) (int, error) {
	for start := a.scan; ; start = a.scan {
		n := bytes.IndexByte(buf[start:], '\n')
		line := n
		if n < 0 {
			line = len(buf) - start
		}
		switch {
		case line > a.limits.Line+1:
			return 0, wrong("a line of its head is longer than %d octets", a.limits.Line)
		case start+line > a.limits.Head:
			return 0, wrong("its head is longer than %d octets", a.limits.Head)
		case n < 0:
			return 0, nil
		}
		a.scan = start + n + 1
		if n == 0 || n == 1 && buf[start] == '\r' {
			return a.scan, a.head(buf[:start], res)
		}
		if a.lines++; a.lines > a.limits.Fields+1 {
			return 0, wrong("there are more than %d fields", a.limits.Fields)
		}
	}
}

// head reads the lines of a head that is complete.
func (a *Answer) head(lines []byte, res *exchange.Response) error {
	res.Reset()
	for first := true; len(lines) > 0; first = false {
		end := bytes.IndexByte(lines, '\n')
		line := bytes.TrimSuffix(lines[:end], []byte("\r"))
		lines = lines[end+1:]
		var err error
		if first && bytes.HasPrefix(line, []byte("HTTP/")) {
			err = a.statusLine(line, res)
		} else {
			err = a.field(line, res)
		}
		if err != nil {
			return err
		}
	}
	return a.conclude(res)
}

func (a *Answer) statusLine(line []byte, res *exchange.Response) error {
	version, rest, _ := bytes.Cut(line, []byte(" "))
	if len(version) != len("HTTP/1.1") || string(version[:7]) != "HTTP/1." {
		return wrong("its first line %.60q is no status line", line)
	}
	a.http = true
	return a.setStatus(rest, res)
}

// setStatus reads a status and its reason.
func (a *Answer) setStatus(text []byte, res *exchange.Response) error {
	a.status++
	code, reason, _ := bytes.Cut(text, []byte(" "))
	n, err := strconv.ParseUint(string(code), 10, 16)
	if err != nil || len(code) != 3 || n < 200 || !wire.ValidValue(reason) {
		return wrong("%.60q is no status of an answer", text)
	}
	res.Status, res.Reason = int(n), reason
	return nil
}

func (a *Answer) field(line []byte, res *exchange.Response) error {
	colon := bytes.IndexByte(line, ':')
	if colon < 0 || !wire.ValidName(line[:colon]) {
		return wrong("the line %.60q of its head is no field", line)
	}
	name, value := line[:colon:colon], trim(line[colon+1:])
	if !wire.ValidValue(value) {
		return wrong("the value of the field %.60q holds a control character", name)
	}
	switch {
	case is(name, "Status") && !a.http:
		return a.setStatus(value, res)
	case is(name, "Status"):
		return nil
	case is(name, "Location"):
		a.location++
		a.Local = len(value) > 0 && value[0] == '/'
	case is(name, "Content-Type"):
		a.contentType++
	case is(name, "Content-Length"):
		a.lengths++
		n, err := wire.ParseLength(value)
		if err != nil {
			return wrong("%s", err.Reason)
		}
		res.ContentLength = n
		return nil
	case is(name, "Transfer-Encoding"):
		return wrong("there is a Transfer-Encoding, and the protocol has none")
	}
	if kind := wire.Classify(name); kind != wire.HopField && kind != wire.UpgradeField {
		res.Fields = append(res.Fields, exchange.Field{Name: name, Value: value})
	}
	return nil
}

func is(name []byte, s string) bool { return bytes.EqualFold(name, []byte(s)) }

// conclude draws from the fields what they mean together (RFC 3875 §6).
func (a *Answer) conclude(res *exchange.Response) error {
	switch {
	case a.lengths > 1 || a.status > 1 || a.location > 1 || a.contentType > 1:
		return wrong("a field that may come once comes twice")
	case a.status+a.location+a.contentType == 0:
		return wrong("its head has none of Status, Location and Content-Type")
	case res.Status != 0:
		a.Local = false
	case a.location > 0:
		res.Status = http.StatusFound
	default:
		res.Status = http.StatusOK
	}
	return nil
}

// Form is how a head says its status.
type Form uint8

// The forms there are.
const (
	// StatusField is that of CGI: a field of that name.
	StatusField Form = iota
	// StatusLine is that of HTTP/1.1, which uwsgi has.
	StatusLine
)

// AppendHead appends the head of res, the answer to a request of the method HEAD
// if head says so, and tells how its content is framed: ByLength, NoContent or
// ByClose, which the protocol ends in its own way. Fields that are the connection's
// business are dropped, and so is one named Status. If there is an error, dst comes
// back as it was.
func AppendHead(dst []byte, res *exchange.Response, form Form, head bool) ([]byte, wire.Framing, error) {
	start := len(dst)
	bad := func(format string, args ...any) ([]byte, wire.Framing, error) {
		return dst[:start], wire.NoContent, fmt.Errorf("%w: %s", wire.ErrResponse, fmt.Sprintf(format, args...))
	}
	if res.Status < 200 || res.Status > 999 || !wire.ValidValue(res.Reason) {
		return bad("%d %.60q is not a status here", res.Status, res.Reason)
	}
	dst = append(dst, "HTTP/1.1 "...)
	if form == StatusField {
		dst = append(dst[:start], "Status: "...)
	}
	dst = strconv.AppendInt(dst, int64(res.Status), 10)
	dst = append(dst, ' ')
	if len(res.Reason) > 0 {
		dst = append(dst, res.Reason...)
	} else {
		dst = append(dst, http.StatusText(res.Status)...)
	}
	dst = append(dst, "\r\n"...)
	for i := range res.Fields {
		f := &res.Fields[i]
		if kind := wire.Classify(f.Name); kind == wire.HopField || kind == wire.UpgradeField || is(f.Name, "Status") {
			continue
		}
		if !wire.ValidName(f.Name) || !wire.ValidValue(f.Value) {
			return bad("the field %.60q is not valid", f.Name)
		}
		dst = append(append(dst, f.Name...), ": "...)
		dst = append(append(dst, f.Value...), "\r\n"...)
	}
	framing := (&wire.Reply{Version: exchange.HTTP10, Head: head}).Framing(res)
	if res.ContentLength >= 0 && res.Status != http.StatusNoContent && res.Status != http.StatusResetContent {
		dst = append(dst, "Content-Length: "...)
		dst = append(strconv.AppendInt(dst, res.ContentLength, 10), "\r\n"...)
	}
	return append(dst, "\r\n"...), framing, nil
}
