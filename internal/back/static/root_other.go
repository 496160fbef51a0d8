//go:build !linux

package static

import "os"

// open opens a file for reading. name is clean; "" is the folder.
func (r *root) open(name string) (*os.File, error) {
	if name == "" {
		name = "."
	}
	return r.slowOpen(name)
}
