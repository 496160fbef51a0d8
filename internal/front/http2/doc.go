// Package http2 serves HTTP/2 (RFC 9113): connections on event loops, which
// another front end hands over, become Exchanges (see package exchange), many at
// a time on each connection. It knows nothing of what answers them.
//
// # Ownership
//
// A Front is shared by all loops and does not change once it is made. A Door is
// its part on one Loop: a Door, its connections, their streams and Exchanges
// belong to that Loop, and everything is called there. There are no locks and no
// goroutines. What a Door goes by are Settings, which do not change: Use gives it
// others. Callbacks to an Exchange's Server come from the Loop, never from
// within a call of a Client method; what such a call leaves to do is done at the
// end of the turn, so that the answers of a turn leave in one write.
//
// # Memory
//
// What a connection can make the server hold is bounded: http2_window octets of
// request content (of one request no more than it demanded and 64 KiB), a head's
// limits, and of answers 64 KiB framed for the kernel, shared by its streams in
// turn, beside what each Server was allowed to run ahead: in memory, then in the
// spool. An idle connection holds its tables and no buffers.
//
// # Floods
//
// Frames that carry nothing and streams that are reset, by the client or for its
// mistakes, are counted over 10 seconds; too many close the connection with
// ENHANCE_YOUR_CALM. A stream that was reset counts among http2_max_streams while
// a Server still holds its Exchange.
//
// # Tunnels
//
// An extended CONNECT (RFC 8441) arrives as GET with Request.Upgrade set. A Server
// accepts it by the status 101, which the client sees as 200; then content is
// what the tunnel carries, in both directions.
package http2
