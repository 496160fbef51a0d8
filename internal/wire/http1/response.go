package http1

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"rickhouse/internal/exchange"
)

// Framing is how the end of the content of a response is told.
type Framing uint8

// The ways there are.
const (
	// NoContent: nothing follows the head.
	NoContent Framing = iota
	// ByLength: Content-Length octets follow.
	ByLength
	// ByChunks: the chunked coding follows.
	ByChunks
	// ByClose: content follows until the connection closes.
	ByClose
	// Tunnel: octets of another protocol follow, in both directions.
	Tunnel
)

// Reply is what of the request and its connection decides a response head.
type Reply struct {
	// Version is the request's.
	Version exchange.Version
	// Head and Connect say that the method was HEAD or CONNECT.
	Head, Connect bool
	// Close says that the connection closes after the response.
	Close bool
	// Date and Server are the values of those fields where the response has
	// none; none is added for an empty one.
	Date, Server []byte
	// Extra are fields that the response gets unless it has one of that name.
	Extra []exchange.Field
}

// ErrResponse is in the chain of each error about a response that cannot be sent.
var ErrResponse = errors.New("the response cannot be sent")

// AppendHead appends the head of res to dst and says how its content is framed.
// Fields that are the connection's business are dropped: Connection,
// Keep-Alive, Proxy-Connection, TE, Trailer, Transfer-Encoding, Content-Length
// (which goes by res.ContentLength) and, unless the status is 101 or 426, Upgrade.
// With ByClose the connection has to be closed after the content. If there is an
// error, dst comes back as it was.
func AppendHead(dst []byte, res *exchange.Response, r *Reply) ([]byte, Framing, error) {
	start := len(dst)
	dst, err := appendStatusLine(dst, res)
	if err != nil {
		return dst[:start], NoContent, err
	}
	interim := res.Status < 200 && res.Status != http.StatusSwitchingProtocols
	date, server := len(r.Date) == 0 || interim, len(r.Server) == 0 || interim
	for i := range res.Fields {
		f := &res.Fields[i]
		switch Classify(f.Name) {
		case HopField:
			continue
		case UpgradeField:
			if !upgrades(res.Status) {
				continue
			}
		case DateField:
			date = true
		case ServerField:
			server = true
		}
		if dst, err = appendField(dst, f); err != nil {
			return dst[:start], NoContent, err
		}
	}
	if !date {
		dst = appendKnown(dst, "Date: ", r.Date)
	}
	if !server {
		dst = appendKnown(dst, "Server: ", r.Server)
	}
	if !interim {
		for i := range r.Extra {
			if f := &r.Extra[i]; !res.Has(f.Name) {
				if dst, err = appendField(dst, f); err != nil {
					return dst[:start], NoContent, err
				}
			}
		}
	}
	framing := r.Framing(res)
	dst = appendFraming(dst, framing, res, r, interim)
	return append(dst, '\r', '\n'), framing, nil
}

func appendStatusLine(dst []byte, res *exchange.Response) ([]byte, error) {
	if res.Status == http.StatusOK && len(res.Reason) == 0 {
		return append(dst, "HTTP/1.1 200 OK\r\n"...), nil
	}
	// RFC 9110 §15 gives 600 to 999 no meaning, but clients know what to make of them.
	if res.Status < 100 || res.Status > 999 {
		return dst, fmt.Errorf("%w: %d is not a status", ErrResponse, res.Status)
	}
	dst = append(dst, "HTTP/1.1 "...)
	dst = strconv.AppendInt(dst, int64(res.Status), 10)
	dst = append(dst, ' ')
	if len(res.Reason) == 0 {
		dst = append(dst, http.StatusText(res.Status)...)
	} else {
		if valueEnd(res.Reason, 0) < len(res.Reason) {
			return dst, fmt.Errorf("%w: the reason phrase %.60q holds a control character", ErrResponse, res.Reason)
		}
		dst = append(dst, res.Reason...)
	}
	return append(dst, '\r', '\n'), nil
}

