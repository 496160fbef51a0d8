// Package exchange holds the one type that everything in Rickhouse passes: an
// Exchange is one request and the answer to it, whatever protocol carried the
// request and whatever answers it.
//
// A front end turns bytes into an Exchange and is its Client: it delivers the
// request content and carries the answer away. A back end is its Server. A
// Handler stands between: it answers at once, or hands the Exchange on and
// returns. Whoever holds the Exchange finishes it exactly once, by End or Abort.
//
// # Ownership
//
// An Exchange belongs to the Executor (an event loop, or the goroutine that
// stands for one) of its connection. Every method of Exchange, Client and
// Server is called on that Executor and returns without blocking. Anyone else
// posts to it. The front takes an Exchange back, and may use it for another
// request, only after End or Abort: until then nothing in Request changes, and
// after it nobody else may touch the Exchange or any slice it handed out.
//
// # Backpressure
//
// Both directions are paced in octets. Request content arrives only within
// what was asked for by Demand. Response content may run ahead of the client by
// what the Server chooses; Server.Drained says when octets have left.
//
// This package imports the standard library only and holds no protocol.
package exchange
