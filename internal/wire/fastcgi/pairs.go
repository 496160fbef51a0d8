package fastcgi

import "encoding/binary"

// Next takes the first name and value off pairs, which are not empty.
func Next(pairs []byte) (name, value, rest []byte, err error) {
	n, rest, ok := length(pairs)
	v, rest, more := length(rest)
	if !ok || !more || uint64(n)+uint64(v) > uint64(len(rest)) {
		return nil, nil, nil, ErrPairs
	}
	return rest[:n:n], rest[n : n+v : n+v], rest[n+v:], nil
}

// length takes a length of one octet, or of four, off b.
func length(b []byte) (n uint32, rest []byte, ok bool) {
	switch {
	case len(b) == 0:
		return 0, nil, false
	case b[0] < 0x80:
		return uint32(b[0]), b[1:], true
	case len(b) < 4:
		return 0, nil, false
	}
	return binary.BigEndian.Uint32(b) &^ (1 << 31), b[4:], true
}

// AppendPair appends a name and a value, each shorter than 2 GiB.
func AppendPair(dst []byte, name string, value []byte) []byte {
	dst = appendLength(appendLength(dst, len(name)), len(value))
	return append(append(dst, name...), value...)
}

func appendLength(dst []byte, n int) []byte {
	if n < 0x80 {
		return append(dst, byte(n))
	}
	return binary.BigEndian.AppendUint32(dst, uint32(n)|1<<31)
}

// AppendValues appends the answer to GET_VALUES, whose content asks for values
// by name: connections at a time, and one request on each. Names that are not
// known are left out.
func AppendValues(dst, content []byte, connections string) []byte {
	start := len(dst)
	dst = AppendHeader(dst, GetValuesResult, 0, 0)
	for len(content) > 0 {
		name, _, rest, err := Next(content)
		if err != nil {
			break
		}
		switch string(name) {
		case "FCGI_MAX_CONNS", "FCGI_MAX_REQS":
			dst = AppendPair(dst, string(name), []byte(connections))
		case "FCGI_MPXS_CONNS":
			dst = AppendPair(dst, string(name), []byte("0"))
		}
		content = rest
	}
	binary.BigEndian.PutUint16(dst[start+4:], uint16(len(dst)-start-HeaderSize))
	return dst
}
