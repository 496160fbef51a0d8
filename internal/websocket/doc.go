// Package websocket is the server's side of one WebSocket (RFC 6455, RFC 7692)
// on the tunnel of an Exchange, whatever protocol carries that. It does all that
// the two sides settle among themselves: the handshake, masks, fragments,
// compression, pings, the closing handshake, limits. Whoever owns a WebSocket
// sees messages in pieces, and one end.
//
// # From a request to a Conn
//
// A request for which wire/websocket.Requested holds is given to ParseHandshake
// of that package; Refuse answers with its error. Until Accept the owner is the
// Exchange's Server as for any request: it sees Gone, and may answer as it
// likes (that is how a WebSocket is refused: 403, or a whole response).
//
// Acceptor.Accept answers 101 and makes the Conn, which from then on is the
// Exchange's Server and finishes it. The owner must not touch the Exchange any
// more; it speaks to the Conn and hears from its Owner.
//
// # Ownership
//
// A Conn belongs to the Executor of its Exchange, which must be a Loop (it has
// the timers); an Acceptor is for all loops. Every method is called there, and
// so is the Owner, by the Loop and never from within a call of a Conn's method:
// Messages after Demand come later, Closed after Close comes later. Within a
// call of Owner all methods may be called.
//
// # Backpressure
//
// Both directions are counted in octets of messages, as they are before
// compression, and Overhead more for each piece, so that a flood of empty
// messages counts too.
//
//   - In: Demand lets messages come. A piece is delivered while the account is
//     above zero and is no longer than what it holds; it may be overdrawn by
//     Overhead. A message may be larger than the account: give more as pieces of
//     it arrive, or the rest of it never does. With nothing in the account at
//     most 64 KiB of raw octets wait here, then the client's kernel waits.
//     Control frames are read all the time but for that: behind octets that
//     nobody takes even a Close waits.
//   - Out: Send never blocks and has no bound of its own. The owner stays within
//     a window and lets it move by Drained. A client that takes nothing is cut by
//     the front (min_rate, idle_timeout).
//
// # The end
//
// Owner.Closed is called once, unless the owner calls Abort. The code is
//
//   - that of the client's Close frame, also when it answers ours; 1005 if that
//     frame has none;
//   - 1002, 1007, 1009 or 1011 where the Conn ended it: the client broke the
//     protocol, sent what is not UTF-8 or not DEFLATE, sent a message above
//     websocket_max_size, or answered no ping;
//   - 1006 if the connection ended, or our Close was not answered in time.
//
// After Closed, and after Abort, all methods do nothing.
//
// # Memory
//
// A Conn that waits is a struct of some hundred octets and a timer: no buffer,
// no compressor. Neither side keeps a compression context from one message to
// the next (both no_context_takeover parameters are in our answer), so that
// contexts are pooled for all WebSockets: one in each loop to compress, and one
// to decompress for each message that is under way. Whatever a client sends, it
// makes a Conn hold no more than 64 KiB of raw octets, 45 KiB to decompress and
// 4 KiB of pongs.
package websocket
