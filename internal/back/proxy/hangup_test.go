package proxy

import (
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestUpstreamThatEndsBeforeItsAnswerIsTaken: a Unix socket tells of its end at
// once, and what was sent before counts though the client is slow to take it.
func TestUpstreamThatEndsBeforeItsAnswerIsTaken(t *testing.T) {
	var sent atomic.Int64
	closed := make(chan struct{})
	f := unixFake(t, func(c *peerConn) {
		defer close(closed)
		defer c.Close()
		c.head()
		c.write("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
		piece := strings.Repeat("x", 64<<10)
		for {
			// Nobody takes it any more, and what was sent fills the buffers.
			_ = c.SetWriteDeadline(time.Now().Add(200 * time.Millisecond))
			n, err := io.WriteString(c.Conn, piece)
			sent.Add(int64(n))
			if err != nil {
				return
			}
		}
	})
	e := start(t, Config{Upstreams: []string{f.url}}, 1)
	c := e.client().send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	<-closed
	res, err := http.ReadResponse(c.r, nil)
	if err != nil {
		t.Fatal(err)
	}
	n, err := io.Copy(io.Discard, res.Body)
	if err != nil || n != sent.Load() {
		t.Errorf("%d octets came of %d, %v", n, sent.Load(), err)
	}
}
