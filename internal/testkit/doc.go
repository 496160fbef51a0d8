// Package testkit helps tests and stories that run the real server: it builds
// the binary, starts it on a free port, looks at its processes and log, and
// speaks to it octet by octet.
//
// Everything that waits polls until a deadline and returns an error that says
// what was seen instead. It is not part of the server.
package testkit
