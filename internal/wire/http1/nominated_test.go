package http1

import (
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
