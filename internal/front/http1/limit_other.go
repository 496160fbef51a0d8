//go:build !unix

package http1

// openFiles is how many files the process may open.
func openFiles() uint64 { return 16 << 10 }
