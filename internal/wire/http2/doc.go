// Package http2 turns octets into HTTP/2 frames and back (RFC 9113 §4, §6), and
// encodes fields (RFC 7541). It holds no sockets, no state of a connection and
// allocates nothing. What is wrong with a frame by itself is found here; what is
// wrong with it at this place in a connection is for whoever holds that.
//
// Fields are encoded without a dynamic table: an answer depends on no other, and
// a connection needs no memory for it. Decoding is golang.org/x/net/http2/hpack's.
package http2
