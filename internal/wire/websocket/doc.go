// Package websocket turns octets into WebSocket frames and back (RFC 6455), with
// the permessage-deflate extension (RFC 7692), as a server sees them. It holds
// no sockets and starts no goroutines, and everything in it that takes octets
// goes on wherever they were cut: what arrives octet by octet gives what
// arrives at once.
//
// # Strictness
//
// A client that breaks a rule of the RFC is told so by a close code, never
// humoured: frames without a mask, reserved bits and opcodes, lengths that are
// not written in their shortest form, control frames that are fragmented or
// longer than 125 octets, continuations of nothing, a message within a message
// (1002); text that is not UTF-8, at the first octet that shows it, and
// compressed data that is not (1007).
//
// # Compression
//
// Of permessage-deflate all parameters are honoured. The server asks for no
// context takeover in either direction, so that nothing of a message is
// remembered after it. Inflater is a DEFLATE decoder of its own because the
// standard library's cannot go on after its input paused within a message.
package websocket
