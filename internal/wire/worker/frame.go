package worker

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Type is the type of a frame.
type Type uint8

// The frames that the front sends.
const (
	Hello   Type = 1
	Request Type = 2
	Data    Type = 3
	Window  Type = 4
	Cancel  Type = 5
	Stop    Type = 6
	Closed  Type = 7
)

// The frames that a worker sends.
const (
	Ready        Type = 16
	Failed       Type = 17
	AnswerHead   Type = 18
	AnswerData   Type = 19
	AnswerFile   Type = 20
	AnswerAbort  Type = 21
	Done         Type = 22
	AnswerWindow Type = 23
	AnswerClose  Type = 24
	Trailers     Type = 25
)

// Flags of a frame.
type Flags uint8

// The flags there are; docs/link.md says which frames may carry them.
const (
	End           Flags = 0x01
	Cut           Flags = 0x02
	IsDone        Flags = 0x04
	Interim       Flags = 0x08
	Length        Flags = 0x10
	Text          Flags = 0x20 // of a piece of a message
	WebSocket     Flags = 0x20 // of a REQUEST
	TakesTrailers Flags = 0x40
	HasFile       Flags = 0x80
)

// The bounds of the protocol, in octets.
const (
	HeaderSize    = 12
	MaxPayload    = 1 << 20
	MaxContent    = 64 << 10  // content of one HEAD, DATA or FILE frame
	AnswerCredit  = 256 << 10 // the first window of an answer
	ContentCredit = 64 << 10  // the first window of streamed request content
	MaxGeneration = 1<<30 - 1
)

// Header is the fixed part of every frame.
type Header struct {
	Length     uint32
	Type       Type
	Flags      Flags
	Slot       uint16
	Generation uint32
}

// Has reports whether all of f are set.
func (h Header) Has(f Flags) bool { return h.Flags&f == f }

// ErrMalformed is in the chain of every decoding error.
var ErrMalformed = errors.New("malformed frame")

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(format, args...))
}

// ParseHeader reads a header. It reports false if p is too short for one.
func ParseHeader(p []byte) (Header, bool, error) {
	if len(p) < HeaderSize {
		return Header{}, false, nil
	}
	h := Header{
		Length:     binary.LittleEndian.Uint32(p),
		Type:       Type(p[4]),
		Flags:      Flags(p[5]),
		Slot:       binary.LittleEndian.Uint16(p[6:]),
		Generation: binary.LittleEndian.Uint32(p[8:]),
	}
	if h.Length > MaxPayload {
		return h, true, malformed("a payload of %d octets", h.Length)
	}
	return h, true, nil
}

// AppendHeader writes a header.
func AppendHeader(dst []byte, h Header) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, h.Length)
	dst = append(dst, byte(h.Type), byte(h.Flags))
	dst = binary.LittleEndian.AppendUint16(dst, h.Slot)
	return binary.LittleEndian.AppendUint32(dst, h.Generation)
}

// AppendFrame writes a whole frame; h.Length is taken from payload.
func AppendFrame(dst []byte, h Header, payload []byte) []byte {
	h.Length = uint32(len(payload))
	return append(AppendHeader(dst, h), payload...)
}

// AppendWindow writes a WINDOW frame that gives n octets.
func AppendWindow(dst []byte, slot uint16, generation, n uint32) []byte {
	dst = AppendHeader(dst, Header{Length: 4, Type: Window, Slot: slot, Generation: generation})
	return binary.LittleEndian.AppendUint32(dst, n)
}

// ParseUint32 reads the payload of WINDOW and DONE frames.
func ParseUint32(p []byte) (uint32, error) {
	if len(p) != 4 {
		return 0, malformed("a counter of %d octets", len(p))
	}
	return binary.LittleEndian.Uint32(p), nil
}
