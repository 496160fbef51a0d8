package worker

import (
	"encoding/binary"
	"unicode/utf8"

	"rickhouse/internal/exchange"
)

// Head is a decoded HEAD frame, apart from what goes into the Response.
type Head struct {
	// Started is when the application was called, CLOCK_MONOTONIC nanoseconds
	// by the worker's account.
	Started int64
	// Content is what the frame carries of the content.
	Content []byte
}

// ParseHead decodes the payload of a HEAD frame into res, whose slices then
// point into p. Fields that belong to the front (Content-Length and what
// concerns one connection only) are left out. Names, values, the reason and the
// status are checked: nothing that comes back could break a message apart.
func ParseHead(h Header, p []byte, res *exchange.Response) (Head, error) {
	res.Reset()
	c := cursor{p: p}
	status := c.uint16()
	started := c.uint64()
	length := c.uint64()
	reason := c.short()
	fields := int(c.uint16())
	for i := 0; i < fields && !c.bad; i++ {
		f := exchange.Field{Name: c.short(), Value: c.short()}
		if c.bad {
			break
		}
		if !isToken(f.Name) || !isText(f.Value) {
			return Head{}, malformed("the header field %.40q is not valid", f.Name)
		}
		if !ofConnection(f.Name) {
			res.Fields = append(res.Fields, f)
		}
	}
	switch {
	case c.bad:
		return Head{}, malformed("a HEAD of %d octets is cut", len(p))
	case status < 100 || status > 999:
		return Head{}, malformed("the status %d is not valid", status)
	case (status < 200) != h.Has(Interim) && status != 101:
		return Head{}, malformed("the status %d and the flags %#x do not agree", status, h.Flags)
	case h.Has(Interim) && (len(c.p) > 0 || h.Flags&(End|IsDone) != 0):
		return Head{}, malformed("an interim HEAD with content or flags %#x", h.Flags)
	case !isText(reason):
		return Head{}, malformed("the reason phrase is not valid")
	case len(c.p) > MaxContent:
		return Head{}, malformed("content of %d octets in one frame", len(c.p))
	case h.Has(Length) && int64(length) < 0:
		return Head{}, malformed("the content length %d is not valid", length)
	}
	res.Status, res.Reason = int(status), reason
	if h.Has(Length) {
		res.ContentLength = int64(length)
	}
	return Head{Started: int64(started), Content: c.p}, nil
}

// FileRange is a decoded FILE frame: Length octets from Offset on.
type FileRange struct{ Offset, Length int64 }

// ParseFile decodes the payload of a FILE frame.
func ParseFile(p []byte) (FileRange, error) {
	c := cursor{p: p}
	r := FileRange{int64(c.uint64()), int64(c.uint64())}
	if c.bad || len(c.p) != 0 || r.Offset < 0 || r.Length < 0 || r.Offset+r.Length < 0 {
		return FileRange{}, malformed("a file range of %d octets", len(p))
	}
	return r, nil
}

// Close is a decoded CLOSE frame: how the application ends a WebSocket.
type Close struct {
	Code   uint16
	Reason []byte // UTF-8, at most 123 octets (RFC 6455 §5.5)
}

// maxReason is what fits behind the code into a control frame (RFC 6455 §5.5).
const maxReason = 123

// ParseClose decodes the payload of a CLOSE frame.
func ParseClose(p []byte) (Close, error) {
	c := cursor{p: p}
	code := c.uint16()
	if c.bad || len(c.p) > maxReason || !utf8.Valid(c.p) {
		return Close{}, malformed("a CLOSE of %d octets", len(p))
	}
	return Close{code, c.p}, nil
}

// AppendClosed writes a CLOSED frame: how a WebSocket has ended.
func AppendClosed(dst []byte, slot uint16, generation uint32, code uint16, reason string) []byte {
	h := Header{Length: uint32(2 + len(reason)), Type: Closed, Slot: slot, Generation: generation}
	return append(binary.LittleEndian.AppendUint16(AppendHeader(dst, h), code), reason...)
}

// ParseTrailers decodes the payload of a TRAILERS frame into res, whose trailers
// then point into p. Fields that must not be trailers are left out.
func ParseTrailers(p []byte, res *exchange.Response) error {
	c := cursor{p: p}
	res.Trailers = res.Trailers[:0]
	for n := c.uint16(); n > 0 && !c.bad; n-- {
		f := exchange.Field{Name: c.short(), Value: c.short()}
		if c.bad || !isToken(f.Name) || !isText(f.Value) {
			return malformed("the trailer field %.40q is not valid", f.Name)
		}
		if !ofConnection(f.Name) {
			res.Trailers = append(res.Trailers, f)
		}
	}
	if c.bad || len(c.p) > 0 {
		return malformed("TRAILERS of %d octets", len(p))
	}
	return nil
}

// cursor reads a payload from the front; bad is set where it was too short.
type cursor struct {
	p   []byte
	bad bool
}

func (c *cursor) take(n int) []byte {
	if len(c.p) < n {
		c.bad, c.p = true, nil
		return nil
	}
	b := c.p[:n:n]
	c.p = c.p[n:]
	return b
}

func (c *cursor) uint16() uint16 {
	if b := c.take(2); b != nil {
		return binary.LittleEndian.Uint16(b)
	}
	return 0
}

func (c *cursor) uint64() uint64 {
	if b := c.take(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

func (c *cursor) short() []byte { return c.take(int(c.uint16())) }

// isToken reports whether s is a token (RFC 9110 §5.6.2).
func isToken(s []byte) bool {
	for _, b := range s {
		if !tokenOctets[b] {
			return false
		}
	}
	return len(s) > 0
}

// isText reports whether s has no control characters but tabs.
func isText(s []byte) bool {
	for _, b := range s {
		if b < ' ' && b != '\t' || b == 0x7f {
			return false
		}
	}
	return true
}

var tokenOctets = func() (t [256]bool) {
	for _, b := range []byte("!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") {
		t[b] = true
	}
	return t
}()

// ofConnection reports whether a field is the front's to set: framing and
// what concerns one connection only (RFC 9110 §7.6.1).
func ofConnection(name []byte) bool {
	switch len(name) {
	case 2:
		return exchange.EqualFold(name, "te")
	case 7:
		return exchange.EqualFold(name, "trailer") || exchange.EqualFold(name, "upgrade")
	case 10:
		return exchange.EqualFold(name, "connection") || exchange.EqualFold(name, "keep-alive")
	case 14:
		return exchange.EqualFold(name, "content-length")
	case 16:
		return exchange.EqualFold(name, "proxy-connection")
	case 17:
		return exchange.EqualFold(name, "transfer-encoding")
	}
	return false
}
