package uwsgi

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// HeaderSize is the length of what comes before the variables.
const HeaderSize = 4

// The mistakes there are.
var (
	// ErrModifier: the packet is no WSGI request.
	ErrModifier = errors.New("uwsgi: modifier1 is not 0")
	// ErrSize: there is more in the variables than the caller takes.
	ErrSize = errors.New("uwsgi: the variables are too large")
	// ErrVariables: a variable ends after the packet does.
	ErrVariables = errors.New("uwsgi: the variables do not add up to the length of the packet")
)

// Parse reads the packet at the start of buf, whose variables may have limit
// octets. It returns the variables, part of buf, for Next, and the length of the
// packet: 0 while it is not there whole. An error comes as soon as it is known.
func Parse(buf []byte, limit int) (variables []byte, n int, err error) {
	if len(buf) > 0 && buf[0] != 0 {
		return nil, 0, fmt.Errorf("%w but %d", ErrModifier, buf[0])
	}
	if len(buf) < HeaderSize {
		return nil, 0, nil
	}
	size := int(binary.LittleEndian.Uint16(buf[1:]))
	switch {
	case size > limit:
		return nil, 0, fmt.Errorf("%w: %d octets", ErrSize, size)
	case len(buf) < HeaderSize+size:
		return nil, 0, nil
	}
	n = HeaderSize + size
	return buf[HeaderSize:n:n], n, nil
}

// Next takes the first variable off variables, which are not empty.
func Next(variables []byte) (name, value, rest []byte, err error) {
	if name, rest, err = short(variables); err == nil {
		value, rest, err = short(rest)
	}
	return name, value, rest, err
}

// short takes a length and so many octets off b.
func short(b []byte) (s, rest []byte, err error) {
	if len(b) < 2 {
		return nil, nil, ErrVariables
	}
	n := 2 + int(binary.LittleEndian.Uint16(b))
	if len(b) < n {
		return nil, nil, ErrVariables
	}
	return b[2:n:n], b[n:], nil
}

// Begin appends the start of a packet. Variables follow by AppendVariable, and End
// completes it.
func Begin(dst []byte) []byte { return append(dst, 0, 0, 0, 0) }

// AppendVariable appends a variable to a packet.
func AppendVariable(dst []byte, name string, value []byte) []byte {
	dst = binary.LittleEndian.AppendUint16(dst, uint16(len(name)))
	dst = append(dst, name...)
	dst = binary.LittleEndian.AppendUint16(dst, uint16(len(value)))
	return append(dst, value...)
}

// End completes a packet, from its header on. The variables may have 65535 octets
// together.
func End(packet []byte) error {
	size := len(packet) - HeaderSize
	if size > math.MaxUint16 {
		return fmt.Errorf("%w for the protocol: %d octets", ErrSize, size)
	}
	binary.LittleEndian.PutUint16(packet[1:], uint16(size))
	return nil
}
