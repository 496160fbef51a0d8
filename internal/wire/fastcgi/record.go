package fastcgi

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Type is the type of a record.
type Type uint8

// The types there are.
const (
	BeginRequest    Type = 1
	AbortRequest    Type = 2
	EndRequest      Type = 3
	Params          Type = 4
	Stdin           Type = 5
	Stdout          Type = 6
	Stderr          Type = 7
	Data            Type = 8
	GetValues       Type = 9
	GetValuesResult Type = 10
	UnknownType     Type = 11
)

// Responder is the role that answers requests.
const Responder = 1

// KeepConn is the flag of BEGIN_REQUEST that leaves the connection open.
const KeepConn = 1

// Status is how a request ended.
type Status uint8

// The ways there are.
const (
	Complete        Status = 0
	CannotMultiplex Status = 1
	Overloaded      Status = 2
	UnknownRole     Status = 3
)

const (
	// HeaderSize is the length of what comes before the content of a record.
	HeaderSize = 8
	// MaxContent is the most content of a record that is written here: with its
	// header it keeps to a multiple of eight octets and needs no padding.
	MaxContent = 65528

	version = 1
	// maxWhole is the longest record that comes whole.
	maxWhole = 1 << 10
)

// The mistakes there are.
var (
	// ErrVersion: this is no record of FastCGI 1.
	ErrVersion = errors.New("fastcgi: the version of a record is not 1")
	// ErrSize: a record is longer than one of its type ever is.
	ErrSize = errors.New("fastcgi: a record is too long")
	// ErrShort: a record is shorter than those of its type are.
	ErrShort = errors.New("fastcgi: a record is too short")
	// ErrPairs: a name or a value ends after what holds it.
	ErrPairs = errors.New("fastcgi: the names and values do not add up to what they are in")
)

// stream reports whether records of type t are pieces of a stream.
func (t Type) stream() bool { return t >= Params && t <= Data }

// Record is a record, or a piece of one that belongs to a stream.
type Record struct {
	Type Type
	// ID is the request's; 0 where a record is about none.
	ID uint16
	// Content is what the record holds, or part of it.
	Content []byte
	// End says that a stream has ended: its record was empty.
	End bool
}

// Reader takes records apart. The zero value begins at the start of a connection.
type Reader struct {
	header [HeaderSize]byte
	have   int // octets of header
	left   int // octets of content to come
	pad    int // octets of padding to come
	whole  []byte
	told   bool // the record has been given away, or part of it
}

// Next reads from src, which goes on where the last call stopped, and returns how
// many octets it has taken. ok says that there is a Record, whose Content is part
// of src or, of records that come whole, of the Reader's until the next call. Call
// it again until it takes nothing. limit, above 0, bounds how much Content it gives
// away at a time. After an error nothing more can be read.
func (r *Reader) Next(src []byte, limit int) (rec Record, ok bool, n int, err error) {
	if r.have < HeaderSize {
		n = copy(r.header[r.have:], src)
		if n > 0 && r.have == 0 && src[0] != version {
			return rec, false, 0, fmt.Errorf("%w but %d", ErrVersion, src[0])
		}
		if r.have += n; r.have < HeaderSize {
			return rec, false, n, nil
		}
		if err := r.begin(); err != nil {
			return rec, false, n, err
		}
	}
	rec = Record{Type: Type(r.header[1]), ID: binary.BigEndian.Uint16(r.header[2:])}
	if r.left > 0 || !r.told {
		k := min(r.left, len(src)-n)
		if rec.Type.stream() {
			k = min(k, limit)
		}
		rec.Content = src[n : n+k : n+k]
		n += k
		r.left -= k
		if !rec.Type.stream() {
			r.whole = append(r.whole, rec.Content...)
			rec.Content = r.whole
			ok = r.left == 0
		} else {
			rec.End = k == 0 && r.left == 0
			ok = k > 0 || rec.End
		}
		r.told = ok
	}
	if r.left == 0 && r.told {
		k := min(r.pad, len(src)-n)
		n += k
		if r.pad -= k; r.pad == 0 {
			r.have = 0
		}
	}
	return rec, ok, n, nil
}

// At reports whether the next octets are content of a record of that type and
// request.
func (r *Reader) At(t Type, id uint16) bool {
	return r.have == HeaderSize && r.left > 0 && Type(r.header[1]) == t && binary.BigEndian.Uint16(r.header[2:]) == id
}

// Between reports whether the octets so far end where a record does.
func (r *Reader) Between() bool { return r.have == 0 }

// begin looks at a header that is complete.
func (r *Reader) begin() error {
	r.left, r.pad = int(binary.BigEndian.Uint16(r.header[4:])), int(r.header[6])
	r.whole, r.told = r.whole[:0], false
	if t := Type(r.header[1]); !t.stream() && r.left > maxWhole {
		return fmt.Errorf("%w: %d octets of type %d", ErrSize, r.left, t)
	}
	return nil
}

// AppendHeader appends the header of a record whose content, of n octets, at most
// MaxContent, follows.
func AppendHeader(dst []byte, t Type, id uint16, n int) []byte {
	return append(dst, version, byte(t), byte(id>>8), byte(id), byte(n>>8), byte(n), 0, 0)
}

// AppendStream appends records of a stream that hold p, none if it is empty.
func AppendStream(dst []byte, t Type, id uint16, p []byte) []byte {
	for len(p) > 0 {
		n := min(len(p), MaxContent)
		dst = append(AppendHeader(dst, t, id, n), p[:n]...)
		p = p[n:]
	}
	return dst
}

// AppendBegin appends a BEGIN_REQUEST.
func AppendBegin(dst []byte, id, role uint16, flags uint8) []byte {
	dst = AppendHeader(dst, BeginRequest, id, 8)
	return append(dst, byte(role>>8), byte(role), flags, 0, 0, 0, 0, 0)
}

// ParseBegin reads the content of a BEGIN_REQUEST.
func ParseBegin(content []byte) (role uint16, flags uint8, err error) {
	if len(content) < 8 {
		return 0, 0, fmt.Errorf("%w: BEGIN_REQUEST of %d octets", ErrShort, len(content))
	}
	return binary.BigEndian.Uint16(content), content[2], nil
}

// AppendEnd appends an END_REQUEST.
func AppendEnd(dst []byte, id uint16, app uint32, s Status) []byte {
	dst = binary.BigEndian.AppendUint32(AppendHeader(dst, EndRequest, id, 8), app)
	return append(dst, byte(s), 0, 0, 0)
}

// ParseEnd reads the content of an END_REQUEST.
func ParseEnd(content []byte) (app uint32, s Status, err error) {
	if len(content) < 8 {
		return 0, 0, fmt.Errorf("%w: END_REQUEST of %d octets", ErrShort, len(content))
	}
	return binary.BigEndian.Uint32(content), Status(content[4]), nil
}

// AppendUnknown appends the answer to a record about no request of a type that is
// not known.
func AppendUnknown(dst []byte, t Type) []byte {
	return append(AppendHeader(dst, UnknownType, 0, 8), byte(t), 0, 0, 0, 0, 0, 0, 0)
}
