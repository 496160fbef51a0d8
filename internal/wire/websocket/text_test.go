package websocket

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestUTF8(t *testing.T) {
	for name, c := range map[string]struct {
		text  string
		valid int // how many octets can be the start of UTF-8
	}{
		"nothing":               {"", 0},
		"ASCII":                 {"hello, world: longer than eight", 31},
		"two octets":            {"\xc2\x80\xdf\xbf", 4},
		"three octets":          {"\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf", 12},
		"four octets":           {"\xf0\x90\x80\x80\xf4\x8f\xbf\xbf", 8},
		"continuation alone":    {"a\x80", 1},
		"overlong, two":         {"a\xc0\x80", 1},
		"overlong, two, last":   {"a\xc1\xbf", 1},
		"overlong, three":       {"a\xe0\x9f\xbf", 2},
		"overlong, four":        {"a\xf0\x8f\xbf\xbf", 2},
		"surrogate":             {"a\xed\xa0\x80", 2},
		"above the last":        {"a\xf4\x90\x80\x80", 2},
		"five octets":           {"a\xf8\x88\x80\x80\x80", 1},
		"ff":                    {"a\xff", 1},
		"cut and another":       {"a\xe2\x82a", 3},
		"cut and a lead":        {"a\xe2\x82\xe2", 3},
		"RFC 6455's kosme":      {"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited", 12},
		"long before the fault": {strings.Repeat("x", 100) + "\xff", 100},
	} {
		t.Run(name, func(t *testing.T) {
			var u UTF8
			for i := range len(c.text) {
				if ok := u.Check([]byte{c.text[i]}); ok != (i < c.valid) {
					t.Fatalf("octet %d: %v", i, ok)
				} else if !ok {
					break
				}
			}
			if c.valid == len(c.text) && !u.Whole() {
				t.Error("not whole")
			}
			if ok := new(UTF8).Check([]byte(c.text)); ok != (c.valid == len(c.text)) {
				t.Errorf("at once: %v", ok)
			}
		})
	}
	for _, cut := range []string{"\xc2", "\xe2\x82", "\xf0\x9f\x98", "a\xf0"} {
		var u UTF8
		if !u.Check([]byte(cut)) || u.Whole() {
			t.Errorf("%q is whole", cut)
		}
	}
}

// FuzzUTF8: cut anywhere, the verdict is that of the standard library.
func FuzzUTF8(f *testing.F) {
	f.Add([]byte("a\xe2\x82\xac\xf0\x9f\x98\x80"), uint(3))
	f.Add([]byte("\xed\xa0\x80"), uint(1))
	f.Fuzz(func(t *testing.T, p []byte, at uint) {
		var u UTF8
		n := int(at % uint(len(p)+1))
		ok := u.Check(p[:n]) && u.Check(p[n:]) && u.Whole()
		if ok != utf8.Valid(p) {
			t.Fatalf("%q cut at %d: %v", p, n, ok)
		}
	})
}

func TestClose(t *testing.T) {
	for in, c := range map[string]struct {
		code   int
		reason string
		fault  int
	}{
		"":                         {CodeNoStatus, "", 0},
		"\x03\xe8":                 {1000, "", 0},
		"\x03\xe8bye \xe2\x82\xac": {1000, "bye €", 0},
		"\x03":                     {fault: CodeProtocolError},
		"\x03\xe8\xff":             {fault: CodeInvalid},
	} {
		code, reason, err := ParseClose([]byte(in))
		if code != c.code || reason != c.reason || (err == nil) != (c.fault == 0) || err != nil && err.Code != c.fault {
			t.Errorf("%q gives %d, %q, %v", in, code, reason, err)
		}
	}
	for code, valid := range map[int]bool{
		0: false, 999: false, 1000: true, 1003: true, 1004: false, 1005: false, 1006: false, 1007: true, 1014: true,
		1015: false, 1016: false, 2999: false, 3000: true, 4999: true, 5000: false, 65535: false,
	} {
		_, _, err := ParseClose([]byte{byte(code >> 8), byte(code)})
		if ValidCode(code) != valid || (err == nil) != valid {
			t.Errorf("%d: %v, %v", code, ValidCode(code), err)
		}
	}
}

func TestAppendClose(t *testing.T) {
	long := strings.Repeat("é", 62) // 124 octets
	for name, c := range map[string]struct {
		code   int
		reason string
		want   string
	}{
		"normal":          {1000, "bye", "\x88\x05\x03\xe8bye"},
		"no status":       {CodeNoStatus, "dropped", "\x88\x00"},
		"abnormal":        {CodeAbnormal, "x", "\x88\x03\x03\xf3x"},
		"out of range":    {70000, "", "\x88\x02\x03\xf3"},
		"long reason":     {1000, long, "\x88\x7c\x03\xe8" + long[:122]},
		"the longest":     {1000, long[:122] + "x", "\x88\x7d\x03\xe8" + long[:122] + "x"},
		"reason not UTF8": {1000, "\xff", "\x88\x02\x03\xe8"},
	} {
		if b := AppendClose(nil, c.code, c.reason); string(b) != c.want {
			t.Errorf("%s: %q, want %q", name, b, c.want)
		}
	}
}

func TestDeflate(t *testing.T) {
	z := &Deflater{}
	for name, want := range samples() {
		for bits := minWindow; bits <= maxWindow; bits++ {
			d := Deflate{On: true, WindowBits: bits}
			half := len(want) / 2
			b, err := z.Append([]byte("x"), want[:half], d, false)
			if err == nil {
				b, err = z.Append(b, want[half:], d, true)
			}
			if err != nil {
				t.Fatal(err)
			}
			got, ok := inflated(&Inflater{}, b[1:], 1<<20, 1<<20)
			if !ok || !bytes.Equal(got, want) {
				t.Errorf("%s, %d bits: %v, %d octets of %d", name, bits, ok, len(got), len(want))
			}
			if d := farthest(b[1:]); d > 1<<bits {
				t.Errorf("%s, %d bits: a distance of %d", name, bits, d)
			}
		}
	}
	if b, _ := z.Append(nil, bytes.Repeat([]byte("hello "), 1000), Deflate{WindowBits: 15}, true); len(b) > 200 {
		t.Errorf("6000 octets that repeat take %d", len(b))
	}
}

// farthest is the largest distance of a match in compressed data.
func farthest(p []byte) int {
	z, most := &Inflater{}, 0
	for _, c := range append(append([]byte(nil), p...), tail...) {
		if _, err := z.Write([]byte{c}); err != nil {
			return 1 << 20
		}
		z.Take(z.Pending())
		most = max(most, z.distance)
	}
	return most
}
