package websocket

import (
	"encoding/binary"
	"unicode/utf8"
)

// The close codes that this server uses or tells (RFC 6455 §7.4.1, and the
// IANA registry).
const (
	CodeNormal        = 1000
	CodeGoingAway     = 1001
	CodeProtocolError = 1002
	CodeNoStatus      = 1005 // the Close frame has none; never sent
	CodeAbnormal      = 1006 // there was no Close frame; never sent
	CodeInvalid       = 1007
	CodePolicy        = 1008
	CodeTooBig        = 1009
	CodeInternal      = 1011
	CodeRestart       = 1012
)

// MaxReason is the most octets a reason may have.
const MaxReason = MaxControl - 2

// ValidCode reports whether code may stand in a Close frame.
func ValidCode(code int) bool {
	switch {
	case code >= 1000 && code <= 1003, code >= 1007 && code <= 1014, code >= 3000 && code <= 4999:
		return true
	}
	return false
}

// ParseClose reads the payload of a Close frame. The code of an empty one is
// CodeNoStatus.
func ParseClose(p []byte) (code int, reason string, err *ProtocolError) {
	if len(p) == 0 {
		return CodeNoStatus, "", nil
	}
	if len(p) == 1 {
		return 0, "", broken("a close frame has half a code")
	}
	if code = int(binary.BigEndian.Uint16(p)); !ValidCode(code) {
		return 0, "", broken("a close frame has the code %d", code)
	}
	if !utf8.Valid(p[2:]) {
		return 0, "", &ProtocolError{CodeInvalid, "the reason of a close frame is not UTF-8"}
	}
	return code, string(p[2:]), nil
}

// AppendClose appends a whole Close frame. CodeNoStatus gives an empty one; any
// other code that may not be sent becomes CodeInternal. The reason is cut at
// MaxReason octets, between two characters; one that is not UTF-8 is left out.
func AppendClose(dst []byte, code int, reason string) []byte {
	if code == CodeNoStatus {
		return AppendHeader(dst, Header{Opcode: ConnClose, Fin: true})
	}
	if !ValidCode(code) {
		code = CodeInternal
	}
	if !utf8.ValidString(reason) {
		reason = ""
	}
	if len(reason) > MaxReason {
		n := MaxReason
		for !utf8.RuneStart(reason[n]) {
			n--
		}
		reason = reason[:n]
	}
	dst = AppendHeader(dst, Header{Opcode: ConnClose, Fin: true, Length: int64(2 + len(reason))})
	dst = binary.BigEndian.AppendUint16(dst, uint16(code))
	return append(dst, reason...)
}
