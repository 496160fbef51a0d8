package http1

import "testing"

func TestNewRefusesABadConfig(t *testing.T) {
	if _, err := New(Config{MaxFields: -1}, Parts{}); err == nil {
		t.Error("it is accepted")
	}
}

func TestDefaultConnections(t *testing.T) {
	for files, want := range map[uint64]int64{16: 16, 100: 50, 256: 192, 1024: 896, 65536: 57344, 1 << 40: 917504} {
		if got := defaultConnections(files); got != want {
			t.Errorf("%d files: %d, want %d", files, got, want)
		}
	}
}
