package websocket

import (
	"encoding/binary"
	"fmt"
)

// Opcode is what a frame carries (RFC 6455 §5.2).
type Opcode uint8

// The opcodes there are; all others are reserved.
const (
	Continuation Opcode = 0x0
	Text         Opcode = 0x1
	Binary       Opcode = 0x2
	ConnClose    Opcode = 0x8
	Ping         Opcode = 0x9
	Pong         Opcode = 0xA
)

// Control reports whether o is the opcode of a control frame.
func (o Opcode) Control() bool { return o >= ConnClose }

const (
	// MaxControl is the most octets of payload a control frame may have.
	MaxControl = 125
	// MaxHeader is the most octets of a frame header, mask included.
	MaxHeader = 14
)

const (
	finBit    = 0x80
	rsv1Bit   = 0x40
	rsv23Bits = 0x30
	maskBit   = 0x80
)

// Header is the head of a frame.
type Header struct {
	Opcode Opcode
	// Fin says that the frame ends its message.
	Fin bool
	// Compressed is RSV1 (RFC 7692 §6): the message that begins is compressed.
	Compressed bool
	Masked     bool
	Mask       [4]byte
	// Length of the payload in octets.
	Length int64
}

// ProtocolError is a broken rule, with the close code that it calls for.
type ProtocolError struct {
	Code   int
	Reason string
}

// Error says what the peer did.
func (e *ProtocolError) Error() string { return e.Reason }

func broken(format string, args ...any) *ProtocolError {
	return &ProtocolError{Code: CodeProtocolError, Reason: fmt.Sprintf(format, args...)}
}

// ParseHeader reads the header at the start of src and returns how many octets
// it has, or 0 if it is not whole. It checks what can be seen in the header
// alone; Reader checks the rest.
func ParseHeader(src []byte) (h Header, n int, err *ProtocolError) {
	if len(src) < 2 {
		return h, 0, nil
	}
	h.Opcode = Opcode(src[0] & 0xf)
	h.Fin = src[0]&finBit != 0
	h.Compressed = src[0]&rsv1Bit != 0
	h.Masked = src[1]&maskBit != 0
	if err := checkBits(&h, src[0], src[1]&^maskBit); err != nil {
		return h, 0, err
	}
	n = 2
	switch length := src[1] &^ maskBit; length {
	case 126:
		if n += 2; len(src) < n {
			return h, 0, nil
		}
		if h.Length = int64(binary.BigEndian.Uint16(src[2:])); h.Length < 126 {
			return h, 0, broken("a length is not written in its shortest form")
		}
	case 127:
		if n += 8; len(src) < n {
			return h, 0, nil
		}
		length := binary.BigEndian.Uint64(src[2:])
		if length>>63 != 0 {
			return h, 0, broken("a frame has a negative length")
		}
		if length < 1<<16 {
			return h, 0, broken("a length is not written in its shortest form")
		}
		h.Length = int64(length)
	default:
		h.Length = int64(length)
	}
	if h.Masked {
		if len(src) < n+4 {
			return h, 0, nil
		}
		n += copy(h.Mask[:], src[n:])
	}
	return h, n, nil
}

func checkBits(h *Header, first, length byte) *ProtocolError {
	switch {
	case first&rsv23Bits != 0:
		return broken("a frame has a reserved bit")
	case h.Opcode > Binary && h.Opcode < ConnClose || h.Opcode > Pong:
		return broken("a frame has the reserved opcode %#x", uint8(h.Opcode))
	case h.Opcode.Control() && !h.Fin:
		return broken("a control frame is fragmented")
	case h.Opcode.Control() && length > MaxControl:
		return broken("a control frame is longer than %d octets", MaxControl)
	case h.Compressed && (h.Opcode.Control() || h.Opcode == Continuation):
		return broken("a frame that begins no message has the bit of compression")
	}
	return nil
}

// AppendHeader appends the header of a frame. A mask is written if h.Masked.
func AppendHeader(dst []byte, h Header) []byte {
	first := byte(h.Opcode)
	if h.Fin {
		first |= finBit
	}
	if h.Compressed {
		first |= rsv1Bit
	}
	var mask byte
	if h.Masked {
		mask = maskBit
	}
	switch {
	case h.Length < 126:
		dst = append(dst, first, mask|byte(h.Length))
	case h.Length < 1<<16:
		dst = append(dst, first, mask|126)
		dst = binary.BigEndian.AppendUint16(dst, uint16(h.Length))
	default:
		dst = append(dst, first, mask|127)
		dst = binary.BigEndian.AppendUint64(dst, uint64(h.Length))
	}
	if h.Masked {
		dst = append(dst, h.Mask[:]...)
	}
	return dst
}

// XOR masks or unmasks p (RFC 6455 §5.3), whose first octet stands at the
// position pos of the payload, in place.
func XOR(p []byte, mask [4]byte, pos int) {
	var key [8]byte
	for i := range key {
		key[i] = mask[(pos+i)&3]
	}
	k := binary.LittleEndian.Uint64(key[:])
	for len(p) >= 32 {
		binary.LittleEndian.PutUint64(p, binary.LittleEndian.Uint64(p)^k)
		binary.LittleEndian.PutUint64(p[8:], binary.LittleEndian.Uint64(p[8:])^k)
		binary.LittleEndian.PutUint64(p[16:], binary.LittleEndian.Uint64(p[16:])^k)
		binary.LittleEndian.PutUint64(p[24:], binary.LittleEndian.Uint64(p[24:])^k)
		p = p[32:]
	}
	for len(p) >= 8 {
		binary.LittleEndian.PutUint64(p, binary.LittleEndian.Uint64(p)^k)
		p = p[8:]
	}
	for i := range p {
		p[i] ^= key[i&7]
	}
}
