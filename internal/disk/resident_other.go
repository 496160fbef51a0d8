//go:build !linux

package disk

import "os"

// resident would report whether a file can be had without waiting for a disk.
// Nobody can say here.
func resident(*os.File, int64, int64) bool { return true }
