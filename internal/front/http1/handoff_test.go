package http1

import (
	"io"
	"strings"
	"testing"

	"rickhouse/internal/testkit/onloop"
)

// A connection whose first octets are the preface of HTTP/2 goes to its front, in
// whatever pieces they come, and counts until it is closed.
func TestHandoff(t *testing.T) {
	for _, step := range []int{1, 7, len(preface), 100} {
		var got Handoff
		var read string
		d := fakeDoor(t, Config{}, newStatic())
		d.settings.HTTP2 = true
		d.f.parts.HTTP2 = func(_ *Door, h Handoff) { got, read = h, string(h.Read) }
		s := &onloop.Stream{}
		c := d.fakeConn(s)
		text := preface + "more"
		for len(text) > 0 && got.Stream == nil {
			n := min(step, len(text))
			s.In, text = []byte(text[:n]), text[n:]
			c.Readable()
		}
		if got.Stream != s || !strings.HasPrefix(read, preface) || got.Remote.String() != "127.0.0.1:1234" || got.Origin.Listen.Port != 80 {
			t.Fatalf("%d octets at a time: got %+v, read %q", step, got, read)
		}
		if n := d.counters; s.Closed || len(s.Out) > 0 || n.Open != 1 || n.Idle != 0 || n.Refused != 0 {
			t.Errorf("closed %v, wrote %q, counters %+v", s.Closed, s.Out, n)
		}
		got.Closed()
		if d.counters.Open != 0 || d.f.Open() != 0 {
			t.Errorf("counters %+v", d.counters)
		}
	}
}

func TestNoHandoff(t *testing.T) {
	for _, c := range []struct{ name, text, status string }{
		{"after a request", get("/") + preface, "HTTP/1.1 505 "},
		{"not the preface", "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", "HTTP/1.1 505 "},
		{"a method that begins alike", "PRINT / HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 200 "},
		{"cut short", preface[:10], ""},
	} {
		d := fakeDoor(t, Config{}, newStatic())
		d.settings.HTTP2 = true
		d.f.parts.HTTP2 = func(*Door, Handoff) { t.Errorf("%s: it is handed off", c.name) }
		s := &onloop.Stream{In: []byte(c.text)}
		conn := d.fakeConn(s)
		conn.Readable()
		s.End = io.EOF
		conn.Readable()
		out := string(s.Out)
		if last := out[max(0, strings.LastIndex(out, "HTTP/1.1")):]; !strings.HasPrefix(last, c.status) || c.status == "" && out != "" {
			t.Errorf("%s: got %q", c.name, out)
		}
	}
}

// Where there are too many connections, one that was handed over may have to go.
func TestEvictHandedOver(t *testing.T) {
	d := fakeDoor(t, Config{}, newStatic())
	d.settings.HTTP2 = true
	var handed []Handoff
	d.f.parts.HTTP2 = func(_ *Door, h Handoff) { handed = append(handed, h) }
	d.f.parts.Evict = func(*Door) bool {
		if len(handed) == 0 {
			return false
		}
		handed[0].Closed()
		handed = handed[1:]
		return true
	}
	d.fakeConn(&onloop.Stream{In: []byte(preface)}).Readable()
	idle := &onloop.Stream{}
	d.fakeConn(idle)
	for i, want := range []bool{true, true, false} {
		if got := d.evict(nil); got != want {
			t.Errorf("%d: got %v", i, got)
		}
	}
	if n := d.counters; !idle.Closed || n.Evicted != 2 || n.Open != 0 {
		t.Errorf("closed %v, counters %+v", idle.Closed, n)
	}
}
