// Package gateway serves uwsgi, FastCGI and SCGI, so that an nginx or an Apache in
// front can hand requests on: connections on event loops become Exchanges (see
// package exchange), one at a time on each connection. It knows nothing of what
// answers them, and accepts nothing itself: connections are handed to it.
//
// # Ownership
//
// A Front is shared by all loops and does not change once it is made. A Door is
// its part on one Loop: a Door, its connections and their Exchanges belong to that
// Loop, and everything is called there. What a Door goes by are Settings, which do not
// change: Use gives it others.
//
// Callbacks to an Exchange's Server come from the Loop, never from within a call of
// a Client method.
//
// # Whom it believes
//
// Who speaks these protocols says who the client is, whether it used https, and
// where the server is mounted. So connections are taken from Unix sockets, from this
// machine, and from the networks in gateway_peers; others are closed. The fields of
// a request are its client's: X-Forwarded-* and Forwarded are believed if that
// client, REMOTE_ADDR, is among trusted_proxies.
//
// # Framing
//
// Content of a uwsgi or SCGI request has the length that CONTENT_LENGTH says, and 0
// without one; the answer ends with the connection, which is reset where it is cut.
// FastCGI frames both, and a connection may bring one request after the other (not
// several at a time). An answer that is cut there has no END_REQUEST.
package gateway
