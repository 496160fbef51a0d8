package exchange

import "bytes"

// Field is one header or trailer field. Request field names are lower case; a
// response keeps the spelling it was given.
type Field struct {
	Name, Value []byte
}

// Version is the HTTP version of a message, as ten times major plus minor.
type Version uint8

// The versions there are.
const (
	HTTP10 Version = 10
	HTTP11 Version = 11
	HTTP2  Version = 20
	HTTP3  Version = 30
)

// String is the version as CGI and logs write it, "HTTP/1.1".
func (v Version) String() string {
	switch v {
	case HTTP10:
		return "HTTP/1.0"
	case HTTP2:
		return "HTTP/2.0"
	case HTTP3:
		return "HTTP/3.0"
	}
	return "HTTP/1.1"
}

// Form is the form of the request target (RFC 9112 §3.2).
type Form uint8

// The forms there are.
const (
	OriginForm    Form = iota // /path?query
	AbsoluteForm              // http://host/path
	AuthorityForm             // host:port, CONNECT only
	AsteriskForm              // *, OPTIONS only
)

// Request is the head of a request. Every slice points into memory of the
// front: it is valid, and must not be changed, until the Exchange is finished.
type Request struct {
	Method  []byte
	Version Version
	Form    Form
	// Target is the request target as sent.
	Target []byte
	// RawPath is the path of the target as sent, without the query.
	RawPath []byte
	// Path is RawPath with percent-encoding decoded once and dot segments
	// removed (RFC 3986 §5.2.4) after that: the one form that routing, access
	// rules, files and applications see. It is "*" in asterisk form and empty in
	// authority form.
	Path []byte
	// Mount is how many octets of Path are the mount point (SCRIPT_NAME) that a
	// gateway in front has told; 0 without one. They end before a "/", or Path does.
	Mount int
	// Query is what follows the first "?", without it.
	Query []byte
	// Host is the authority the client addressed: of the target if it has one,
	// else the Host field; behind a trusted proxy what that proxy forwarded.
	Host []byte
	// Scheme is "http" or "https", as the client used it.
	Scheme []byte
	// Fields are the header fields in order, names in lower case, without those
	// that the front consumes: field names with "_", "proxy" and the framing
	// of the connection (Connection, Keep-Alive, Proxy-Connection,
	// Transfer-Encoding, TE and Upgrade unless Upgrade below is set).
	// Content-Length stays.
	Fields []Field
	// Trailers are the trailer fields, complete at ContentEnd.
	Trailers []Field
	// ContentLength is the length of the content in octets; -1 if unknown
	// (chunked); 0 if there is none.
	ContentLength int64
	// Upgrade is the protocol of an Upgrade field that Connection names
	// (RFC 9110 §7.8), or nil. Over HTTP/2 it is the :protocol of an extended
	// CONNECT (RFC 8441), whose Method then reads GET. An answer of status 101
	// accepts it, over either: what follows is the tunnel's octets.
	Upgrade []byte
	// TLS is what the application is told of the connection's TLS, a JSON object
	// with the keys of the ASGI tls extension; nil in cleartext.
	TLS []byte
	// TrailersOK is true if the client sent "TE: trailers".
	TrailersOK bool

	// RemoteUser is who the client is, and AuthType how that was found out, as CGI has
	// them (RFC 3875 §4.1.11, §4.1.1): of a gateway in front that is trusted, or of the
	// route. Empty where nobody has asked. Nothing that a client sends sets them.
	RemoteUser, AuthType []byte

	// ClientAddr is the textual address of the client, without brackets or zone;
	// behind a trusted proxy the one it forwarded; empty on a Unix socket.
	ClientAddr []byte
	ClientPort uint16
	// ServerAddr is the textual address of the listener, or the path of its Unix
	// socket (then ServerPort is 0).
	ServerAddr []byte
	ServerPort uint16
	// Listener is the address by which it came as the configuration writes it; empty
	// where that knows none.
	Listener string
}

// IsHead reports whether the method is HEAD.
func (r *Request) IsHead() bool { return string(r.Method) == "HEAD" }

// Get returns the value of the first field of that name (lower case), or nil.
func (r *Request) Get(name string) []byte {
	for i := range r.Fields {
		if string(r.Fields[i].Name) == name {
			return r.Fields[i].Value
		}
	}
	return nil
}

// EqualFold reports whether b is lower, which is in lower case, in whatever case:
// names and most tokens are ASCII (RFC 9110 §5.1), and no other letter is one of
// theirs.
func EqualFold(b []byte, lower string) bool {
	if len(b) != len(lower) {
		return false
	}
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

// Response is the head of a response. Whoever answers fills it before Head;
// its slices must stay as they are until Head returns.
type Response struct {
	Status int
	// Reason is the reason phrase; empty for the standard one.
	Reason []byte
	// Fields are the fields in order, without Content-Length,
	// Transfer-Encoding and Connection, which are the front's.
	Fields []Field
	// ContentLength is the length of the content in octets (of what GET would
	// have answered, for HEAD and 304), or -1 if unknown.
	ContentLength int64
	// Whole says that Data and End follow at once, so that no more request
	// content is demanded: a front that cannot keep the connection because of
	// what is left of it can say so in the head.
	Whole bool
	// Trailers are sent by End.
	Trailers []Field
}

// Add appends a field.
func (r *Response) Add(name, value string) {
	r.Fields = append(r.Fields, Field{[]byte(name), []byte(value)})
}

// Has reports whether there is a field of that name, in whatever case.
func (r *Response) Has(name []byte) bool {
	for i := range r.Fields {
		if bytes.EqualFold(r.Fields[i].Name, name) {
			return true
		}
	}
	return false
}

// Reset empties r, keeping capacity.
func (r *Response) Reset() {
	*r = Response{Fields: r.Fields[:0], Trailers: r.Trailers[:0], ContentLength: -1}
}

// Stats is what logs and metrics want to know of an Exchange. Times are
// Executor.Now nanoseconds; 0 means it did not happen.
type Stats struct {
	Received int64 // the head was complete
	Queued   int64 // handed to a queue
	Started  int64 // the application (or upstream) began
	Finished int64 // the last octet of the answer was given to the kernel
	// Worker is the number of the worker that answered, from 1; 0 for none.
	Worker int
	// ContentIn and ContentOut count octets of content.
	ContentIn, ContentOut int64
	// Reruns counts how often the request was run again after a loss.
	Reruns int
	// Err is why the Exchange failed, or nil.
	Err error
}
