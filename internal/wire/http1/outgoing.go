package http1

import (
	"errors"
	"fmt"
	"strconv"

	"rickhouse/internal/exchange"
)

// ErrRequest is in the chain of each error about a request that cannot be sent.
var ErrRequest = errors.New("the request cannot be sent")

// Outgoing is the head of a request to a server, in HTTP/1.1.
type Outgoing struct {
	Method, Target, Host []byte
	// Fields are sent in order, without those that AppendRequest writes itself.
	Fields []exchange.Field
	// ContentLength is the length of the content, or -1 for the chunked coding. 0 is
	// told only if TellEmpty is set.
	ContentLength int64
	TellEmpty     bool
	// Upgrade is the protocol to change to, or nil.
	Upgrade []byte
	// Trailers says that trailers are welcome.
	Trailers bool
	// Close says that the connection is not used again.
	Close bool
}

// AppendRequest appends the head of r. Fields that are the connection's business
// are dropped: those that AppendHead drops, Upgrade and Host. If there is an error
// dst comes back as it was.
func AppendRequest(dst []byte, r *Outgoing) ([]byte, error) {
	start := len(dst)
	if !isToken(r.Method) || !validTarget(r.Target) || valueEnd(r.Host, 0) < len(r.Host) {
		return dst, fmt.Errorf("%w: %.40q %.60q at %.60q", ErrRequest, r.Method, r.Target, r.Host)
	}
	dst = append(dst, r.Method...)
	dst = append(dst, ' ')
	dst = append(dst, r.Target...)
	dst = append(dst, " HTTP/1.1\r\nhost: "...)
	dst = append(dst, r.Host...)
	dst = append(dst, '\r', '\n')
	for i := range r.Fields {
		f := &r.Fields[i]
		if kind := Classify(f.Name); kind == HopField || kind == UpgradeField || exchange.EqualFold(f.Name, "host") {
			continue
		}
		if !isToken(f.Name) || valueEnd(f.Value, 0) < len(f.Value) {
			return dst[:start], fmt.Errorf("%w: the field %.60q", ErrRequest, f.Name)
		}
		dst = append(dst, f.Name...)
		dst = append(dst, ':', ' ')
		dst = append(dst, f.Value...)
		dst = append(dst, '\r', '\n')
	}
	switch {
	case r.ContentLength < 0:
		dst = append(dst, "transfer-encoding: chunked\r\n"...)
	case r.ContentLength > 0 || r.TellEmpty:
		dst = append(dst, "content-length: "...)
		dst = strconv.AppendInt(dst, r.ContentLength, 10)
		dst = append(dst, '\r', '\n')
	}
	return append(r.connection(dst), '\r', '\n'), nil
}

func (r *Outgoing) connection(dst []byte) []byte {
	if r.Upgrade != nil {
		dst = append(dst, "upgrade: "...)
		dst = append(dst, r.Upgrade...)
		return append(dst, "\r\nconnection: upgrade\r\n"...)
	}
	if r.Trailers {
		dst = append(dst, "te: trailers\r\n"...)
	}
	switch {
	case r.Trailers && r.Close:
		dst = append(dst, "connection: te, close\r\n"...)
	case r.Trailers:
		dst = append(dst, "connection: te\r\n"...)
	case r.Close:
		dst = append(dst, "connection: close\r\n"...)
	}
	return dst
}

// validTarget reports whether b may stand in a request line.
func validTarget(b []byte) bool {
	for _, c := range b {
		if class[c]&inTarget == 0 {
			return false
		}
	}
	return len(b) > 0
}
