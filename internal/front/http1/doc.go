// Package http1 serves HTTP/1.0 and 1.1: connections on event loops become
// Exchanges (see package exchange), one at a time on each connection. It knows
// nothing of what answers them.
//
// # Ownership
//
// A Front is shared by all loops and does not change once it is made. A Door is
// its part on one Loop: a Door, its connections and their Exchanges belong to
// that Loop, and everything is called there. There are no locks.
// What a Door goes by are Settings, which do not change: Use gives it others. A
// request keeps those that it began with.
//
// Callbacks to an Exchange's Server come from the Loop, never from within a call
// of a Client method: calling Demand inside Serve is answered by Content after
// Serve has returned. End may be followed at once by the next request of that
// connection, but not within End.
//
// # Memory
//
// An idle connection is a small struct: buffers, parser and Exchange are taken
// from the Door when octets arrive and given back when the answer is out.
// What a client has not taken waits in memory, then in the spool, then the
// Server waits: Drained counts octets of Data, and FileCost for a File, that are
// with the kernel or in the spool, or that go nowhere, as those of an answer to
// HEAD.
//
// # The client's address
//
// X-Forwarded-For, -Proto and -Host, or Forwarded where there is none of these,
// are believed where the peer is among trusted_proxies, walked from right to
// left. Never both: most proxies write the former and pass on the latter as
// their client sent it. (One that writes Forwarded alone has to remove the
// others.) What is not believed is removed: an application that reads it would
// believe anybody.
//
// # Half-closed connections
//
// A client that sends FIN may be gone, or may wait for its answer. By default
// Server.Gone is called with exchange.ErrHalfClosed, which gives up what has not
// started; the connection is kept and the answer, if there is one, is sent.
package http1
