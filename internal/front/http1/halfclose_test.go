package http1

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"rickhouse/internal/exchange"
	"rickhouse/internal/testkit"
)

// Each side of a tunnel ends by itself: what the client sends after the server has
// ended its side arrives, however slowly it is taken.
func TestTunnelHalfCloses(t *testing.T) {
	for name, demand := range map[string]int{"taken at once": 1 << 20, "taken slowly": 1000} {
		t.Run(name, func(t *testing.T) {
			h := testkit.NewHeld()
			s := start(t, Config{}, h)
			c := s.dial().send("CONNECT b:1 HTTP/1.1\r\nHost: b:1\r\n\r\n")
			x := testkit.Wait(t, h.Began, "the request comes")
			s.Do(func() {
				x.Response.Status, x.Response.ContentLength = 200, -1
				x.Head()
				x.Data([]byte("hello"))
				x.Client.(exchange.HalfCloser).CloseWrite(x)
			})
			if got := c.all(); !strings.HasSuffix(got, "\r\n\r\nhello") {
				t.Fatalf("the client got %q", got)
			}
			late := strings.Repeat("late ", 10_000)
			c.send(late)
			c.finishSending()
			var got []byte
			for over := false; !over; {
				s.Do(func() {
					x.Demand(demand)
				})
				s.Do(func() {
					got = bytes.Clone(h.Got)
					over = len(h.Ends) > 0
				})
			}
			if string(got) != late {
				t.Errorf("%d octets arrived of %d", len(got), len(late))
			}
			if err := <-h.Ends; err != nil {
				t.Errorf("the end is %v", err)
			}
			s.Do(x.End)
			if o := s.Seen(1)[0]; o.Err != nil || o.In != int64(len(late)) || o.Out != 5 {
				t.Errorf("observed %+v", o)
			}
			if n := s.counters(); n.Open != 0 {
				t.Errorf("%d connections are open", n.Open)
			}
			if len(h.Causes) > 0 {
				t.Errorf("the server was told that the client is gone: %v", <-h.Causes)
			}
		})
	}
}

// A client that is gone after a half-close is told of, as ever.
func TestTunnelGoneAfterHalfClose(t *testing.T) {
	h := testkit.NewHeld()
	s := start(t, Config{}, h)
	c := s.dial().send("CONNECT b:1 HTTP/1.1\r\nHost: b:1\r\n\r\n")
	x := testkit.Wait(t, h.Began, "the request comes")
	s.Do(func() {
		x.Response.Status, x.Response.ContentLength = 200, -1
		x.Head()
		x.Client.(exchange.HalfCloser).CloseWrite(x)
		x.Demand(1 << 20)
	})
	if _, err := io.ReadAll(c.r); err != nil {
		t.Fatal(err)
	}
	c.vanish()
	if cause := testkit.Wait(t, h.Causes, "the server is told"); cause == nil {
		t.Error("no cause")
	}
	s.Do(func() { x.Abort(exchange.ErrClientGone) })
}
