package disk

import (
	"os"
	"path/filepath"
	"testing"
)

// What was just written is in memory. Whether the kernel can be made to forget it
// depends on the file system: if it can, it is told.
func TestResident(t *testing.T) {
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, make([]byte, Chunk), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if !resident(f, 0, Chunk) || !resident(f, Chunk-1, 1) {
		t.Error("a file that was just written would have to be read from the disk")
	}
	// To ask has the kernel read the file, and a fast disk may be done before it is told.
	for range 100 {
		if !forget(f) || !resident(f, 0, Chunk) {
			return
		}
	}
	t.Error("a file that the kernel has forgotten is said to be in memory")
}

// BenchmarkResident is what it costs to ask before each Chunk that is in memory.
func BenchmarkResident(b *testing.B) {
	name := filepath.Join(b.TempDir(), "file")
	if err := os.WriteFile(name, make([]byte, Chunk), 0o600); err != nil {
		b.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	b.ReportAllocs()
	for b.Loop() {
		if !resident(f, 0, Chunk) {
			b.Fatal("it is not in memory")
		}
	}
}
