package proxy

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"net/http"

	"rickhouse/internal/exchange"
	wire "rickhouse/internal/wire/http1"
	"rickhouse/internal/wire/http2"
)

// http1 is HTTP/1.1.
type http1 struct{ limits wire.Limits }

// newHTTP1 bounds the heads of answers, which may be larger than those of requests.
func newHTTP1() *http1 {
	return &http1{wire.Limits{Line: 32 << 10, Fields: 256, Head: 64 << 10}.WithDefaults()}
}

func (h *http1) codec() codec {
	return &http1Codec{limits: &h.limits, parser: wire.NewResponseParser(&h.limits)}
}

func (h *http1) needsLength() bool { return false }

type http1Codec struct {
	limits  *wire.Limits
	parser  *wire.ResponseParser
	chunked wire.Chunked // of the answer
	out     wire.Outgoing

	method  []byte // of the request, while it is being answered
	upgrade []byte // what was asked for
	chunks  bool   // the request's content is chunked
	keep    bool

	state   http1State
	framing wire.Framing
	left    int64
}

type http1State uint8

const (
	atHead http1State = iota
	atContent
	atEnd
)

func (c *http1Codec) begin(dst []byte, r *request) ([]byte, error) {
	c.method, c.upgrade, c.chunks = r.x.Request.Method, r.upgrade, r.length < 0
	c.state, c.keep = atHead, false
	c.parser.Reset()
	c.out = wire.Outgoing{
		Method: c.method, Target: r.target, Host: r.host, Fields: r.fields, ContentLength: r.length,
		TellEmpty: r.tellEmpty, Upgrade: r.upgrade, Trailers: r.trailers, Close: r.close,
	}
	return wire.AppendRequest(dst, &c.out)
}

func (c *http1Codec) before(dst []byte, n int) []byte {
	if c.chunks {
		return wire.AppendChunkSize(dst, n)
	}
	return dst
}

func (c *http1Codec) after(dst []byte) []byte {
	if c.chunks {
		return append(dst, '\r', '\n')
	}
	return dst
}

func (c *http1Codec) end(dst []byte, trailers []exchange.Field) []byte {
	if !c.chunks {
		return dst
	}
	dst, err := wire.AppendLastChunk(dst, trailers)
	if err != nil {
		dst, _ = wire.AppendLastChunk(dst, nil) // without trailers there is no error
	}
	return dst
}

func (c *http1Codec) next(src []byte, res *exchange.Response) (event, []byte, int, error) {
	switch c.state {
	case atHead:
		e, n, err := c.head(src, res)
		return e, nil, n, err
	case atEnd:
		return ended, nil, 0, nil
	}
	switch c.framing {
	case wire.NoContent:
		c.state = atEnd
		return ended, nil, 0, nil
	case wire.ByChunks:
		return c.chunk(src, res)
	case wire.ByLength:
		n := min(int64(len(src)), c.left)
		c.left -= n
		switch {
		case n > 0:
			return content, src[:n], int(n), nil
		case c.left == 0:
			c.state = atEnd
			return ended, nil, 0, nil
		}
		return more, nil, 0, nil
	}
	if len(src) == 0 {
		return more, nil, 0, nil
	}
	return content, src, len(src), nil
}

func (c *http1Codec) head(src []byte, res *exchange.Response) (event, int, error) {
	if len(src) == 0 {
		return more, 0, nil
	}
	if src[0] == 0 { // as the SETTINGS that begin a connection of HTTP/2 (RFC 9113 §3.4)
		switch {
		case len(src) < http2.HeaderSize:
			return more, 0, nil
		case http2.ParseHeader(src).Type == http2.Settings:
			return more, 0, errHTTP2
		}
	}
	n, err := c.parser.Parse(src, res)
	switch {
	case err != nil:
		return more, 0, err
	case n == 0:
		return more, 0, nil
	case res.Status == http.StatusSwitchingProtocols && (c.upgrade == nil || !bytes.EqualFold(c.upgrade, c.parser.Upgrade)):
		return more, 0, fmt.Errorf("it changes to %.40q, which nobody asked for", c.parser.Upgrade)
	case res.Status < 200 && res.Status != http.StatusSwitchingProtocols:
		return interim, n, nil
	}
	c.state = atContent
	c.framing = c.parser.Content(res, string(c.method) == http.MethodHead, false)
	c.left = res.ContentLength
	c.keep = c.parser.KeepAlive
	switch c.framing {
	case wire.ByChunks:
		c.chunked.Reset(c.limits)
	case wire.ByClose, wire.Tunnel:
		c.keep = false
	}
	return head, n, nil
}

func (c *http1Codec) chunk(src []byte, res *exchange.Response) (event, []byte, int, error) {
	data, n, err := c.chunked.Next(src, math.MaxInt64)
	switch {
	case err != nil:
		return more, nil, 0, errors.New(err.Reason)
	case len(data) > 0:
		return content, data, n, nil
	case c.chunked.Done():
		res.Trailers = c.chunked.AppendTrailers(res.Trailers[:0])
		c.state = atEnd
		return ended, nil, n, nil
	}
	return more, nil, n, nil
}

// errHTTP2 is about an upstream whose scheme does not say what it speaks.
var errHTTP2 = errors.New("it speaks HTTP/2 where HTTP/1.1 was asked: write h2c:// in place of http://, or h2:// in place of https://")

var (
	errNoAnswer = errors.New("the connection ended before an answer")
	errInHead   = errors.New("the connection ended within the head of the answer")
	errTooShort = errors.New("the connection ended before the answer was whole")
)

func (c *http1Codec) eof() (event, error) {
	switch {
	case c.state == atHead && c.parser.Begun():
		return more, errInHead
	case c.state == atHead:
		return more, errNoAnswer
	case c.state == atEnd || c.framing == wire.ByClose || c.framing == wire.Tunnel:
		return ended, nil
	}
	return more, errTooShort
}

func (c *http1Codec) reusable() bool { return c.keep }
