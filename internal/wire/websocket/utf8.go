package websocket

import "unicode/utf8"

// UTF8 checks text that arrives in pieces. The zero value is at the start of a
// text.
type UTF8 struct {
	need   uint8 // octets that the character at the end lacks
	lo, hi uint8 // what the next of them may be
}

// Check goes on with p and reports whether the text can still be UTF-8: it is
// false as soon as no continuation could mend it.
func (u *UTF8) Check(p []byte) bool {
	for len(p) > 0 && u.need > 0 {
		if !u.next(p[0]) {
			return false
		}
		p = p[1:]
	}
	whole := len(p) - lastPartial(p)
	if !utf8.Valid(p[:whole]) {
		return false
	}
	for _, c := range p[whole:] {
		if !u.next(c) {
			return false
		}
	}
	return true
}

// Whole reports whether the text may end here.
func (u *UTF8) Whole() bool { return u.need == 0 }

// lastPartial is how many octets at the end of p may be the start of a
// character that is not whole.
func lastPartial(p []byte) int {
	for i := 1; i <= min(3, len(p)); i++ {
		if c := p[len(p)-i]; c >= 0xC0 {
			return i
		} else if c < 0x80 {
			return 0
		}
	}
	return 0
}

// next takes one octet (Unicode, table 3-7).
func (u *UTF8) next(c byte) bool {
	if u.need > 0 {
		if c < u.lo || c > u.hi {
			return false
		}
		u.need--
		u.lo, u.hi = 0x80, 0xBF
		return true
	}
	u.lo, u.hi = 0x80, 0xBF
	switch {
	case c < 0x80:
	case c >= 0xC2 && c <= 0xDF:
		u.need = 1
	case c >= 0xE0 && c <= 0xEF:
		u.need = 2
		switch c {
		case 0xE0:
			u.lo = 0xA0
		case 0xED:
			u.hi = 0x9F
		}
	case c >= 0xF0 && c <= 0xF4:
		u.need = 3
		switch c {
		case 0xF0:
			u.lo = 0x90
		case 0xF4:
			u.hi = 0x8F
		}
	default:
		return false
	}
	return true
}
