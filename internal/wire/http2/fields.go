package http2

// The patterns that fields begin with (RFC 7541 §6).
const (
	indexed      = 0x80
	notIndexed   = 0x00
	neverIndexed = 0x10
	tableSize    = 0x20
)

// statusName is the index of ":status" in the static table.
const statusName = 8

// AppendStatus appends the ":status" pseudo-field; status has three digits.
func AppendStatus(dst []byte, status int) []byte {
	switch status {
	case 200:
		return append(dst, indexed|8)
	case 204:
		return append(dst, indexed|9)
	case 206:
		return append(dst, indexed|10)
	case 304:
		return append(dst, indexed|11)
	case 400:
		return append(dst, indexed|12)
	case 404:
		return append(dst, indexed|13)
	case 500:
		return append(dst, indexed|14)
	}
	return append(dst, notIndexed|statusName, 3, byte('0'+status/100%10), byte('0'+status/10%10), byte('0'+status%10))
}

// AppendNoTable says, at the start of a header block, that there is no dynamic
// table. It must be said to a peer that made its table smaller (RFC 7541 §4.2).
func AppendNoTable(dst []byte) []byte { return append(dst, tableSize) }

// AppendField appends a field, whose name is in lower case, as a literal.
func AppendField(dst, name, value []byte) []byte {
	i := staticName(name)
	pattern := byte(notIndexed)
	if i == setCookie {
		pattern = neverIndexed
	}
	dst = appendInt(dst, pattern, 4, i)
	if i == 0 {
		dst = appendInt(dst, 0, 7, len(name))
		dst = append(dst, name...)
	}
	dst = appendInt(dst, 0, 7, len(value))
	return append(dst, value...)
}

// appendInt appends n with a prefix of so many bits (RFC 7541 §5.1).
func appendInt(dst []byte, pattern byte, bits uint, n int) []byte {
	most := 1<<bits - 1
	if n < most {
		return append(dst, pattern|byte(n))
	}
	dst = append(dst, pattern|byte(most))
	for n -= most; n >= 0x80; n >>= 7 {
		dst = append(dst, byte(n)|0x80)
	}
	return append(dst, byte(n))
}

const setCookie = 55

// staticName is the index in the static table (RFC 7541, Appendix A) of a name
// that answers have, or 0.
func staticName(name []byte) int {
	switch string(name) {
	case "accept-ranges":
		return 18
	case "access-control-allow-origin":
		return 20
	case "age":
		return 21
	case "allow":
		return 22
	case "cache-control":
		return 24
	case "content-disposition":
		return 25
	case "content-encoding":
		return 26
	case "content-language":
		return 27
	case "content-length":
		return 28
	case "content-location":
		return 29
	case "content-range":
		return 30
	case "content-type":
		return 31
	case "date":
		return 33
	case "etag":
		return 34
	case "expires":
		return 36
	case "last-modified":
		return 44
	case "link":
		return 45
	case "location":
		return 46
	case "proxy-authenticate":
		return 48
	case "retry-after":
		return 53
	case "server":
		return 54
	case "set-cookie":
		return setCookie
	case "strict-transport-security":
		return 56
	case "vary":
		return 59
	case "via":
		return 60
	case "www-authenticate":
		return 61
	}
	return 0
}
