// Package story runs the real binary as people run it: scripts in testdata
// start it, speak to it, send it signals and look at what it says and leaves
// behind; the longer stories (load while workers are killed, slow clients, large
// bodies, a clean clone) are in Go.
//
// RICKHOUSE_BINARY names a binary to test in place of one built here.
// RICKHOUSE_STORY_SHORT=1 makes the long stories shorter.
package story
