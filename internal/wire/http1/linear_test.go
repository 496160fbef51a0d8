package http1

import (
	"strings"
	"testing"

	"rickhouse/internal/exchange"
)

// However a head is cut, Parse looks for its end once at each octet: what a client
// sends octet by octet costs what it costs at once.
func TestParseLooksOnce(t *testing.T) {
	for name, text := range map[string]string{
		"many fields":  "GET / HTTP/1.1\r\nHost: a\r\n" + strings.Repeat("Name: value\r\n", 80) + "\r\n",
		"a long field": "GET / HTTP/1.1\r\nHost: a\r\nName: " + strings.Repeat("v", 8000) + "\r\n\r\n",
		"a long path":  "GET /" + strings.Repeat("p", 8000) + " HTTP/1.1\r\nHost: a\r\n\r\n",
		"empty lines":  "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
	} {
		p := newTestParser()
		var req exchange.Request
		looked, n := 0, 0
		for i := 1; i <= len(text) && n == 0; i++ {
			looked += i - p.scan
			var err *exchange.Error
			if n, err = p.Parse([]byte(text[:i]), &req); err != nil {
				t.Fatalf("%s: %v after %d octets", name, err, i)
			}
		}
		if n != len(text) || looked > len(text)+2 { // 2: an empty line before
			t.Errorf("%s: %d octets were looked at for %d, and %d parsed", name, looked, len(text), n)
		}
	}
}
