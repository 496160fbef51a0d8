// Package transport answers an Exchange with what an http.RoundTripper gets.
//
// It is for upstreams whose protocol net/http speaks and the event loops do not
// (HTTP/2, over TLS or with prior knowledge), and for requests to servers of
// which there is no pool (the forward proxy).
//
// # Goroutines
//
// A request has one goroutine here, besides those of the RoundTripper. The
// Exchange stays its Executor's: the goroutine reads copies of the request and
// posts what it has got. Nothing on the Executor waits for it.
//
// # Backpressure
//
// Request content is demanded as the RoundTripper reads it, never more than
// Config.Window octets ahead. The first Demand comes with the first read, so that
// a client that waits for 100 (Continue) is told to go on only if the upstream
// has said so, or was not asked. Content of the answer is read only while less
// than Config.Window octets of it are not Drained. So a request holds two windows
// of memory, whatever client and upstream do.
//
// # What passes
//
// Fields of the connection (RFC 9110 §7.6.1) are dropped both ways, names and
// values that are not valid end the answer with 502, interim answers other than
// 100 and 101 and trailers pass. CONNECT and Upgrade are refused with 501 by
// Serve: they need a connection of their own.
//
// # Failure
//
// What goes wrong before the head of the answer is an exchange.Error: 504 where
// time ran out, the client's own error where its content did not come whole, else
// 502. After the head the answer is cut.
//
// # Tunnels
//
// Join accepts a CONNECT and carries octets between it and a connection that its
// caller has opened, paced alike. The end of each direction is passed on alone.
//
// It chooses no upstream, retries nothing itself and balances nothing: whoever
// calls says where to, and hears of the outcome.
package transport
