package http1

import (
	"math"
	"net/http"

	"rickhouse/internal/exchange"
)

const (
	// maxExtension is the most octets after the size of one chunk.
	maxExtension = 1 << 10
	// maxExcess is how many octets of framing one content may spend beyond what
	// its chunks justify: 16 octets a chunk and twice their content.
	maxExcess = 16 << 10
)

// chunkState is where a Chunked decoder is; each state names what comes next.
type chunkState uint8

const (
	chunkSize      chunkState = iota // the first digit
	chunkDigits                      // more digits, or what ends them
	chunkSpace                       // whitespace, then ";"
	chunkSemi                        // whitespace, then an extension name
	chunkName                        // more of the name, or what ends it
	chunkNameSpace                   // whitespace, then "=", ";"
	chunkEqual                       // whitespace, then a value
	chunkToken                       // more of a token
	chunkQuoted                      // more of a quoted string
	chunkEscape                      // the octet after a backslash
	chunkAfter                       // after a quoted string
	chunkLF                          // the LF of the size line
	chunkData
	chunkDataCR
	chunkDataLF
	chunkTrailer // the trailer section, line by line
	chunkDone
)

// Chunked decodes the chunked transfer coding (RFC 9112 §7.1). Octets may come
// in pieces of any size.
type Chunked struct {
	limits *Limits
	state  chunkState
	digits int
	line   int   // octets after the size of this chunk
	excess int64 // octets of framing beyond what is justified
	left   int64 // octets of content left in this chunk

	trailer []byte // the trailer section so far
	start   int    // where its last, incomplete line starts
	lines   int
}

// Reset makes c ready for another content, with limits for its trailers.
func (c *Chunked) Reset(limits *Limits) {
	*c = Chunked{limits: limits, trailer: c.trailer[:0]}
}

// Done reports whether the last chunk and the trailers have been read.
func (c *Chunked) Done() bool { return c.state == chunkDone }

// Next reads from src, which goes on where the last call stopped. It returns how
// many octets it consumed and the content among them, at most limit octets,
// which is part of src. It stops after each piece of content, when src or the
// limit is used up, and at the end, when Done holds. Call it again while it
// consumes something. After an error, answer it and close the connection.
func (c *Chunked) Next(src []byte, limit int64) (data []byte, n int, err *exchange.Error) {
	for n < len(src) {
		switch c.state {
		case chunkData:
			k := min(int64(len(src)-n), c.left, limit)
			if k == 0 {
				return nil, n, nil
			}
			c.left -= k
			if c.left == 0 {
				c.state = chunkDataCR
			}
			return src[n : n+int(k)], n + int(k), nil
		case chunkTrailer:
			if err := c.trailerOctet(src[n]); err != nil {
				return nil, n, err
			}
		case chunkDone:
			return nil, n, nil
		default:
			if err := c.octet(src[n]); err != nil {
				return nil, n, err
			}
		}
		n++
	}
	return nil, n, nil
}

// octet takes one octet of framing.
func (c *Chunked) octet(b byte) *exchange.Error {
	switch c.state {
	case chunkSize, chunkDigits:
		return c.sizeOctet(b)
	case chunkLF:
		if b != '\n' {
			return badChunk(b)
		}
		return c.begin()
	case chunkDataCR:
		if b != '\r' {
			return badChunk(b)
		}
		c.state = chunkDataLF
		return nil
	case chunkDataLF:
		if b != '\n' {
			return badChunk(b)
		}
		c.state, c.digits, c.left, c.line = chunkSize, 0, 0, 0
		return nil
	}
	c.line++
	if c.line > maxExtension {
		return bad("the extensions of a chunk are too long")
	}
	next, ok := c.extension(b)
	if !ok {
		return badChunk(b)
	}
	c.state = next
	return nil
}

func (c *Chunked) sizeOctet(b byte) *exchange.Error {
	if v := HexValue(b); v >= 0 {
		c.digits++
		if c.digits > 16 || c.left > math.MaxInt64>>4 {
			return bad("the size of a chunk is too large")
		}
		c.left = c.left<<4 | int64(v)
		c.state = chunkDigits
		return nil
	}
	if c.state == chunkSize {
		return badChunk(b)
	}
	switch b {
	case '\r':
		c.state = chunkLF
	case ';':
		c.state = chunkSemi
	case ' ', '\t':
		c.state = chunkSpace
	default:
		return badChunk(b)
	}
	return nil
}

