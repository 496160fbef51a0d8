package http2

import (
	"encoding/binary"
	"fmt"
)

// Preface is what a client sends first (RFC 9113 §3.4).
const Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

const (
	// HeaderSize is the size of a frame header.
	HeaderSize = 9
	// MaxFrame is the largest payload that anybody takes who did not say otherwise.
	MaxFrame = 16384
	// InitialWindow is what a flow-control window starts with unless set.
	InitialWindow = 65535
	// MaxWindow is the most a flow-control window may be.
	MaxWindow = 1<<31 - 1
	// MaxStream is the highest stream identifier.
	MaxStream = 1<<31 - 1
)

// Type is the type of a frame.
type Type uint8

// The types there are (RFC 9113 §6).
const (
	Data Type = iota
	Headers
	Priority
	Reset
	Settings
	PushPromise
	Ping
	GoAway
	WindowUpdate
	Continuation
)

// Flags are those of a frame; their meaning goes by its type.
type Flags uint8

// The flags there are.
const (
	Ack         Flags = 0x1 // Settings, Ping
	EndStream   Flags = 0x1 // Data, Headers
	EndHeaders  Flags = 0x4 // Headers, Continuation
	Padded      Flags = 0x8 // Data, Headers
	HasPriority Flags = 0x20
)

// Code says why a stream or a connection ends (RFC 9113 §7).
type Code uint32

// The codes there are.
const (
	NoError Code = iota
	ProtocolError
	InternalError
	FlowControlError
	SettingsTimeout
	StreamClosed
	FrameSizeError
	RefusedStream
	Cancel
	CompressionError
	ConnectError
	EnhanceYourCalm
	InadequateSecurity
	HTTP11Required
)

// String is the name as RFC 9113 has it.
func (c Code) String() string {
	names := [...]string{
		"NO_ERROR", "PROTOCOL_ERROR", "INTERNAL_ERROR", "FLOW_CONTROL_ERROR", "SETTINGS_TIMEOUT", "STREAM_CLOSED",
		"FRAME_SIZE_ERROR", "REFUSED_STREAM", "CANCEL", "COMPRESSION_ERROR", "CONNECT_ERROR", "ENHANCE_YOUR_CALM",
		"INADEQUATE_SECURITY", "HTTP_1_1_REQUIRED",
	}
	if int64(c) < int64(len(names)) {
		return names[c]
	}
	return fmt.Sprintf("error %#x", uint32(c))
}

// Error is a mistake of the peer's.
type Error struct {
	Code Code
	// Stream is the stream that it ends; 0 where it ends the connection.
	Stream uint32
	Reason string
}

// Error says what is wrong.
func (e *Error) Error() string { return e.Code.String() + ": " + e.Reason }

// Header is the header of a frame.
type Header struct {
	Length int // of the payload
	Type   Type
	Flags  Flags
	Stream uint32
}

// Has reports whether all of f are set.
func (h Header) Has(f Flags) bool { return h.Flags&f == f }

// ParseHeader reads the first HeaderSize octets of b.
func ParseHeader(b []byte) Header {
	_ = b[HeaderSize-1]
	return Header{
		Length: int(b[0])<<16 | int(b[1])<<8 | int(b[2]),
		Type:   Type(b[3]),
		Flags:  Flags(b[4]),
		Stream: binary.BigEndian.Uint32(b[5:]) & MaxStream,
	}
}

// Check says what is wrong with a frame of which the header alone is known, or
// returns nil. A frame that is too large is no stream's: it would have to be read.
func (h Header) Check() *Error {
	switch h.Type {
	case Data, Headers, Priority, Reset, Continuation:
		if h.Stream == 0 {
			return h.wrong(ProtocolError, "a frame of type %d belongs to no stream")
		}
	case Settings, Ping, GoAway:
		if h.Stream != 0 {
			return h.wrong(ProtocolError, "a frame of type %d belongs to a stream")
		}
	case PushPromise:
		return h.wrong(ProtocolError, "a client sent PUSH_PROMISE (%d)")
	}
	if h.Length > MaxFrame || !h.sized() {
		return h.wrong(FrameSizeError, "a frame of type %d has a wrong size")
	}
	return nil
}

