// Package arrows holds the repository to its own rules: which room may import
// which, what a room must have, and how long things may get. The rules are
// functions that return Faults; a test runs them on this repository, and on
// small trees that break each rule.
//
// It is not part of the server: nothing imports it.
package arrows
