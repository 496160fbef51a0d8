package chain

import (
	"bytes"
	"fmt"
	"io"
	"math"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"rickhouse/internal/exchange"
)

// coding is a content coding (RFC 9110 §8.4.1).
type coding uint8

// The codings there are. The zero value is none.
const (
	identity coding = iota
	codingGzip
	codingBrotli
	codingZstd
	codings // how many there are
)

// String is the coding's name, as Content-Encoding has it.
func (c coding) String() string { return [...]string{"identity", "gzip", "br", "zstd"}[c] }

// parseCoding reads what an operator wrote.
func parseCoding(name string) (coding, error) {
	for c := codingGzip; c < codings; c++ {
		if c.String() == name {
			return c, nil
		}
	}
	return identity, fmt.Errorf("%q is not an encoding: there is zstd, br and gzip", name)
}

// An encoder compresses. What Write takes may stay in it until Flush or Close.
type encoder interface {
	io.Writer
	Flush() error
	Close() error
	Reset(w io.Writer)
}

// effort is how much work compression may be.
type effort struct{ gzip, brotli, zstd int }

// efforts are the values of compress_level. At the first two a piece of 32 KiB
// takes about a third of a millisecond at most; an encoder has 1 to 2 MiB, or
// 5 MiB with zstd at the last.
func efforts(level string) effort {
	switch level {
	case levelFast:
		return effort{gzip: 1, brotli: 1, zstd: int(zstd.SpeedFastest)}
	case levelSmall:
		return effort{gzip: 6, brotli: 4, zstd: int(zstd.SpeedBetterCompression)}
	}
	return effort{gzip: 5, brotli: 2, zstd: int(zstd.SpeedDefault)}
}

// windows bound what an encoder, and its client, remember: base 2 logarithms.
const (
	brotliWindow = 18
	zstdWindow   = 17
)

// newEncoder makes an encoder that has to be Reset before it is used.
func newEncoder(c coding, e effort) (encoder, error) {
	switch c {
	case codingGzip:
		return gzip.NewWriterLevel(io.Discard, e.gzip)
	case codingBrotli:
		return brotli.NewWriterOptions(io.Discard, brotli.WriterOptions{Quality: e.brotli, LGWin: brotliWindow}), nil
	}
	return zstd.NewWriter(io.Discard, zstd.WithEncoderLevel(zstd.EncoderLevel(e.zstd)), zstd.WithEncoderConcurrency(1),
		zstd.WithWindowSize(1<<zstdWindow), zstd.WithLowerEncoderMem(true), zstd.WithZeroFrames(true))
}

// quality is a qvalue (RFC 9110 §12.4.2) in thousandths.
type quality int

const (
	unsaid   quality = -1
	accepted quality = 1000
)

// choose returns the coding that a client takes and likes best; order decides
// between those it likes alike (RFC 9110 §12.5.3).
func choose(fields []exchange.Field, order []coding) coding {
	var said [codings]quality
	for i := range said {
		said[i] = unsaid
	}
	rest := unsaid // of "*"
	for i := range fields {
		if string(fields[i].Name) == "accept-encoding" {
			readAccept(fields[i].Value, &said, &rest)
		}
	}
	best, like := identity, quality(0)
	for _, c := range order {
		q := said[c]
		if q == unsaid {
			q = rest
		}
		if q > like {
			best, like = c, q
		}
	}
	if said[identity] > like {
		return identity
	}
	return best
}

// readAccept notes what one Accept-Encoding says. What cannot be read is as if it
// were not there.
func readAccept(value []byte, said *[codings]quality, rest *quality) {
	for len(value) > 0 {
		var element []byte
		element, value, _ = bytes.Cut(value, []byte(","))
		name, parameters, _ := bytes.Cut(element, []byte(";"))
		q, ok := readQuality(parameters)
		name = bytes.TrimSpace(name)
		switch {
		case !ok:
		case string(name) == "*":
			*rest = q
		case exchange.EqualFold(name, "x-gzip"):
			said[codingGzip] = q
		default:
			for c := range codings {
				if exchange.EqualFold(name, c.String()) {
					said[c] = q
				}
			}
		}
	}
}

// readQuality reads what follows the first ";": one weight or nothing.
func readQuality(p []byte) (quality, bool) {
	p = bytes.TrimSpace(p)
	if len(p) == 0 {
		return accepted, true
	}
	name, value, ok := bytes.Cut(p, []byte("="))
	if !ok || !exchange.EqualFold(bytes.TrimSpace(name), "q") {
		return 0, false
	}
	value = bytes.TrimSpace(value)
	if len(value) == 0 || len(value) > len("0.123") || value[0] != '0' && value[0] != '1' || len(value) > 1 && value[1] != '.' {
		return 0, false
	}
	q := quality(value[0]-'0') * accepted
	for i, c := range value[min(2, len(value)):] {
		if c < '0' || c > '9' {
			return 0, false
		}
		q += quality(c-'0') * quality(math.Pow10(2-i))
	}
	return q, q <= accepted
}
