package http1

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"rickhouse/internal/exchange"
)

// decoded is what chunked content came to.
type decoded struct {
	data     string
	n        int
	done     bool
	status   int
	trailers string
}

func decode(c *Chunked, text string, step int, limit int64) decoded {
	var d decoded
	src := []byte(text)
	for d.n < len(src) && !c.Done() {
		data, n, err := c.Next(src[d.n:min(len(src), d.n+step)], limit)
		d.data += string(data)
		d.n += n
		if err != nil {
			d.status = err.Status
			return d
		}
	}
	d.done = c.Done()
	if d.done {
		for _, f := range c.AppendTrailers(nil) {
			d.trailers += fmt.Sprintf("%s=%s;", f.Name, f.Value)
		}
	}
	return d
}

// decodeAll decodes in several ways, which must agree, and returns what they
// came to.
func decodeAll(t *testing.T, text string) decoded {
	t.Helper()
	limits := Limits{}.WithDefaults()
	var c Chunked
	c.Reset(&limits)
	want := decode(&c, text, len(text)+1, math.MaxInt64)
	for _, way := range []struct {
		step  int
		limit int64
	}{{1, math.MaxInt64}, {3, 2}, {len(text) + 1, 1}} {
		c.Reset(&limits)
		if got := decode(&c, text, way.step, way.limit); got != want {
			t.Errorf("%q in steps of %d within %d: %+v, want %+v", text, way.step, way.limit, got, want)
		}
	}
	return want
}

func TestChunked(t *testing.T) {
	for _, c := range []struct{ name, text, data, trailers string }{
		{"empty", "0\r\n\r\n", "", ""},
		{"one", "5\r\nhello\r\n0\r\n\r\n", "hello", ""},
		{"digits of both cases and zeros", "00a\r\n0123456789\r\nB\r\n0123456789a\r\n000\r\n\r\n", "01234567890123456789a", ""},
		{"CRLF is content too", "4\r\n\r\n\r\n\r\n0\r\n\r\n", "\r\n\r\n", ""},
		{"extensions", "1;a\r\nx\r\n1;a=b\r\ny\r\n1 ; a = \"b;\\\"\r\\\t\";c\t=d ;e\r\nz\r\n0;last\r\n\r\n", "", ""},
		{"extensions of every kind", "1;a\r\nx\r\n1;a=b;c=\"d\"\r\ny\r\n1 ; a = \"b;\\\"\t\" ;c\t=d ;e\r\nz\r\n0;last\r\n\r\n", "xyz", ""},
		{"trailers", "1\r\nx\r\n0\r\nX-Sum: 1 \r\nB:\r\n\r\n", "x", "x-sum=1;b=;"},
		{
			"forbidden trailers", "0\r\nContent-Length: 3\r\nTransfer-Encoding: x\r\nHost: a\r\nAuthorization: a\r\nContent-Type: a\r\n" +
				"X_Y: a\r\nCookie: a\r\nX-Forwarded-For: a\r\nIf-Match: a\r\nConnection: close\r\nOk: yes\r\n\r\n", "", "ok=yes;",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := decodeAll(t, c.text+"next")
			if c.name == "extensions" {
				if got.status != 400 {
					t.Errorf("a CR in a quoted string: %+v", got)
				}
				return
			}
			want := decoded{data: c.data, n: len(c.text), done: true, trailers: c.trailers}
			if got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
	}
}

func TestChunkedRefused(t *testing.T) {
	for _, c := range []struct {
		name, text string
		status     int
	}{
		{"no digit", "\r\n", 400},
		{"hex prefix", "0x5\r\nhello\r\n", 400},
		{"sign", "+5\r\nhello\r\n", 400},
		{"minus", "-5\r\nhello\r\n", 400},
		{"space first", " 5\r\nhello\r\n", 400},
		{"space last", "5 \r\nhello\r\n", 400},
		{"underscore", "1_0\r\n", 400},
		{"not hex", "g\r\n", 400},
		{"overflow", "8000000000000000\r\n", 400},
		{"overflow of 64 bits", "10000000000000005\r\n", 400},
		{"many zeros", "00000000000000005\r\nhello\r\n", 400},
		{"bare LF after the size", "5\nhello\r\n", 400},
		{"bare CR after the size", "5\rhello\r\n", 400},
		{"bare LF after the content", "5\r\nhello\n0\r\n\r\n", 400},
		{"no CRLF after the content", "5\r\nhello0\r\n\r\n", 400},
		{"content longer than said", "4\r\nhello\r\n0\r\n\r\n", 400},
		{"CR twice", "5\r\r\nhello\r\n", 400},
		{"extension without a name", "5;\r\nhello\r\n", 400},
		{"extension without a value", "5;a=\r\nhello\r\n", 400},
		{"extension with LF", "5;a\nhello\r\n", 400},
		{"extension with LF in quotes", "5;a=\"\n\"\r\nhello\r\n", 400},
		{"extension with NUL", "5;a=\x00\r\nhello\r\n", 400},
		{"extension not closed", "5;a=\"b\r\nhello\r\n", 400},
		{"extension after quotes", "5;a=\"b\"c\r\nhello\r\n", 400},
		{"extension, name and space", "5;a \r\nhello\r\n", 400},
		{"extension too long", "5;" + strings.Repeat("a", 1<<10+1), 400},
		{"extensions too many", strings.Repeat("1;"+strings.Repeat("a", 1000)+"\r\nx\r\n", 18), 400},
		{"trailer with a bare LF", "0\r\nA: b\n\r\n", 400},
		{"trailer end with a bare LF", "0\r\n\n", 400},
		{"trailer folded", "0\r\nA: b\r\n c\r\n\r\n", 400},
		{"trailer with a space before the colon", "0\r\nA : b\r\n\r\n", 400},
		{"trailer with NUL", "0\r\nA: \x00\r\n\r\n", 400},
		{"trailer too long", "0\r\nA: " + strings.Repeat("b", 8<<10), 431},
		{"trailers too many", "0\r\n" + strings.Repeat("A: b\r\n", 101), 431},
		{"trailers too large", "0\r\n" + strings.Repeat("A: "+strings.Repeat("b", 4000)+"\r\n", 9), 431},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := decodeAll(t, c.text); got.status != c.status {
				t.Errorf("got %+v, want %d", got, c.status)
			}
		})
	}
}

