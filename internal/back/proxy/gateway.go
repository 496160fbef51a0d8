package proxy

import (
	"errors"
	"fmt"
	"net/http"

	"rickhouse/internal/exchange"
	"rickhouse/internal/wire/cgi"
	"rickhouse/internal/wire/fastcgi"
	wire "rickhouse/internal/wire/http1"
	"rickhouse/internal/wire/scgi"
	"rickhouse/internal/wire/uwsgi"
)

// protocolOf is what is spoken to upstreams of a scheme.
func (p *Proxy) protocolOf(scheme string) protocol {
	switch scheme {
	case "uwsgi", "fastcgi", "scgi":
		g := newGateway(scheme, p.script())
		g.keep = p.cfg.FastCGIKeepConn
		return g
	}
	return newHTTP1()
}

// script says which scripts upstreams are to run.
func (p *Proxy) script() cgi.Script {
	return cgi.Script{Root: p.cfg.ScriptRoot, Index: p.cfg.ScriptIndex, Extension: p.cfg.ScriptExtension}
}

// software is what upstreams are told that we are.
const software = "rickhouse"

// gateway is uwsgi, FastCGI or SCGI: a request as variables, and an answer of CGI.
type gateway struct {
	scheme string
	script cgi.Script
	limits wire.Limits
	keep   bool // connections of FastCGI
}

// newGateway is the protocol of that name: uwsgi, fastcgi or scgi.
func newGateway(scheme string, script cgi.Script) *gateway {
	return &gateway{scheme: scheme, script: script, limits: newHTTP1().limits}
}

// needsLength: CONTENT_LENGTH is how applications know of content at all.
func (g *gateway) needsLength() bool { return true }

func (g *gateway) codec() codec {
	c := gatewayCodec{answer: cgi.NewAnswer(&g.limits)}
	c.writer = cgi.Writer{Software: software, Script: g.script}
	switch g.scheme {
	case "fastcgi":
		return &fastcgiCodec{gatewayCodec: c, mayKeep: g.keep}
	case "scgi":
		return &scgiCodec{gatewayCodec: c}
	}
	return &uwsgiCodec{gatewayCodec: c}
}

// gatewayCodec is what the codecs of the three share: a connection that carries one
// request, and an answer that ends with it.
type gatewayCodec struct {
	answer *cgi.Answer
	writer cgi.Writer
	fields []exchange.Field
	uri    []byte

	state gatewayState
	begun bool  // part of an answer has come
	left  int64 // octets of content to come; -1 where that is not known
	none  bool  // there is no content, whatever comes
}

type gatewayState uint8

const (
	gatewayHead gatewayState = iota
	gatewayContent
	gatewayEnd
)

// variables gives the variables of r to add.
func (c *gatewayCodec) variables(r *request, length int64, add func(name string, value []byte)) {
	c.state, c.begun, c.left, c.none = gatewayHead, false, -1, false
	c.answer.Reset()
	q := r.x.Request
	c.fields = append(append(c.fields[:0], exchange.Field{Name: []byte("host"), Value: r.host}), r.fields...)
	q.Fields, q.Host = c.fields, r.host
	// The whole path, as those that serve below a mount point expect.
	c.uri = appendPath(c.uri[:0], r.script)
	if target := r.target; len(r.script) > 0 && len(r.path) == 0 && len(target) > 0 && target[0] == '/' {
		c.uri = append(c.uri, target[1:]...)
	} else {
		c.uri = append(c.uri, target...)
	}
	c.writer.Add = add
	c.writer.Request(&q, r.script, c.uri, length)
	c.none = q.IsHead()
}

func (c *gatewayCodec) before(dst []byte, _ int) []byte           { return dst }
func (c *gatewayCodec) after(dst []byte) []byte                   { return dst }
func (c *gatewayCodec) end(dst []byte, _ []exchange.Field) []byte { return dst }
func (c *gatewayCodec) reusable() bool                            { return false }

// next reads an answer that ends with the connection, or with its Content-Length.
func (c *gatewayCodec) next(src []byte, res *exchange.Response) (event, []byte, int, error) {
	switch {
	case c.state == gatewayEnd:
		return ended, nil, 0, nil
	case c.state == gatewayHead:
		n, err := c.head(src, res)
		if n == 0 || err != nil {
			return more, nil, 0, err
		}
		return head, nil, n, nil
	case c.none || c.left == 0:
		c.state = gatewayEnd
		return ended, nil, 0, nil
	}
	data := c.take(src)
	if len(data) == 0 {
		return more, nil, 0, nil
	}
	return content, data, len(data), nil
}

// head reads the head of an answer from src, and returns its length, or 0.
func (c *gatewayCodec) head(src []byte, res *exchange.Response) (int, error) {
	c.begun = c.begun || len(src) > 0
	n, err := c.answer.Parse(src, res)
	if n > 0 && err == nil {
		c.state, c.left = gatewayContent, res.ContentLength
		c.none = c.none || !wire.HasContent(res.Status, false)
	}
	return n, err
}

// take returns as much of src as is content.
func (c *gatewayCodec) take(src []byte) []byte {
	if c.left < 0 {
		return src
	}
	n := min(int64(len(src)), c.left)
	c.left -= n
	return src[:n]
}