// extension is the grammar of chunk-ext (RFC 9112 §7.1.1): what state follows b.
func (c *Chunked) extension(b byte) (next chunkState, ok bool) {
	space := b == ' ' || b == '\t'
	token := lowerToken[b] != 0
	switch c.state {
	case chunkSpace:
		return pick(space, chunkSpace, chunkSemi), space || b == ';'
	case chunkSemi:
		return pick(space, chunkSemi, chunkName), space || token
	case chunkEqual:
		if b == '"' {
			return chunkQuoted, true
		}
		return pick(space, chunkEqual, chunkToken), space || token
	case chunkQuoted:
		switch {
		case b == '"':
			return chunkAfter, true
		case b == '\\':
			return chunkEscape, true
		}
		return chunkQuoted, b >= ' ' && b != 0x7f || b == '\t'
	case chunkEscape:
		return chunkQuoted, b >= ' ' && b != 0x7f || b == '\t'
	}
	// After a name, a token or a quoted string.
	switch {
	case token && (c.state == chunkName || c.state == chunkToken):
		return c.state, true
	case b == '=' && (c.state == chunkName || c.state == chunkNameSpace):
		return chunkEqual, true
	case space && c.state == chunkName:
		return chunkNameSpace, true
	case space && c.state == chunkNameSpace:
		return chunkNameSpace, true
	case space:
		return chunkSpace, true
	case b == ';':
		return chunkSemi, true
	}
	return chunkLF, b == '\r' && c.state != chunkNameSpace
}

func pick(cond bool, a, b chunkState) chunkState {
	if cond {
		return a
	}
	return b
}

// begin starts a chunk, or the trailers after the last.
func (c *Chunked) begin() *exchange.Error {
	framing := int64(c.digits + c.line + 4)
	c.excess = max(0, c.excess+framing-16-min(2*min(c.left, math.MaxInt32), math.MaxInt32))
	if c.excess > maxExcess {
		return bad("the chunks hold too little content for their extensions")
	}
	c.state = chunkData
	if c.left == 0 {
		c.state = chunkTrailer
	}
	return nil
}

// trailerOctet takes one octet of the trailer section, within the limits of a
// head.
func (c *Chunked) trailerOctet(b byte) *exchange.Error {
	c.trailer = append(c.trailer, b)
	if len(c.trailer) > c.limits.Head || len(c.trailer)-c.start > c.limits.Line+2 {
		return fail(http.StatusRequestHeaderFieldsTooLarge, "the trailers are too long")
	}
	if b != '\n' {
		return nil
	}
	line := c.trailer[c.start:]
	if len(line) < 2 || line[len(line)-2] != '\r' {
		return bad("a line ends in LF without CR")
	}
	if len(line) == 2 {
		c.state = chunkDone
		return nil
	}
	if c.lines++; c.lines > c.limits.Fields {
		return fail(http.StatusRequestHeaderFieldsTooLarge, "there are more than %d trailers", c.limits.Fields)
	}
	if _, _, _, err := fieldLine(c.trailer, c.start); err != nil {
		return err
	}
	c.start = len(c.trailer)
	return nil
}

// AppendTrailers appends the trailer fields to dst when Done holds, without
// those that must not come in trailers (RFC 9110 §6.5.1): what frames, routes,
// authenticates or describes the message. They are valid until Reset.
func (c *Chunked) AppendTrailers(dst []exchange.Field) []exchange.Field {
	for i := 0; i < len(c.trailer)-2; {
		field, underscore, next, err := fieldLine(c.trailer, i)
		if err != nil {
			return dst
		}
		i = next
		if !underscore && AllowedTrailer(field.Name) {
			dst = append(dst, field)
		}
	}
	return dst
}

// AllowedTrailer reports whether a field of that name, in lower case, may come
// in a trailer section.
func AllowedTrailer(name []byte) bool {
	switch string(name) {
	case "transfer-encoding", "host", "connection", "keep-alive", "proxy-connection", "te", "trailer", "upgrade",
		"cache-control", "expect", "max-forwards", "pragma", "range",
		"authorization", "authentication-info", "proxy-authenticate", "proxy-authorization", "proxy-authentication-info",
		"www-authenticate", "cookie", "set-cookie", "proxy", "forwarded", "via",
		"age", "date", "expires", "location", "retry-after", "vary", "server":
		return false
	}
	return !hasPrefix(name, "content-") && !hasPrefix(name, "if-") && !hasPrefix(name, "x-forwarded-") && !hasPrefix(name, "x-real-ip")
}

func hasPrefix(b []byte, s string) bool { return len(b) >= len(s) && string(b[:len(s)]) == s }

func badChunk(b byte) *exchange.Error {
	return fail(http.StatusBadRequest, "the octet %#02x is out of place in the chunked coding", b)
}
