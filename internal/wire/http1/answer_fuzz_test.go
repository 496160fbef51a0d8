package http1

import (
	"bufio"
	"bytes"
	"net/http"
	"strings"
	"testing"

	"rickhouse/internal/exchange"
)

// FuzzResponseHead: octet by octet gives what the whole gives; what is accepted
// and written again is read as the same; net/http does not see other content.
func FuzzResponseHead(f *testing.F) {
	for _, s := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: b\r\n\r\nhello",
		"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\nConnection: x-a\r\nX-A: 1\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
		"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
		"HTTP/1.1 103 \r\nLink: <a>\r\n\r\nHTTP/1.1 204 No\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		got, n, err := answerWhole(string(text))
		fed, m, fedErr := answerFed(string(text))
		if got != fed || n != m && err == nil || (err == nil) != (fedErr == nil) {
			t.Fatalf("whole %s %d %v\noctet by octet %s %d %v", got, n, err, fed, m, fedErr)
		}
		if n == 0 {
			return
		}
		p, res := newResponseParser(), &exchange.Response{}
		if _, err := p.Parse(text, res); err != nil {
			t.Fatal(err)
		}
		reply := Reply{Version: exchange.HTTP11, Close: !p.KeepAlive}
		again, _, appendErr := AppendHead(nil, res, &reply)
		if appendErr != nil {
			t.Fatalf("%q cannot be written again: %v", text[:n], appendErr)
		}
		if bytes.Contains(again[:len(again)-4], []byte("\r\n\r\n")) {
			t.Fatalf("%q became more than one head: %q", text[:n], again)
		}
		compareAnswer(t, p, res, text)
	})
}

// compareAnswer checks that net/http, where it accepts the head too, sees as much
// content.
func compareAnswer(t *testing.T, p *ResponseParser, res *exchange.Response, text []byte) {
	other, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(text)), nil)
	if err != nil || other.StatusCode < 200 {
		return
	}
	defer other.Body.Close()
	if other.StatusCode != res.Status {
		t.Fatalf("net/http sees the status %d, we %d", other.StatusCode, res.Status)
	}
	if p.Content(res, false, false) == NoContent {
		return
	}
	if chunked := strings.Join(other.TransferEncoding, ",") == "chunked"; chunked != p.Chunked || !chunked && other.ContentLength != res.ContentLength {
		t.Fatalf("net/http sees %d octets, chunked %t, we %d, %t in %q", other.ContentLength, chunked, res.ContentLength, p.Chunked, text)
	}
}