func (c *gatewayCodec) eof() (event, error) {
	switch {
	case c.state == gatewayHead && c.begun:
		return more, errInHead
	case c.state == gatewayHead:
		return more, errNoAnswer
	case c.left > 0 && !c.none:
		return more, errTooShort
	}
	return ended, nil
}

type uwsgiCodec struct{ gatewayCodec }

func (c *uwsgiCodec) begin(dst []byte, r *request) ([]byte, error) {
	start := len(dst)
	dst = uwsgi.Begin(dst)
	c.variables(r, r.length, func(name string, value []byte) { dst = uwsgi.AppendVariable(dst, name, value) })
	if err := uwsgi.End(dst[start:]); err != nil {
		return dst, &exchange.Error{Status: http.StatusRequestHeaderFieldsTooLarge, Reason: "write the request", Err: err}
	}
	return dst, nil
}

type scgiCodec struct {
	gatewayCodec
	request scgi.Request
}

func (c *scgiCodec) begin(dst []byte, r *request) ([]byte, error) {
	c.request.Reset()
	c.variables(r, -1, c.request.Add)
	return c.request.Append(dst, max(r.length, 0))
}

// fastcgiCodec is FastCGI: content and answer are streams of records.
type fastcgiCodec struct {
	gatewayCodec
	reader fastcgi.Reader
	pairs  []byte
	part   []byte // of STDOUT: a head that is not whole, then what came after it
	rest   []byte // of part, to be given away

	mayKeep bool // there is more than one request for a connection
	keep    bool // the upstream was asked to leave this one open
}

// id is the request's: there is one.
const id = 1

func (c *fastcgiCodec) begin(dst []byte, r *request) ([]byte, error) {
	c.reader, c.pairs, c.part, c.rest = fastcgi.Reader{}, c.pairs[:0], c.part[:0], nil
	flags := uint8(0)
	if c.keep = c.mayKeep && !r.close; c.keep {
		flags = fastcgi.KeepConn
	}
	dst = fastcgi.AppendBegin(dst, id, fastcgi.Responder, flags)
	c.variables(r, r.length, func(name string, value []byte) { c.pairs = fastcgi.AppendPair(c.pairs, name, value) })
	dst = fastcgi.AppendStream(dst, fastcgi.Params, id, c.pairs)
	dst = fastcgi.AppendHeader(dst, fastcgi.Params, id, 0)
	if r.length == 0 {
		dst = fastcgi.AppendHeader(dst, fastcgi.Stdin, id, 0)
	}
	return dst, nil
}

func (c *fastcgiCodec) before(dst []byte, n int) []byte {
	return fastcgi.AppendHeader(dst, fastcgi.Stdin, id, n)
}

func (c *fastcgiCodec) end(dst []byte, _ []exchange.Field) []byte {
	return fastcgi.AppendHeader(dst, fastcgi.Stdin, id, 0)
}

func (c *fastcgiCodec) next(src []byte, res *exchange.Response) (event, []byte, int, error) {
	if len(c.rest) > 0 {
		data := c.take(c.rest)
		c.rest = nil
		if len(data) > 0 && !c.none {
			return content, data, 0, nil
		}
	}
	if c.state == gatewayEnd {
		return ended, nil, 0, nil
	}
	rec, ok, n, err := c.reader.Next(src, 1<<20)
	if err != nil || !ok || rec.ID != id {
		return more, nil, n, err
	}
	switch rec.Type {
	case fastcgi.EndRequest:
		return c.over(rec.Content, n)
	case fastcgi.Stdout:
		e, data, err := c.stdout(rec.Content, res)
		return e, data, n, err
	case fastcgi.Stderr:
		if len(rec.Content) > 0 {
			return note, rec.Content, n, nil
		}
	}
	return more, nil, n, nil
}

// stdout takes a piece of the answer.
func (c *fastcgiCodec) stdout(p []byte, res *exchange.Response) (event, []byte, error) {
	if c.state == gatewayHead {
		c.part = append(c.part, p...)
		n, err := c.head(c.part, res)
		if n == 0 || err != nil {
			return more, nil, err
		}
		c.rest = c.part[n:]
		return head, nil, nil
	}
	if p = c.take(p); len(p) == 0 || c.none {
		return more, nil, nil
	}
	return content, p, nil
}

var errOverloaded = errors.New("fastcgi: it has no room for the request")

// over takes END_REQUEST.
func (c *fastcgiCodec) over(body []byte, n int) (event, []byte, int, error) {
	_, status, err := fastcgi.ParseEnd(body)
	switch {
	case err != nil:
		return more, nil, n, err
	case status == fastcgi.Overloaded:
		return more, nil, n, errOverloaded
	case status != fastcgi.Complete:
		return more, nil, n, fmt.Errorf("fastcgi: it refuses the request, with status %d", status)
	}
	if _, err := c.gatewayCodec.eof(); err != nil {
		return more, nil, n, err
	}
	c.state = gatewayEnd
	if cap(c.part)+cap(c.pairs) > smallPiece {
		c.part, c.pairs = nil, nil // the connection may rest for long
	}
	return ended, nil, n, nil
}

func (c *fastcgiCodec) reusable() bool { return c.keep && c.reader.Between() }

// eof: without END_REQUEST an answer is not whole.
func (c *fastcgiCodec) eof() (event, error) {
	e, err := c.gatewayCodec.eof()
	if err == nil && c.state != gatewayEnd {
		return more, errTooShort
	}
	return e, err
}
