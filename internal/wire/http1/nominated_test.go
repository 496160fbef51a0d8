package http1

import (
	"net/http"
	"strings"
	"testing"
)

// TestFieldsThatConnectionNames are removed (RFC 9110 §7.6.1), but for those that
// are for all recipients.
func TestFieldsThatConnectionNames(t *testing.T) {
	_, req := parse(newTestParser(), "POST / HTTP/1.1\r\nX-Hop: 1\r\nHost: a\r\nConnection: keep-alive, X-Hop,, upgrade\r\nX-End: 2\r\nUpgrade: c\r\n"+
		"Connection: Host, Content-Length, X-Forwarded-For, cookie\r\nContent-Length: 0\r\nX-Forwarded-For: b\r\nCookie: d\r\n\r\n")
	var got []string
	for _, f := range req.Fields {
		got = append(got, string(f.Name))
	}
	const want = "host x-end content-length upgrade x-forwarded-for cookie"
	if strings.Join(got, " ") != want {
		t.Errorf("left are %v, want %s", got, want)
	}
	if string(req.Host) != "a" || string(req.Upgrade) != "c" || req.ContentLength != 0 {
		t.Errorf("host %q, upgrade %q, length %d", req.Host, req.Upgrade, req.ContentLength)
	}
}

// What Connection names is compared with every field: neither a client nor an
// upstream may have that cost what it likes.
func TestConnectionNamesFewFields(t *testing.T) {
	for n, status := range map[int]int{maxNominated: 0, maxNominated + 1: http.StatusRequestHeaderFieldsTooLarge} {
		options := "Connection: " + strings.Repeat("x,", n) + "\r\n"
		if got, _ := parse(newTestParser(), "GET / HTTP/1.1\r\nHost: a\r\n"+options+"X: 1\r\n\r\n"); got.status != status {
			t.Errorf("%d options: a request is answered %d, want %d", n, got.status, status)
		}
		_, _, err := answerWhole("HTTP/1.1 200 OK\r\n" + options + "X: 1\r\n\r\n")
		if (err != nil) != (status != 0) {
			t.Errorf("%d options: an answer gives %v", n, err)
		}
	}
}
