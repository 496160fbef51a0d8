package worker

import (
	"encoding/binary"
	"fmt"
	"math"

	"rickhouse/internal/exchange"
)

// Call says what a REQUEST frame carries besides the request itself.
type Call struct {
	Slot       uint16
	Generation uint32
	// Flags are End, HasFile or none, and WebSocket and TakesTrailers.
	Flags Flags
	// ContentLength is the length of the content, -1 if it is streamed and
	// unknown.
	ContentLength int64
	// Measured adds a content-length field: the content was chunked and has
	// been buffered whole.
	Measured bool
	// Identity adds the RemoteUser and AuthType of the request, by names
	// of their own among the fields.
	Identity bool
	// Content goes inline if Flags has End without HasFile.
	Content []byte
	// ScriptName is cut off the front of the path.
	ScriptName []byte
}

// The names of what is no field of the client's: a ":" is in none of theirs.
const (
	remoteUser = ":remote-user"
	authType   = ":auth-type"
)

// AppendRequest writes a REQUEST frame. It fails, writing nothing, where
// something is too long for its field; limits of the front keep that from
// happening.
func AppendRequest(dst []byte, r *exchange.Request, c Call) ([]byte, error) {
	start := len(dst)
	dst = AppendHeader(dst, Header{Type: Request, Flags: c.Flags, Slot: c.Slot, Generation: c.Generation})
	secure := byte(0)
	if string(r.Scheme) == "https" {
		secure = 1
	}
	dst = append(dst, byte(r.Version), secure)
	dst = binary.LittleEndian.AppendUint16(dst, r.ServerPort)
	dst = binary.LittleEndian.AppendUint16(dst, r.ClientPort)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(c.ContentLength))
	path := r.Path
	if n := len(c.ScriptName); n <= len(path) {
		path = path[n:]
	}
	var long int
	for _, s := range [...][]byte{
		r.Method, path, r.RawPath, r.Query, c.ScriptName, r.ServerAddr, r.ClientAddr, r.TLS,
	} {
		long |= len(s)
		dst = appendShort(dst, s)
	}
	fields := len(r.Fields)
	if c.Measured {
		fields++
	}
	identity := identityOf(r, c)
	fields += identity.count()
	long |= fields
	dst = binary.LittleEndian.AppendUint16(dst, uint16(fields))
	for i := range r.Fields {
		f := &r.Fields[i]
		long |= len(f.Name) | len(f.Value)
		dst = appendShort(appendShort(dst, f.Name), f.Value)
	}
	if c.Measured {
		var digits [20]byte
		dst = appendShort(dst, []byte("content-length"))
		dst = appendShort(dst, fmt.Appendf(digits[:0], "%d", c.ContentLength))
	}
	long |= len(identity.user) | len(identity.how)
	dst = identity.append(dst)
	if c.Flags&End != 0 && c.Flags&HasFile == 0 {
		dst = append(dst, c.Content...)
	}
	length := len(dst) - start - HeaderSize
	if long > math.MaxUint16 || length > MaxPayload {
		return dst[:start], fmt.Errorf("the request is too large for the link (%d octets)", length)
	}
	binary.LittleEndian.PutUint32(dst[start:], uint32(length))
	return dst, nil
}

func appendShort(dst, s []byte) []byte {
	dst = binary.LittleEndian.AppendUint16(dst, uint16(len(s)))
	return append(dst, s...)
}

// identity is who the client is, and how that was found out, as far as the worker is
// told.
type identity struct{ user, how []byte }

func identityOf(r *exchange.Request, c Call) identity {
	if !c.Identity {
		return identity{}
	}
	return identity{r.RemoteUser, r.AuthType}
}

// count is how many fields it takes.
func (i identity) count() int { return min(len(i.user), 1) + min(len(i.how), 1) }

func (i identity) append(dst []byte) []byte {
	if len(i.user) > 0 {
		dst = appendShort(appendShort(dst, []byte(remoteUser)), i.user)
	}
	if len(i.how) > 0 {
		dst = appendShort(appendShort(dst, []byte(authType)), i.how)
	}
	return dst
}