// Honest use of extensions, a signature a chunk, goes on for ever.
func TestChunkedExtensionsThatPay(t *testing.T) {
	limits := Limits{}.WithDefaults()
	var c Chunked
	c.Reset(&limits)
	chunk := "40;chunk-signature=" + strings.Repeat("0", 64) + "\r\n" + strings.Repeat("x", 64) + "\r\n"
	if got := decode(&c, strings.Repeat(chunk, 1000)+"0\r\n\r\n", 1<<20, 1<<20); !got.done || len(got.data) != 64000 {
		t.Errorf("done %v, status %d after %d octets", got.done, got.status, len(got.data))
	}
}

func TestAppendChunks(t *testing.T) {
	b := AppendChunk(nil, []byte("0123456789abcdef"))
	b = AppendChunk(b, nil)
	b, err := AppendLastChunk(b, []exchange.Field{
		{Name: []byte("X-Sum"), Value: []byte("1")},
		{Name: []byte("Content-Length"), Value: []byte("3")},
		{Name: []byte("Authentication-Info-That-Is-Longer-Than-Any"), Value: []byte("2")},
	})
	want := "10\r\n0123456789abcdef\r\n0\r\nX-Sum: 1\r\nAuthentication-Info-That-Is-Longer-Than-Any: 2\r\n\r\n"
	if string(b) != want || err != nil {
		t.Errorf("got %q, %v, want %q", b, err, want)
	}
	if b, err = AppendLastChunk([]byte("x"), []exchange.Field{{Name: []byte("A"), Value: []byte("b\r\nc: d")}}); string(b) != "x" || err == nil {
		t.Errorf("a trailer with CRLF: %q, %v", b, err)
	}
}