// sized reports whether the length is one that the type can have, Priority apart,
// which ends a stream only.
func (h Header) sized() bool {
	switch h.Type {
	case Reset, WindowUpdate:
		return h.Length == 4
	case Settings:
		return h.Length%6 == 0 && (h.Length == 0 || !h.Has(Ack))
	case Ping:
		return h.Length == 8
	case GoAway:
		return h.Length >= 8
	}
	return true
}

func (h Header) wrong(c Code, format string) *Error {
	return &Error{Code: c, Reason: fmt.Sprintf(format, h.Type)}
}

// Unpad returns the payload p of a Data or Headers frame without its padding and,
// of Headers, its priority.
func (h Header) Unpad(p []byte) ([]byte, *Error) {
	if h.Has(Padded) {
		if len(p) == 0 || int(p[0]) >= len(p) {
			return nil, h.wrong(ProtocolError, "a frame of type %d has more padding than room")
		}
		p = p[1 : len(p)-int(p[0])]
	}
	if h.Type != Headers || !h.Has(HasPriority) {
		return p, nil
	}
	if len(p) < 5 {
		return nil, h.wrong(FrameSizeError, "a frame of type %d has no room for its priority")
	}
	return p[5:], h.depends(p)
}

// CheckPriority says what is wrong with the payload of a Priority frame.
func (h Header) CheckPriority(p []byte) *Error {
	if len(p) != 5 {
		return &Error{Code: FrameSizeError, Stream: h.Stream, Reason: "a PRIORITY frame has a wrong size"}
	}
	return h.depends(p)
}

// depends looks at a priority.
func (h Header) depends(p []byte) *Error {
	if binary.BigEndian.Uint32(p)&MaxStream == h.Stream {
		return &Error{Code: ProtocolError, Stream: h.Stream, Reason: "a stream depends on itself"}
	}
	return nil
}

// Increment reads the payload of a WindowUpdate frame.
func (h Header) Increment(p []byte) (int64, *Error) {
	n := int64(binary.BigEndian.Uint32(p) & MaxWindow)
	if n == 0 {
		return 0, &Error{Code: ProtocolError, Stream: h.Stream, Reason: "a WINDOW_UPDATE is of 0 octets"}
	}
	return n, nil
}

// ParseCode reads the payload of a Reset frame.
func ParseCode(p []byte) Code { return Code(binary.BigEndian.Uint32(p)) }

// Setting is the name of a setting.
type Setting uint16

// The settings there are (RFC 9113 §6.5.2, RFC 8441 §3).
const (
	HeaderTableSize       Setting = 0x1
	EnablePush            Setting = 0x2
	MaxConcurrentStreams  Setting = 0x3
	InitialWindowSize     Setting = 0x4
	MaxFrameSize          Setting = 0x5
	MaxHeaderListSize     Setting = 0x6
	EnableConnectProtocol Setting = 0x8
	NoPriorities          Setting = 0x9
)

// NextSetting cuts a setting off the payload p of a Settings frame, which is not
// empty.
func NextSetting(p []byte) (s Setting, value uint32, rest []byte, err *Error) {
	s, value = Setting(binary.BigEndian.Uint16(p)), binary.BigEndian.Uint32(p[2:])
	switch {
	case s == EnablePush && value > 1,
		s == MaxFrameSize && (value < MaxFrame || value > 1<<24-1):
		err = &Error{Code: ProtocolError, Reason: fmt.Sprintf("setting %d cannot be %d", s, value)}
	case s == InitialWindowSize && value > MaxWindow:
		err = &Error{Code: FlowControlError, Reason: fmt.Sprintf("setting %d cannot be %d", s, value)}
	}
	return s, value, p[6:], err
}
