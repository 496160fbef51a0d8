package uwsgi

import (
	"bytes"
	"errors"
	"testing"

	"rickhouse/internal/testkit"
)

func packet(t testing.TB, pairs ...string) []byte {
	t.Helper()
	b := Begin(nil)
	for i := 0; i < len(pairs); i += 2 {
		b = AppendVariable(b, pairs[i], []byte(pairs[i+1]))
	}
	if err := End(b); err != nil {
		t.Fatal(err)
	}
	return b
}

// packets are how ours are read.
var packets = testkit.Packets{Parse: Parse, Next: Next}

func TestParse(t *testing.T) {
	packets.Check(t, packet(t, "REQUEST_METHOD", "GET", "EMPTY", ""), "REQUEST_METHOD=GET\nEMPTY=\n")
}

func TestMistakes(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       error
	}{
		{"another modifier", "\x1e", ErrModifier},
		{"HTTP", "GET / HTTP/1.1\r\n", ErrModifier},
		{"too large", "\x00\xff\xff\x00", ErrSize},
		{"a name that ends late", "\x00\x04\x00\x00\x05\x00ab", ErrVariables},
		{"a value that ends late", "\x00\x06\x00\x00\x01\x00a\x09\x00b", ErrVariables},
		{"no value", "\x00\x03\x00\x00\x01\x00a", ErrVariables},
		{"an octet too many", "\x00\x07\x00\x00\x01\x00a\x01\x00b\x00", ErrVariables},
	} {
		variables, _, err := Parse([]byte(c.text), 1000)
		if err == nil {
			_, err = packets.Read(variables)
		}
		if !errors.Is(err, c.want) {
			t.Errorf("%s: got %v", c.name, err)
		}
	}
}

func TestTooLargeToWrite(t *testing.T) {
	b := AppendVariable(Begin(nil), "A", make([]byte, 1<<16))
	if err := End(b); !errors.Is(err, ErrSize) {
		t.Errorf("got %v", err)
	}
}

// FuzzParse: octet by octet gives what the whole gives; what is read and written
// again is the same.
func FuzzParse(f *testing.F) {
	f.Add(packet(f, "REQUEST_METHOD", "GET", "PATH_INFO", "/"))
	f.Add([]byte("\x00\x07\x00\x00\x01\x00a\x01\x00b\x00"))
	f.Add([]byte("\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		variables, n := packets.Pieces(t, b, 4000)
		if n == 0 {
			return
		}
		again := Begin(nil)
		for rest := variables; len(rest) > 0; {
			name, value, next, err := Next(rest)
			if err != nil {
				return
			}
			again = AppendVariable(again, string(name), value)
			rest = next
		}
		if err := End(again); err != nil {
			t.Fatal(err)
		}
		again[3] = b[3] // modifier2 has no meaning
		if !bytes.Equal(again, b[:n]) {
			t.Fatalf("got %q, wrote %q", b[:n], again)
		}
	})
}
