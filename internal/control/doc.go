// Package control lets a command reach a server that runs: a Unix socket that only
// the server's user, and root, may connect to. One connection carries one command,
// a line, and its Outcome, a JSON object.
//
// The socket is found by the path of the configuration, so that a command needs to
// know nothing else. It knows no command and does nothing itself.
package control
