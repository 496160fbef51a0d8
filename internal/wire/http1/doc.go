// Package http1 turns octets into HTTP/1.0 and 1.1 request heads and content,
// and responses into octets (RFC 9110, RFC 9112). It holds no sockets, starts
// no goroutines and, once its buffers have grown, allocates nothing.
//
// # Strictness
//
// What two recipients could read differently is refused, never repaired: a bare
// CR or LF, whitespace before a colon, a folded line, a second or odd
// Content-Length, a Transfer-Encoding that is not exactly one "chunked", both
// together, a Host that is missing, repeated or not an authority, a "#" in the
// target. One empty line before the request line is skipped (RFC 9112 §2.2).
// After an error the connection carries no further request.
//
// # Paths
//
// Path is the one form that everything behind the front sees. The path of the
// target is percent-decoded once, then its dot segments are removed.
//   - A "%" without two hexadecimal digits, and %00, are refused (400).
//   - %2f becomes "/" like any other and separates segments from then on; %2e
//     becomes "." and so %2e%2e is a dot segment.
//   - ".." above the root is refused (400).
//   - "//" stays as it is: an empty segment is a segment.
//   - ";" and "\" are ordinary characters, %5c is "\".
//   - Octets of 0x80 and above are taken as they are, encoded or not.
//
// # Fields
//
// Names arrive in lower case. Names with "_" are dropped, as they would be taken
// for those with "-" by whoever writes both as "_" (an allow-list is there for
// those who need them), and so is "proxy". What frames the connection is
// consumed; see exchange.Request.
package http1
