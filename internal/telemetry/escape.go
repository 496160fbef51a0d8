package telemetry

import "unicode/utf8"

const hexDigits = "0123456789abcdef"

// appendEscaped appends p for a line of text: printable ASCII as it is, but for
// the quotation mark and the backslash, which a backslash precedes; every other
// octet as \xNN. So nothing a client sends can end a line, imitate a field or
// command a terminal.
func appendEscaped(dst, p []byte) []byte {
	start := 0
	for i, c := range p {
		if c >= 0x20 && c < 0x7f && c != '"' && c != '\\' {
			continue
		}
		dst = append(dst, p[start:i]...)
		start = i + 1
		if c == '"' || c == '\\' {
			dst = append(dst, '\\', c)
			continue
		}
		dst = append(dst, '\\', 'x', hexDigits[c>>4], hexDigits[c&15])
	}
	return append(dst, p[start:]...)
}

// appendPrintable is appendEscaped for text that people read: quotation marks,
// backslashes and valid UTF-8 stay, control characters (C1 too), line
// separators and what is not UTF-8 become \xNN.
func appendPrintable(dst []byte, s string) []byte {
	start := 0
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == '\t' || printable(r, n) {
			i += n
			continue
		}
		dst = append(dst, s[start:i]...)
		for _, c := range []byte(s[i : i+n]) {
			dst = append(dst, '\\', 'x', hexDigits[c>>4], hexDigits[c&15])
		}
		i += n
		start = i
	}
	return append(dst, s[start:]...)
}

// printable reports whether r, decoded from n octets, may go to a terminal or a
// log as it is.
func printable(r rune, n int) bool {
	switch {
	case r < 0x20, r >= 0x7f && r <= 0x9f, r == 0x2028, r == 0x2029:
		return false
	case r == utf8.RuneError:
		return n > 1
	}
	return true
}

// appendJSON appends p as a JSON string. What is not UTF-8 becomes U+FFFD;
// what is not printable is escaped.
func appendJSON[T ~string | ~[]byte](dst []byte, p T) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(p); {
		if c := p[i]; c >= 0x20 && c < 0x7f && c != '"' && c != '\\' {
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(string(p[i:min(i+utf8.UTFMax, len(p))]))
		if r >= utf8.RuneSelf && printable(r, n) {
			i += n
			continue
		}
		dst = append(dst, p[start:i]...)
		switch r {
		case '"', '\\':
			dst = append(dst, '\\', byte(r))
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', hexDigits[r>>12&15], hexDigits[r>>8&15], hexDigits[r>>4&15], hexDigits[r&15])
		}
		i += n
		start = i
	}
	dst = append(dst, p[start:]...)
	return append(dst, '"')
}
