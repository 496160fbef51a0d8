package http1

import "testing"

// valueEnd agrees with the definition at every place and for every octet.
func TestValueEnd(t *testing.T) {
	allowed := func(c byte) bool { return c == '\t' || c >= ' ' && c != 0x7f }
	for length := range 20 {
		for at := range length {
			for c := range 256 {
				for _, fill := range []byte{'a', '\t', 0x80, 0xff, ' '} {
					b := make([]byte, length)
					for i := range b {
						b[i] = fill
					}
					b[at] = byte(c)
					want := length
					if !allowed(byte(c)) {
						want = at
					}
					if got := valueEnd(b, 0); got != want {
						t.Fatalf("%q: %d, want %d", b, got, want)
					}
					if got := valueEnd(b, min(at, 3)); got != want {
						t.Fatalf("%q from %d: %d, want %d", b, min(at, 3), got, want)
					}
				}
			}
		}
	}
}

// After a first hit that is allowed (HTAB), the second is found.
func TestValueEndAfterTab(t *testing.T) {
	for i := 1; i < 16; i++ {
		b := []byte("\taaaaaaaaaaaaaaaaaaa")
		b[i] = 0x7f
		if got := valueEnd(b, 0); got != i {
			t.Errorf("%q: %d, want %d", b, got, i)
		}
	}
}

func TestIsToken(t *testing.T) {
	for c := range 256 {
		want := c > ' ' && c < 0x7f
		for _, d := range []byte(`"(),/:;<=>?@[\]{}`) {
			want = want && byte(c) != d
		}
		if got := isToken([]byte{'a', byte(c)}); got != want {
			t.Errorf("%#02x: %v", c, got)
		}
	}
	if isToken(nil) {
		t.Error("the empty string is no token")
	}
}
