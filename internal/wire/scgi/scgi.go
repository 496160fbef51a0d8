package scgi

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
)

// The mistakes there are.
var (
	// ErrNetstring: the request does not begin with a netstring.
	ErrNetstring = errors.New("scgi: the variables are no netstring")
	// ErrSize: there is more in the variables than the caller takes.
	ErrSize = errors.New("scgi: the variables are too large")
	// ErrVariables: a name or a value has no end, or the name is empty.
	ErrVariables = errors.New("scgi: the variables are not pairs that end in NUL")
	// ErrFirst: CONTENT_LENGTH does not come first.
	ErrFirst = errors.New("scgi: CONTENT_LENGTH is not the first variable")
)

// first is the name of the first variable, with its end.
const first = "CONTENT_LENGTH\x00"

// maxDigits is more than any length has that is taken.
const maxDigits = 9

// Parse reads the netstring at the start of buf, whose variables may have limit
// octets. It returns the variables, part of buf, for Next, and the length of the
// netstring: 0 while it is not there whole. An error comes as soon as it is known.
func Parse(buf []byte, limit int) (variables []byte, n int, err error) {
	colon := bytes.IndexByte(buf[:min(len(buf), maxDigits+1)], ':')
	digits := buf[:min(len(buf), maxDigits+1)]
	if colon >= 0 {
		digits = buf[:colon]
	}
	size := 0
	for i, c := range digits {
		if c < '0' || c > '9' || i > 0 && size == 0 {
			return nil, 0, ErrNetstring
		}
		if size = size*10 + int(c-'0'); size > limit {
			return nil, 0, fmt.Errorf("%w: %d octets or more", ErrSize, size)
		}
	}
	if colon < 0 {
		if len(digits) > maxDigits {
			return nil, 0, ErrNetstring
		}
		return nil, 0, nil
	}
	if colon == 0 {
		return nil, 0, ErrNetstring
	}
	start, end := colon+1, colon+1+size
	if have := buf[start:min(len(buf), end)]; !bytes.HasPrefix(have, []byte(first)[:min(len(first), len(have))]) || size < len(first) {
		return nil, 0, ErrFirst
	}
	switch {
	case len(buf) <= end:
		return nil, 0, nil
	case buf[end] != ',':
		return nil, 0, ErrNetstring
	}
	return buf[start:end:end], end + 1, nil
}

// Next takes the first variable off variables, which are not empty.
func Next(variables []byte) (name, value, rest []byte, err error) {
	n := bytes.IndexByte(variables, 0)
	if n <= 0 {
		return nil, nil, nil, ErrVariables
	}
	name, rest = variables[:n:n], variables[n+1:]
	if n = bytes.IndexByte(rest, 0); n < 0 {
		return nil, nil, nil, ErrVariables
	}
	return name, rest[:n:n], rest[n+1:], nil
}

// A Request is what is written of a request: the variables but CONTENT_LENGTH and
// SCGI, which Append adds. The zero value has none.
type Request struct {
	variables []byte
	err       error
}

// Reset forgets the variables.
func (r *Request) Reset() { r.variables, r.err = r.variables[:0], nil }

// Add adds a variable.
func (r *Request) Add(name string, value []byte) {
	if name == "" || bytes.IndexByte(value, 0) >= 0 || bytes.IndexByte([]byte(name), 0) >= 0 {
		r.err = fmt.Errorf("%w: %.60q", ErrVariables, name)
		return
	}
	r.variables = append(append(r.variables, name...), 0)
	r.variables = append(append(r.variables, value...), 0)
}

// Append appends the request, whose content has length octets.
func (r *Request) Append(dst []byte, length int64) ([]byte, error) {
	if r.err != nil {
		return dst, r.err
	}
	head := strconv.AppendInt([]byte(first), length, 10)
	head = append(head, "\x00SCGI\x001\x00"...)
	dst = strconv.AppendInt(dst, int64(len(head)+len(r.variables)), 10)
	dst = append(append(dst, ':'), head...)
	return append(append(dst, r.variables...), ','), nil
}
