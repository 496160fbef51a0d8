package http1

import (
	"testing"

	"rickhouse/internal/exchange"
)

const wrkHead = "GET / HTTP/1.1\r\nHost: 127.0.0.1:8000\r\n\r\n"

const browserHead = "GET /shop/items/42?sort=price&page=3 HTTP/1.1\r\n" +
	"Host: www.example.org\r\n" +
	"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n" +
	"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n" +
	"Accept-Language: en-GB,en;q=0.5\r\n" +
	"Accept-Encoding: gzip, deflate, br, zstd\r\n" +
	"Referer: https://www.example.org/shop/items?page=2\r\n" +
	"Connection: keep-alive\r\n" +
	"Cookie: session=8d6a2f0e4b1c4f7aa3f5; csrftoken=0123456789abcdef0123456789abcdef; theme=dark\r\n" +
	"Upgrade-Insecure-Requests: 1\r\n" +
	"Sec-Fetch-Dest: document\r\n" +
	"Sec-Fetch-Mode: navigate\r\n" +
	"Priority: u=0, i\r\n\r\n"

func benchmarkParse(b *testing.B, head string) {
	p, buf := newTestParser(), []byte(head)
	var req exchange.Request
	b.ReportAllocs()
	for b.Loop() {
		if n, err := p.Parse(buf, &req); n != len(buf) {
			b.Fatal(n, err)
		}
	}
}

func BenchmarkParseShort(b *testing.B)   { benchmarkParse(b, wrkHead) }
func BenchmarkParseBrowser(b *testing.B) { benchmarkParse(b, browserHead) }
func BenchmarkParseDecode(b *testing.B) {
	benchmarkParse(b, "GET /a%20b/../c/%e4%f6?d=%20 HTTP/1.1\r\nHost: a\r\n\r\n")
}

func typicalResponse() (*exchange.Response, *Reply) {
	res := response(200, 13, "Content-Type", "text/plain; charset=utf-8", "X-Request-Id", "8d6a2f0e4b1c4f7a", "Vary", "Cookie")
	return res, &Reply{Version: exchange.HTTP11, Date: []byte("Sun, 06 Nov 1994 08:49:37 GMT"), Server: []byte("rickhouse")}
}

func BenchmarkAppendHead(b *testing.B) {
	res, reply := typicalResponse()
	buf := make([]byte, 0, 1024)
	b.ReportAllocs()
	for b.Loop() {
		buf, _, _ = AppendHead(buf[:0], res, reply)
	}
}

func BenchmarkChunked(b *testing.B) {
	limits := Limits{}.WithDefaults()
	src := AppendChunk(nil, make([]byte, 4096))
	src, _ = AppendLastChunk(src, nil)
	var c Chunked
	b.SetBytes(int64(len(src)))
	b.ReportAllocs()
	for b.Loop() {
		c.Reset(&limits)
		for n := 0; !c.Done(); {
			_, k, err := c.Next(src[n:], 1<<20)
			if n += k; err != nil {
				b.Fatal(err)
			}
		}
	}
}

// Nothing here allocates once its buffers have grown.
func TestNoAllocations(t *testing.T) {
	limits := Limits{}.WithDefaults()
	p := NewParser(&limits)
	var req exchange.Request
	parse := func(text string) func() {
		buf := []byte(text)
		return func() {
			if n, err := p.Parse(buf, &req); n != len(buf) || err != nil {
				t.Fatal(n, err)
			}
		}
	}
	res, reply := typicalResponse()
	out := make([]byte, 0, 1024)
	chunks := []byte("5\r\nhello\r\n0;a=b\r\nX-Sum: 1\r\n\r\n")
	var c Chunked
	for name, f := range map[string]func(){
		"short":   parse(wrkHead),
		"browser": parse(browserHead),
		"decode":  parse("GET /a%20b/../c HTTP/1.1\r\nHost: a\r\n\r\n"),
		"upgrade": parse("GET http://b/a HTTP/1.1\r\nHost: a\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"),
		"head":    func() { out, _, _ = AppendHead(out[:0], res, reply) },
		"chunk":   func() { out, _ = AppendLastChunk(AppendChunk(out[:0], chunks), nil) },
		"chunked": func() {
			c.Reset(&limits)
			for n := 0; !c.Done(); {
				_, k, _ := c.Next(chunks[n:], 100)
				n += k
			}
			req.Trailers = c.AppendTrailers(req.Trailers[:0])
		},
	} {
		f()
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s: %v allocations a run", name, n)
		}
	}
}
