package proxy

import (
	"fmt"
	"testing"

	"rickhouse/internal/exchange"
)

// answers is what a codec finds in octets that come in pieces of a size, in text,
// followed by the end of the connection.
func answers(t *testing.T, text []byte, size int, method string) string {
	c := newHTTP1().codec()
	x := &exchange.Exchange{Request: exchange.Request{Method: []byte(method)}}
	_, err := c.begin(nil, &request{x: x, target: []byte("/"), host: []byte("a"), upgrade: []byte("x")})
	if err != nil {
		t.Fatal(err)
	}
	seen, got := "", []byte(nil)
	var rest []byte
	for len(text) > 0 {
		n := min(size, len(text))
		rest = append(rest, text[:n]...)
		text = text[n:]
		for {
			e, data, n, err := c.next(rest, &x.Response)
			if n > len(rest) || err == nil && e == content && len(data) == 0 {
				t.Fatalf("%d of %d octets were taken, event %d with %d octets", n, len(rest), e, len(data))
			}
			got = append(got, data...)
			rest = rest[n:]
			switch {
			case err != nil:
				return fmt.Sprintf("%s content %q, an error", seen, got)
			case e == ended:
				return fmt.Sprintf("%s content %q, ended, reusable %t, trailers %s", seen, got, c.reusable(), x.Response.Trailers)
			case e == interim || e == head:
				seen += fmt.Sprintf("head %d %d %s\n", x.Response.Status, x.Response.ContentLength, x.Response.Fields)
			}
			if e == more && n == 0 {
				break
			}
		}
	}
	e, err := c.eof()
	return fmt.Sprintf("%s content %q, event %d at the end, error %t", seen, got, e, err != nil)
}

// FuzzAnswers: an answer is the same however its octets are divided.
func FuzzAnswers(f *testing.F) {
	for _, s := range []string{
		ok("hello") + "more", "HTTP/1.1 200 OK\r\n\r\nhello", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nx",
		"HTTP/1.1 103 \r\nLink: a\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nX-T: y\r\n\r\n",
		"HTTP/1.1 101 S\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n\x00\x01", "HTTP/1.1 304 N\r\nContent-Length: 7\r\n\r\n",
	} {
		f.Add([]byte(s), uint8(3))
	}
	f.Fuzz(func(t *testing.T, text []byte, size uint8) {
		for _, method := range []string{"GET", "HEAD"} {
			whole, parts := answers(t, append([]byte(nil), text...), len(text)+1, method), answers(t, append([]byte(nil), text...), int(size)+1, method)
			if whole != parts {
				t.Fatalf("%s of %q:\nat once %s\nin pieces of %d: %s", method, text, whole, int(size)+1, parts)
			}
		}
	})
}
