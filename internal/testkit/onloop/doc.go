// Package onloop helps the tests of what serves connections on an event loop: a
// Server is a loop that runs, with a listening socket, a Stream a connection that
// is made up, on a loop that may stand still.
package onloop
