// Package http3 serves HTTP/3 (RFC 9114): requests on the streams of QUIC
// connections become Exchanges (see package exchange). QUIC, TLS and the framing
// of HTTP/3 are quic-go's; what a request means, the limits it has to keep and
// how its answer goes out is decided here, by the rules that HTTP/1 and HTTP/2
// have.
//
// # Ownership
//
// A Front is made once, a Door of it serves one UDP socket; both are safe for
// concurrent use. There are no event loops: quic-go runs a goroutine for each
// request, and that goroutine is the Executor of its Exchange. Tasks come to it
// from anywhere and run on it one after the other; what the client is slow to
// take is written by it as well, and a task that comes meanwhile interrupts the
// write. Request content is read by a second goroutine, one piece at a time and
// only while Demand allows.
//
// Callbacks to an Exchange's Server are never made from within a call of a
// Client method.
//
// # Memory
//
// What a client has not taken waits in memory, then in the spool, then the
// Server waits: Drained counts octets of Data that are with quic-go or in the
// spool, and exchange.FileCost for each File. Content that was not demanded waits
// with quic-go, within the window of its connection.
//
// # What quic-go decides
//
// A message that is malformed is reset with H3_MESSAGE_ERROR, and a head larger
// than max_head answered with 431, before they get here: neither becomes an
// Exchange. Fields arrive without the order that those of different names had
// (RFC 9110 §5.3 gives it no meaning); they are passed on in the order of their
// names. A head that does not come whole is waited for until the connection has
// brought no other request for idle_timeout.
package http3
