package scgi

import (
	"errors"
	"testing"

	"rickhouse/internal/testkit"
)

func request(t testing.TB, length int64, pairs ...string) []byte {
	t.Helper()
	var r Request
	for i := 0; i < len(pairs); i += 2 {
		r.Add(pairs[i], []byte(pairs[i+1]))
	}
	b, err := r.Append(nil, length)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// packets are how ours are read.
var packets = testkit.Packets{Parse: Parse, Next: Next}

func TestParse(t *testing.T) {
	packets.Check(t, request(t, 7, "REQUEST_METHOD", "GET", "EMPTY", ""), "CONTENT_LENGTH=7\nSCGI=1\nREQUEST_METHOD=GET\nEMPTY=\n")
}

// The example of the specification.
func TestExample(t *testing.T) {
	const text = "70:CONTENT_LENGTH\x0027\x00SCGI\x001\x00REQUEST_METHOD\x00POST\x00REQUEST_URI\x00/deepthought\x00,What is the answer to life?"
	if got := request(t, 27, "REQUEST_METHOD", "POST", "REQUEST_URI", "/deepthought"); string(got) != text[:len(text)-27] {
		t.Errorf("got %q", got)
	}
	if _, n, err := Parse([]byte(text), 100); n != len(text)-27 || err != nil {
		t.Errorf("got %d, %v", n, err)
	}
}

func TestMistakes(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       error
	}{
		{"HTTP", "GET / HTTP/1.1\r\n", ErrNetstring},
		{"no length", ":,", ErrNetstring},
		{"a sign", "-5:", ErrNetstring},
		{"a leading zero", "070:", ErrNetstring},
		{"no end of the length", "0000000000", ErrNetstring},
		{"a long length", "99999999999999999999:", ErrSize},
		{"too large", "1001:", ErrSize},
		{"empty", "0:,", ErrFirst},
		{"another first", "20:SCGI\x001", ErrFirst},
		{"no comma", "17:CONTENT_LENGTH\x000\x00;", ErrNetstring},
		{"a value without its end", "16:CONTENT_LENGTH\x000,", ErrVariables},
		{"an empty name", "19:CONTENT_LENGTH\x000\x00\x00\x00,", ErrVariables},
	} {
		variables, _, err := Parse([]byte(c.text), 1000)
		if err == nil {
			_, err = packets.Read(variables)
		}
		if !errors.Is(err, c.want) {
			t.Errorf("%s: got %v", c.name, err)
		}
	}
	var r Request
	r.Add("A", []byte("b\x00c"))
	if _, err := r.Append(nil, 0); !errors.Is(err, ErrVariables) {
		t.Errorf("a NUL was written: %v", err)
	}
}

// FuzzParse: octet by octet gives what the whole gives; what is read can be written
// and read again.
func FuzzParse(f *testing.F) {
	f.Add(request(f, 0, "REQUEST_METHOD", "GET", "PATH_INFO", "/"))
	f.Add([]byte("17:CONTENT_LENGTH\x000\x00,"))
	f.Add([]byte("070:"))
	f.Fuzz(func(t *testing.T, b []byte) {
		variables, n := packets.Pieces(t, b, 4000)
		if n == 0 {
			return
		}
		text, err := packets.Read(variables)
		if err != nil {
			return
		}
		var r Request
		for rest := variables; len(rest) > 0; {
			name, value, next, _ := Next(rest)
			r.Add(string(name), value)
			rest = next
		}
		again, err := r.Append(nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		variables, m, err := Parse(again, 5000)
		if err != nil || m != len(again) {
			t.Fatalf("%q is read as %d octets, %v", again, m, err)
		}
		if got, err := packets.Read(variables); err != nil || got != "CONTENT_LENGTH=0\nSCGI=1\n"+text {
			t.Fatalf("%q, again %q, %v", text, got, err)
		}
	})
}
