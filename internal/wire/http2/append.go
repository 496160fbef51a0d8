package http2

import "encoding/binary"

// AppendHeader appends the header of a frame.
func AppendHeader(dst []byte, length int, t Type, f Flags, stream uint32) []byte {
	dst = append(dst, byte(length>>16), byte(length>>8), byte(length), byte(t), byte(f))
	return binary.BigEndian.AppendUint32(dst, stream)
}

// AppendSettings appends a Settings frame; pairs are settings and their values.
func AppendSettings(dst []byte, pairs ...uint32) []byte {
	dst = AppendHeader(dst, len(pairs)/2*6, Settings, 0, 0)
	for i := 0; i+1 < len(pairs); i += 2 {
		dst = binary.BigEndian.AppendUint16(dst, uint16(pairs[i]))
		dst = binary.BigEndian.AppendUint32(dst, pairs[i+1])
	}
	return dst
}

// AppendSettingsAck appends the answer to a Settings frame.
func AppendSettingsAck(dst []byte) []byte { return AppendHeader(dst, 0, Settings, Ack, 0) }

// AppendPing appends a Ping frame with 8 octets of data.
func AppendPing(dst []byte, f Flags, data []byte) []byte {
	return append(AppendHeader(dst, 8, Ping, f, 0), data...)
}

// AppendReset appends a Reset frame.
func AppendReset(dst []byte, stream uint32, c Code) []byte {
	return binary.BigEndian.AppendUint32(AppendHeader(dst, 4, Reset, 0, stream), uint32(c))
}

// AppendWindowUpdate appends a WindowUpdate frame.
func AppendWindowUpdate(dst []byte, stream uint32, n int64) []byte {
	return binary.BigEndian.AppendUint32(AppendHeader(dst, 4, WindowUpdate, 0, stream), uint32(n))
}

// AppendGoAway appends a GoAway frame with a text for whoever debugs the client.
func AppendGoAway(dst []byte, last uint32, c Code, text string) []byte {
	dst = AppendHeader(dst, 8+len(text), GoAway, 0, 0)
	dst = binary.BigEndian.AppendUint32(dst, last)
	dst = binary.BigEndian.AppendUint32(dst, uint32(c))
	return append(dst, text...)
}
