package http1

import (
	"strconv"

	"rickhouse/internal/exchange"
)

// Continue is the interim response that lets a client send its content
// (RFC 9110 §15.2.1).
const Continue = "HTTP/1.1 100 Continue\r\n\r\n"

// AppendChunkSize appends what comes before a chunk of n octets, n > 0. A CRLF
// comes after them.
func AppendChunkSize(dst []byte, n int) []byte {
	dst = strconv.AppendInt(dst, int64(n), 16)
	return append(dst, '\r', '\n')
}

// AppendChunk appends a whole chunk; an empty p appends nothing.
func AppendChunk(dst, p []byte) []byte {
	if len(p) == 0 {
		return dst
	}
	dst = AppendChunkSize(dst, len(p))
	dst = append(dst, p...)
	return append(dst, '\r', '\n')
}

// AppendLastChunk appends the end of chunked content with trailers, which the
// client must have asked for by "TE: trailers". Trailers that must not be sent
// as such are dropped. If there is an error, dst comes back as it was.
func AppendLastChunk(dst []byte, trailers []exchange.Field) ([]byte, error) {
	start := len(dst)
	dst = append(dst, '0', '\r', '\n')
	for i := range trailers {
		f := &trailers[i]
		if !AllowedInAnswer(f.Name) {
			continue
		}
		var err error
		if dst, err = appendField(dst, f); err != nil {
			return dst[:start], err
		}
	}
	return append(dst, '\r', '\n'), nil
}

// AllowedInAnswer is AllowedTrailer for a name in any case.
func AllowedInAnswer(name []byte) bool {
	var low [32]byte
	if len(name) > len(low) {
		name = name[:len(low)]
	}
	for i, c := range name {
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		low[i] = c
	}
	return AllowedTrailer(low[:len(name)])
}
