package main

import (
	"errors"
	"syscall"
	"time"
)

// sleepUntil sleeps in the kernel: a timer of the runtime may be a millisecond
// late, as epoll counts in those.
func sleepUntil(t time.Time) {
	for {
		left := time.Until(t)
		if left <= 0 {
			return
		}
		ts := syscall.NsecToTimespec(left.Nanoseconds())
		if err := syscall.Nanosleep(&ts, nil); err != nil && !errors.Is(err, syscall.EINTR) {
			time.Sleep(left)
		}
	}
}
