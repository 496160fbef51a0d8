package websocket

// Reader follows the frames of one client: it takes them apart, undoes their
// masks and checks that they follow each other as they must (RFC 6455 §5.4).
// The zero value is ready. After an error it must not be used.
//
// Header begins a frame; then Payload is called until it says that the frame is
// over.
type Reader struct {
	// Deflate says that permessage-deflate was agreed on.
	Deflate bool

	inMessage bool // a message has begun and not ended
	text      bool // that message is text
	squeezed  bool // and it is compressed

	pos     uint8 // of the mask
	partial uint8 // octets in buf
	buf     [MaxHeader]byte
	opcode  Opcode
	fin     bool
	mask    [4]byte
	left    int64 // octets of this frame's payload to come
}

// Header goes on with a header and returns how many octets of src belong to it
// and whether it is whole.
func (r *Reader) Header(src []byte) (n int, ok bool, err *ProtocolError) {
	had := int(r.partial)
	whole := src
	if had > 0 {
		r.partial += uint8(copy(r.buf[had:], src))
		whole = r.buf[:r.partial]
	}
	h, n, err := ParseHeader(whole)
	if err == nil && len(whole) >= 2 {
		err = r.check(&h)
	}
	if err != nil {
		return 0, false, err
	}
	if n == 0 {
		if had == 0 {
			r.partial = uint8(copy(r.buf[:], src))
		}
		return len(src), false, nil
	}
	r.partial = 0
	r.begin(&h)
	return n - had, true, nil
}

// check looks at a header, which may not be whole, as one that follows others.
func (r *Reader) check(h *Header) *ProtocolError {
	switch {
	case !h.Masked:
		return broken("a frame is not masked")
	case h.Compressed && !r.Deflate:
		return broken("a frame has a reserved bit")
	case h.Opcode == Continuation && !r.inMessage:
		return broken("a continuation continues nothing")
	case (h.Opcode == Text || h.Opcode == Binary) && r.inMessage:
		return broken("a message begins within another")
	}
	return nil
}

func (r *Reader) begin(h *Header) {
	r.opcode, r.fin, r.mask, r.left, r.pos = h.Opcode, h.Fin, h.Mask, h.Length, 0
	switch h.Opcode {
	case Text, Binary:
		r.text, r.squeezed = h.Opcode == Text, h.Compressed
		r.inMessage = !h.Fin
	case Continuation:
		r.inMessage = !h.Fin
	}
}

// Control reports whether the frame is a control frame, and Opcode what it is.
func (r *Reader) Control() bool { return r.opcode.Control() }

// Opcode is the frame's.
func (r *Reader) Opcode() Opcode { return r.opcode }

// Left is how many octets of the frame's payload have not been taken.
func (r *Reader) Left() int64 { return r.left }

// InMessage reports whether a message has begun and not ended.
func (r *Reader) InMessage() bool { return r.inMessage }

// Text reports whether the message that the frame belongs to is text. Like
// Compressed and Last it is of no meaning for a control frame.
func (r *Reader) Text() bool { return r.text }

// Compressed reports whether the message is compressed.
func (r *Reader) Compressed() bool { return r.squeezed }

// Last reports whether the frame ends its message.
func (r *Reader) Last() bool { return r.fin }

// Payload takes at most limit octets of the frame's payload off the start of
// src and unmasks them there. over says that they end the frame.
func (r *Reader) Payload(src []byte, limit int) (p []byte, over bool) {
	p = src[:min(int64(len(src)), r.left, int64(limit))]
	XOR(p, r.mask, int(r.pos))
	r.pos = uint8(int(r.pos)+len(p)) & 3
	r.left -= int64(len(p))
	return p, r.left == 0
}
