// Package listen turns an address, as a user writes it, into a listening stream
// socket: TCP, Unix or inherited; and opens the UDP socket of HTTP/3 beside one.
// It accepts nothing: the loop does that.
//
// TCP_NODELAY is set here, on the listening socket: accepted sockets inherit
// it, which saves a system call for every connection.
package listen
