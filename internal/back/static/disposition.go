package static

import (
	"path"
	"strings"
)

// disposition is the Content-Disposition of a file that is to be saved under its
// name (RFC 6266). A name that not every client could read as a quoted string is
// given as one that it can, and as it is by RFC 8187.
func disposition(name string) string {
	base := strings.ToValidUTF8(path.Base(name), "\ufffd")
	plain := strings.Map(func(c rune) rune {
		if c < ' ' || c > '~' || c == '"' || c == '\\' || c == '%' {
			return '_'
		}
		return c
	}, base)
	value := "attachment; filename=\"" + plain + "\""
	if plain != base {
		value += "; filename*=UTF-8''" + extended(base)
	}
	return value
}

// extended percent-encodes all but the attr-char of RFC 8187 §3.2.1.
func extended(s string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || strings.IndexByte("!#$&+-.^_`|~", c) >= 0 {
			b.WriteByte(c)
		} else {
			b.WriteByte('%')
			b.WriteByte(hex[c>>4])
			b.WriteByte(hex[c&15])
		}
	}
	return b.String()
}
