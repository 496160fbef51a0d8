package websocket

import (
	"bytes"
	"compress/flate"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
)

// samples are texts that compress in different ways.
func samples() map[string][]byte {
	r := rand.New(rand.NewPCG(1, 2))
	noise := make([]byte, 70_000)
	for i := range noise {
		noise[i] = byte(r.Uint32())
	}
	var words bytes.Buffer
	for words.Len() < 100_000 {
		words.WriteString([]string{"lorem ", "ipsum ", "dolor ", "sit ", "amet, ", "{\"id\":", "}\n"}[r.IntN(7)])
	}
	return map[string][]byte{
		"empty": nil, "one octet": {'a'}, "hello": []byte("Hello"), "noise": noise, "words": words.Bytes(),
		"zeros": make([]byte, 200_000), "far": append(append(noise[:32<<10:32<<10], noise[:100]...), noise[:32<<10]...),
	}
}

// deflated compresses as a client would: without its last four octets.
func deflated(t testing.TB, p []byte, level int) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, level)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = w.Write(p)
	_ = w.Flush()
	return bytes.TrimSuffix(b.Bytes(), Tail())
}

// inflated decompresses a message given in pieces, taking pieces.
func inflated(z *Inflater, p []byte, in, out int) ([]byte, bool) {
	z.Reset()
	got := []byte{}
	p = append(append([]byte(nil), p...), tail...)
	for {
		piece := p[:min(len(p), in)]
		n, err := z.Write(piece)
		if err != nil {
			return got, false
		}
		p = p[n:]
		done := len(p) == 0 && !z.Full()
		for z.Pending() > 0 {
			got = append(got, z.Take(out)...)
		}
		if done {
			return got, z.Whole()
		}
	}
}

func TestInflate(t *testing.T) {
	z := &Inflater{}
	for name, want := range samples() {
		for _, level := range []int{flate.NoCompression, flate.BestSpeed, flate.BestCompression, flate.HuffmanOnly} {
			for _, in := range []int{1, 7, 1 << 20} {
				got, ok := inflated(z, deflated(t, want, level), in, 1<<10)
				if !ok || !bytes.Equal(got, want) {
					t.Errorf("%s, level %d, %d octets at a time: %v, %d octets of %d", name, level, in, ok, len(got), len(want))
				}
			}
		}
	}
}

// The examples of RFC 7692 §7.2.3.
func TestInflateExamples(t *testing.T) {
	for name, c := range map[string]struct{ in, want string }{
		"one block":           {"\xf2\x48\xcd\xc9\xc9\x07\x00", "Hello"},
		"no compression":      {"\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00", "Hello"},
		"final block":         {"\xf3\x48\xcd\xc9\xc9\x07\x00\x00", "Hello"},
		"two blocks":          {"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00", "Hello"},
		"nothing":             {"\x00", ""},
		"empty stored blocks": {strings.Repeat("\x00\x00\x00\xff\xff", 1000) + "\x00", ""},
	} {
		if got, ok := inflated(&Inflater{}, []byte(c.in), 1, 1); !ok || string(got) != c.want {
			t.Errorf("%s: %q, %v", name, got, ok)
		}
	}
}

func TestInflateRefuses(t *testing.T) {
	for name, in := range map[string]string{
		"reserved block type":       "\x06",
		"stored length":             "\x00\x05\x00\xfa\xfeHello",
		"distance before the start": "\x02\x03\x00",
		"cut":                       "\xf2\x48\xcd",
		"nothing at all":            "",
		"too many codes":            "\xfc\xff\xff",
	} {
		if got, ok := inflated(&Inflater{}, []byte(in), 1, 1); ok {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// Whatever the octets, the standard library decides alike, and so does a decoder
// that gets them one by one.
func FuzzInflate(f *testing.F) {
	for _, p := range samples() {
		f.Add(deflated(f, p[:min(len(p), 500)], flate.BestSpeed))
		f.Add(deflated(f, p[:min(len(p), 500)], flate.BestCompression))
	}
	f.Add([]byte("\xf3\x48\xcd\xc9\xc9\x07\x00\x00"))
	f.Fuzz(func(t *testing.T, p []byte) {
		const most = 1 << 20
		whole, ok := inflated(&Inflater{}, p, len(p)+9, 1<<16)
		got, slowOK := inflated(&Inflater{}, p, 1, 100)
		if ok != slowOK || ok && !bytes.Equal(got, whole) {
			t.Fatalf("at once %v %d, octet by octet %v %d", ok, len(whole), slowOK, len(got))
		}
		// The standard library ends at a last block, this decoder goes on.
		want, err := io.ReadAll(io.LimitReader(flate.NewReader(io.MultiReader(bytes.NewReader(p), strings.NewReader(tail))), most))
		if !bytes.HasPrefix(got, want) && !bytes.HasPrefix(want, got) {
			t.Fatalf("%d octets, the standard library %d others", len(got), len(want))
		}
		if ok && (len(got) < len(want) || err != nil && err != io.ErrUnexpectedEOF) {
			t.Fatalf("%d octets are whole; the standard library %d, %v", len(got), len(want), err)
		}
	})
}
