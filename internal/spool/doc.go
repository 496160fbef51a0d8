// Package spool keeps content in unlinked temporary files, so that what is too
// large for memory waits on disk. A few goroutines do the writing: nobody who
// appends ever waits for a disk. It reads nothing back: the file itself is
// handed out for sendfile, pread or to be passed to another process.
package spool
