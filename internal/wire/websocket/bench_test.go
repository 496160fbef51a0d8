package websocket

import (
	"bytes"
	"compress/flate"
	"io"
	"testing"
)

func BenchmarkXOR(b *testing.B) {
	p := make([]byte, 16<<10)
	b.SetBytes(int64(len(p)))
	for b.Loop() {
		XOR(p, [4]byte{1, 2, 3, 4}, 1)
	}
}

func BenchmarkUTF8(b *testing.B) {
	for name, text := range map[string]string{"ASCII": "hello, world ", "mixed": "aé€😀 "} {
		b.Run(name, func(b *testing.B) {
			p := bytes.Repeat([]byte(text), 1000)
			b.SetBytes(int64(len(p)))
			for b.Loop() {
				var u UTF8
				u.Check(p)
			}
		})
	}
}

func BenchmarkHeader(b *testing.B) {
	text := []byte(client(0x81, "Hello"))
	for b.Loop() {
		var r Reader
		n, _, _ := r.Header(text)
		r.Payload(text[n:], 100)
	}
}

// The standard library's decoder is there to compare with.
func BenchmarkInflate(b *testing.B) {
	words := samples()["words"]
	for name, p := range map[string][]byte{"100 octets": words[:100], "100 KiB": words} {
		in := append(deflated(b, p, flate.DefaultCompression), tail...)
		b.Run(name, func(b *testing.B) {
			z := &Inflater{}
			b.SetBytes(int64(len(p)))
			b.ReportAllocs()
			for b.Loop() {
				z.Reset()
				for src := in; len(src) > 0; {
					n, _ := z.Write(src)
					src = src[n:]
					z.Take(z.Pending())
				}
			}
		})
		b.Run(name+", standard library", func(b *testing.B) {
			z := flate.NewReader(nil)
			b.SetBytes(int64(len(p)))
			b.ReportAllocs()
			for b.Loop() {
				_ = z.(flate.Resetter).Reset(bytes.NewReader(in), nil)
				_, _ = io.Copy(io.Discard, z)
			}
		})
	}
}

func BenchmarkDeflate(b *testing.B) {
	words := samples()["words"]
	for name, p := range map[string][]byte{"100 octets": words[:100], "16 KiB": words[:16<<10]} {
		b.Run(name, func(b *testing.B) {
			z := &Deflater{}
			var out []byte
			b.SetBytes(int64(len(p)))
			b.ReportAllocs()
			for b.Loop() {
				out, _ = z.Append(out[:0], p, Deflate{WindowBits: maxWindow}, true)
			}
			b.ReportMetric(float64(len(out))/float64(len(p)), "ratio")
		})
	}
}
