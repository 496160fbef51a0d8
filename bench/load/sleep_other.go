//go:build !linux

package main

import "time"

// sleepUntil sleeps by a timer of the runtime.
func sleepUntil(t time.Time) { time.Sleep(time.Until(t)) }
