package http1

import "testing"

func TestDefaultConnections(t *testing.T) {
	for files, want := range map[uint64]int64{16: 16, 100: 50, 256: 192, 1024: 896, 65536: 57344, 1 << 40: 917504} {
		if got := defaultConnections(files); got != want {
			t.Errorf("%d files: %d, want %d", files, got, want)
		}
	}
}
