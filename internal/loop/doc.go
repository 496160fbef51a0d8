// Package loop runs sockets, timers and posted tasks on one goroutine.
//
// A Loop is an event loop: on Linux it waits in epoll and reads and writes
// sockets with raw system calls that cannot block; elsewhere (and for anything
// that is not a plain socket) goroutines pump octets in and out and the loop sees
// the same Stream. A Stream can speak TLS: the handshake is computed on a
// goroutine, all else on the Loop. It knows nothing of protocols. One goroutine
// calls Run, and everything a Loop calls, it calls from there; only Post and
// Stop may be called from elsewhere.
package loop
