//go:build !linux

package worker

import "os"

func ledgerFile() (*os.File, error) {
	f, err := os.CreateTemp("", "rickhouse-ledger-*")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// seal does nothing: there are no seals here.
func seal(*os.File) error { return nil }
