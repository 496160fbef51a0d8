package spool

import (
	"syscall"
	"testing"

	"rickhouse/internal/exchange"
)

// A disk that is really full.
func TestFullDisk(t *testing.T) {
	directory := t.TempDir()
	if err := syscall.Mount("tmpfs", directory, "tmpfs", 0, "size=256k"); err != nil {
		t.Skipf("cannot mount a small disk: %v", err)
	}
	s := newStore(t, Config{Directory: directory})
	t.Cleanup(func() { _ = syscall.Unmount(directory, syscall.MNT_DETACH) })
	e := newExecutor(t)
	big, small := watch(t, -1), watch(t, 1000)
	var f *File
	e.on(func() {
		f = s.New(e, big)
		f.Append(make([]byte, 16*chunkSize))
	})
	big.wait()
	e.on(func() {
		if got := exchange.AsError(big.err); got.Status != 507 {
			t.Errorf("a full disk gave %v, want status 507", big.err)
		}
		f.Close()
	})
	settle(t, s)
	e.on(func() {
		f = s.New(e, small)
		f.Append(make([]byte, 1000))
		f.Flush()
	})
	small.wait()
	e.on(func() {
		if small.err != nil {
			t.Errorf("after the disk had room again: %v", small.err)
		}
		f.Close()
	})
	settle(t, s)
}