// appendField appends one field line.
func appendField(dst []byte, f *exchange.Field) ([]byte, error) {
	if !isToken(f.Name) {
		return dst, fmt.Errorf("%w: the field name %.60q is not a token", ErrResponse, f.Name)
	}
	if valueEnd(f.Value, 0) < len(f.Value) {
		return dst, fmt.Errorf("%w: the value of the field %.60q holds a control character", ErrResponse, f.Name)
	}
	dst = append(dst, f.Name...)
	dst = append(dst, ':', ' ')
	dst = append(dst, f.Value...)
	return append(dst, '\r', '\n'), nil
}

func appendKnown(dst []byte, name string, value []byte) []byte {
	dst = append(dst, name...)
	dst = append(dst, value...)
	return append(dst, '\r', '\n')
}

// Framing decides how the content of res ends (RFC 9112 §6.3). ByChunks stands for
// whatever a protocol has where the length is not known.
func (r *Reply) Framing(res *exchange.Response) Framing {
	switch {
	case res.Status == http.StatusSwitchingProtocols || r.Connect && res.Status/100 == 2:
		return Tunnel
	case !HasContent(res.Status, r.Head):
		return NoContent
	case res.ContentLength >= 0:
		return ByLength
	case r.Version == exchange.HTTP10:
		return ByClose
	}
	return ByChunks
}

// HasContent reports whether a response of that status has content (RFC 9110
// §6.4.1), where head says that the method was HEAD.
func HasContent(status int, head bool) bool {
	return !head && status >= 200 && status != http.StatusNoContent && status != http.StatusResetContent && status != http.StatusNotModified
}

// appendFraming appends Content-Length or Transfer-Encoding, and Connection.
func appendFraming(dst []byte, f Framing, res *exchange.Response, r *Reply, interim bool) []byte {
	if interim {
		return dst
	}
	switch {
	case f == Tunnel:
		if res.Status == http.StatusSwitchingProtocols {
			dst = append(dst, "Connection: upgrade\r\n"...)
		}
		return dst
	case f == ByChunks:
		dst = append(dst, "Transfer-Encoding: chunked\r\n"...)
	case res.Status == http.StatusResetContent:
		dst = append(dst, "Content-Length: 0\r\n"...)
	case res.ContentLength >= 0 && res.Status != http.StatusNoContent:
		dst = append(dst, "Content-Length: "...)
		dst = strconv.AppendInt(dst, res.ContentLength, 10)
		dst = append(dst, '\r', '\n')
	}
	upgrade := upgrades(res.Status) && res.Has([]byte("upgrade"))
	switch {
	case upgrade && (r.Close || f == ByClose):
		dst = append(dst, "Connection: close, upgrade\r\n"...)
	case upgrade:
		dst = append(dst, "Connection: upgrade\r\n"...)
	case r.Close || f == ByClose:
		dst = append(dst, "Connection: close\r\n"...)
	case r.Version == exchange.HTTP10:
		dst = append(dst, "Connection: keep-alive\r\n"...)
	}
	return dst
}

// upgrades reports whether Upgrade may stand in a response of that status: the
// protocol that follows, or the one that is wanted (RFC 9110 §7.8, §15.5.22).
func upgrades(status int) bool {
	return status == http.StatusSwitchingProtocols || status == http.StatusUpgradeRequired
}

// FieldKind tells response fields that are not just passed on.
type FieldKind uint8

// The kinds there are.
const (
	PlainField FieldKind = iota
	HopField             // of the connection, or of how content is framed
	UpgradeField
	DateField
	ServerField
)

// Classify returns the kind of a response field, in whatever case its name is.
func Classify(name []byte) FieldKind {
	switch len(name) {
	case 2:
		return is(name, "te", HopField)
	case 4:
		return is(name, "date", DateField)
	case 6:
		return is(name, "server", ServerField)
	case 7:
		return max(is(name, "trailer", HopField), is(name, "upgrade", UpgradeField))
	case 10:
		return max(is(name, "connection", HopField), is(name, "keep-alive", HopField))
	case 14:
		return is(name, "content-length", HopField)
	case 16:
		return is(name, "proxy-connection", HopField)
	case 17:
		return is(name, "transfer-encoding", HopField)
	}
	return PlainField
}

func is(name []byte, s string, kind FieldKind) FieldKind {
	if exchange.EqualFold(name, s) {
		return kind
	}
	return PlainField
}
