//go:build !linux

package spool

import "os"

// temporary makes a file that has lost its name.
func temporary(directory string) (*os.File, error) { return unlinked(directory) }
