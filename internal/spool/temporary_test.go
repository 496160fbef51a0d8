package spool

import (
	"os"
	"testing"
)

func TestUnlinked(t *testing.T) {
	directory := t.TempDir()
	f, err := unlinked(directory)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	st, err := f.Stat()
	if err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", st.Mode(), err)
	}
	if left, err := os.ReadDir(directory); err != nil || len(left) != 0 {
		t.Errorf("the folder has %v, %v; want nothing", left, err)
	}
}
