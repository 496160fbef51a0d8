package static

import (
	"path"
	"strings"
)

// clean turns what follows the mount point, "" or "/…", into a name below the
// folder ("" is the folder itself). slash says that there is a "/" at the end. It
// reports false where no file can be meant.
func clean(rest string) (name string, slash, ok bool) {
	if rest == "" {
		return "", false, true
	}
	if rest[0] != '/' || strings.IndexByte(rest, 0) >= 0 {
		return "", false, false
	}
	name = rest[1:]
	if name == "" {
		return "", true, true
	}
	name, slash = strings.CutSuffix(name, "/")
	for s := range strings.SplitSeq(name, "/") {
		if s == "" || hidden(s) {
			return "", false, false
		}
	}
	return name, slash, true
}

// hidden reports whether a segment is not shown: dot files, but for
// .well-known (RFC 8615).
func hidden(segment string) bool { return segment[0] == '.' && segment != ".well-known" }

// expand is the name that an element of Try means, "" for none.
func expand(t, name string, slash bool) string {
	rest, ofPath := strings.CutPrefix(t, pathName)
	switch {
	case !ofPath:
		return t[1:]
	case name == "" || slash:
		return ""
	}
	return name + rest
}

// hashed reports whether a name holds a hash of the content: what stands between
// the last two of "." and "-" (before the extension) has at least eight
// hexadecimal digits, a decimal one among them, or at least eight letters of
// both cases and digits.
func hashed(name string) bool {
	stem := strings.TrimSuffix(path.Base(name), path.Ext(name))
	at := strings.LastIndexAny(stem, ".-")
	if at < 0 || len(stem)-at-1 < 8 {
		return false
	}
	digits, lower, upper, hex := 0, 0, 0, true
	for _, c := range stem[at+1:] {
		switch {
		case c >= '0' && c <= '9':
			digits++
		case c >= 'a' && c <= 'z':
			lower++
			hex = hex && c <= 'f'
		case c >= 'A' && c <= 'Z':
			upper++
			hex = hex && c <= 'F'
		case c == '_':
			hex = false
		default:
			return false
		}
	}
	return digits > 0 && (hex || lower > 0 && upper > 0)
}

// immutableControl is the Cache-Control of what never changes (RFC 8246).
const immutableControl = "public, max-age=31536000, immutable"

// cacheControl is the Cache-Control of a file, or "".
func (c *Config) cacheControl(name string) string {
	if c.Immutable && hashed(name) {
		return immutableControl
	}
	longest, value := -1, ""
	for pattern, v := range c.CacheControl {
		if fits(pattern, name) && (len(pattern) > longest || len(pattern) == longest && v < value) {
			longest, value = len(pattern), v
		}
	}
	return value
}

// fits reports whether a pattern is for a file: one with a "/" for the whole path,
// any other for the last part.
func fits(pattern, name string) bool {
	subject := path.Base(name)
	if strings.Contains(pattern, "/") {
		subject = "/" + name
	}
	ok, _ := path.Match(pattern, subject)
	return ok
}
