// Package disk waits for disks on a bounded number of goroutines, so that event
// loops need not: a Pool does what may block, Ahead has it read what of a file is
// sent next.
//
// Whether a disk has to be waited for preadv2 with RWF_NOWAIT tells, of the ends of
// a chunk. It is a guess: what the kernel has thrown out of the middle alone is
// waited for. What the Pool has read may be gone again by the time that it is sent,
// where memory is short.
package disk
