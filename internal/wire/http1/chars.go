package http1

import (
	"encoding/binary"
	"math/bits"
)

// Classes of octets, by table.
const (
	inTarget uint8 = 1 << iota // may stand in a request target
	inHost                     // may stand in a reg-name, "%" apart
	inAddr                     // may stand in an IPv6 address
	percent                    // "%"
	dot                        // "."
)

// lowerToken maps an octet of a token (RFC 9110 §5.6.2) to its lower case, and
// every other octet to 0.
var lowerToken = func() (t [256]byte) {
	for c := 'a'; c <= 'z'; c++ {
		t[c], t[c-'a'+'A'] = byte(c), byte(c)
	}
	for _, c := range []byte("0123456789!#$%&'*+-.^_`|~") {
		t[c] = c
	}
	return t
}()

var class = func() (t [256]uint8) {
	for c := 0x21; c < 256; c++ {
		if c != 0x7f && c != '#' {
			t[c] |= inTarget
		}
		if isAlnum(byte(c)) {
			t[c] |= inHost
		}
		if HexValue(byte(c)) >= 0 {
			t[c] |= inAddr
		}
	}
	for _, c := range []byte("-._~!$&'()*+;=") {
		t[c] |= inHost
	}
	t[':'] |= inAddr
	t['.'] |= inAddr | dot
	t['%'] |= percent
	return t
}()

func isAlnum(c byte) bool {
	return isDigit(c) || c|0x20 >= 'a' && c|0x20 <= 'z'
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// HexValue is the value of a hexadecimal digit, or -1.
func HexValue(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

const (
	ones  = ^uint64(0) / 255
	highs = ones * 0x80
)

// valueEnd returns the index, from i on, of the first octet of b that may not
// stand in a field value (RFC 9110 §5.5: HTAB, SP, VCHAR and obs-text may), or
// len(b). It looks at eight octets at a time.
func valueEnd(b []byte, i int) int {
	for i+8 <= len(b) {
		v := binary.LittleEndian.Uint64(b[i:])
		del := v ^ ones*0x7f
		ctl := (v-ones*0x20)&^v&highs | (del-ones)&^del&highs
		if ctl == 0 {
			i += 8
			continue
		}
		// Borrows spoil only octets after the first hit, so the first is right.
		i += bits.TrailingZeros64(ctl) / 8
		if b[i] != '\t' {
			return i
		}
		i++
	}
	for i < len(b) && (b[i] >= ' ' && b[i] != 0x7f || b[i] == '\t') {
		i++
	}
	return i
}

// isToken reports whether b is a token.
func isToken(b []byte) bool {
	for _, c := range b {
		if lowerToken[c] == 0 {
			return false
		}
	}
	return len(b) > 0
}

// trim removes spaces and tabs from both ends.
func trim(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
		b = b[:len(b)-1]
	}
	return b
}

// nextElement cuts the first element off a comma-separated list (RFC 9110
// §5.6.1); the element is trimmed and may be empty.
func nextElement(list []byte) (element, rest []byte) {
	for i, c := range list {
		if c == ',' {
			return trim(list[:i]), list[i+1:]
		}
	}
	return trim(list), nil
}

// ValidName reports whether b can be the name of a field.
func ValidName(b []byte) bool { return isToken(b) }

// ValidValue reports whether b can be the value of a field.
func ValidValue(b []byte) bool { return valueEnd(b, 0) == len(b) }

// ValidLowerName reports whether b can be the name of a field and is in lower
// case, and whether it holds a "_".
func ValidLowerName(b []byte) (valid, underscore bool) {
	for _, c := range b {
		if lowerToken[c] != c || c == 0 {
			return false, false
		}
		underscore = underscore || c == '_'
	}
	return len(b) > 0, underscore
}

// AppendLowerName appends the name of a field in lower case, or reports false if
// it cannot be one.
func AppendLowerName(dst, name []byte) ([]byte, bool) {
	for _, c := range name {
		low := lowerToken[c]
		if low == 0 {
			return dst, false
		}
		dst = append(dst, low)
	}
	return dst, len(name) > 0
}
