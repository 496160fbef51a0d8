package exchange

import "testing"

func TestEqualFold(t *testing.T) {
	for _, tt := range []struct {
		b, lower string
		want     bool
	}{
		{"", "", true},
		{"close", "close", true},
		{"Keep-ALIVE", "keep-alive", true},
		{"close", "closed", false},
		{"closed", "close", false},
		{"HTTPſ", "https", false}, // Unicode would fold it
		{"[", "{", false},
		{"te@", "te`", false},
	} {
		if got := EqualFold([]byte(tt.b), tt.lower); got != tt.want {
			t.Errorf("%q and %q: %v", tt.b, tt.lower, got)
		}
	}
}

func TestVersions(t *testing.T) {
	for v, want := range map[Version]string{HTTP10: "HTTP/1.0", HTTP11: "HTTP/1.1", HTTP2: "HTTP/2.0", HTTP3: "HTTP/3.0"} {
		if v.String() != want {
			t.Errorf("got %v, want %s", v, want)
		}
	}
}
