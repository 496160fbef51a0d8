package spool

import (
	"fmt"
	"os"
)

// unlinked makes a file of mode 0600 and removes its name at once.
func unlinked(directory string) (*os.File, error) {
	f, err := os.CreateTemp(directory, "rickhouse-spool-*")
	if err != nil {
		return nil, fmt.Errorf("make a temporary file in %s: %w", directory, err)
	}
	if err := os.Remove(f.Name()); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("unlink a temporary file in %s: %w", directory, err)
	}
	return f, nil
}
