package proxy

import "rickhouse/internal/exchange"

// A protocol is what an upstream speaks.
type protocol interface {
	// codec makes the codec of a new connection.
	codec() codec
	// needsLength says that a request cannot be sent before the length of its
	// content is known: content of unknown length is taken in whole before.
	needsLength() bool
}

// A codec turns requests into octets and octets into answers, for one connection
// and one request after the other. It is pure: the conn that has it reads and
// writes. What it returns of dst is dst with something appended; slices that it
// puts into an Response, and content, are valid until it is called again, and may
// be part of what it was given.
type codec interface {
	// begin appends the head of r, or all that goes before its content. From now on
	// next reads the answer to r.
	begin(dst []byte, r *request) ([]byte, error)
	// before and after append what stands around n octets of content, 0 < n <=
	// maxPiece; end what follows all content, if there was any to come.
	before(dst []byte, n int) []byte
	after(dst []byte) []byte
	end(dst []byte, trailers []exchange.Field) []byte
	// next reads from src what is there of the answer: one event, and how many
	// octets of src that took. With more, src is to come again without those and
	// with what has arrived since. Any error is about the upstream, and final.
	next(src []byte, res *exchange.Response) (e event, content []byte, n int, err error)
	// eof says what it means that the upstream has finished sending: ended, or an
	// error.
	eof() (event, error)
	// reusable reports, after ended, whether the connection takes another request.
	reusable() bool
}

// maxPiece is the most octets of content between one before and one after.
const maxPiece = 32 << 10

// An event is what a codec finds in an answer.
type event uint8

const (
	more    event = iota // nothing that is whole
	interim              // a head of status 1xx, in res, but not 101
	head                 // the final head, in res; with 101 what follows is a tunnel
	content              // content
	ended                // the end; trailers are in res
	note                 // content is for the log: what the upstream says of the request
)

// A request is what is to be sent: an Exchange as the upstream is to see it. It is
// valid during begin only.
type request struct {
	// x is whose request it is. A codec takes from it what is not told below, such as
	// addresses.
	x *exchange.Exchange
	// target is path and query in origin form, or "*".
	target []byte
	// script is the mount point and path what of the decoded path is below it:
	// SCRIPT_NAME and PATH_INFO.
	script, path []byte
	// host is what Host says.
	host []byte
	// fields are all other end-to-end fields, and those that are ours to add. Host,
	// Content-Length and the fields of the connection are not among them.
	fields []exchange.Field
	// length is the length of the content, or -1; tellEmpty says that a length of 0 is
	// told.
	length    int64
	tellEmpty bool
	// upgrade is the protocol that the client wants to change to, or nil.
	upgrade []byte
	// trailers says that the client takes trailers.
	trailers bool
	// close says that the connection will not be used again.
	close bool
}
