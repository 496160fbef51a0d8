package proxy

import (
	"bytes"
	"io"
	"testing"

	"rickhouse/internal/front"
	"rickhouse/internal/testkit/door"
)

// through is a client of a Proxy whose upstream answers with one write.
type through struct {
	client      io.ReadWriter
	request     []byte
	answer, got []byte
}

// newThrough has asked a few times already, so that all buffers have grown.
func newThrough(t testing.TB, content int) *through {
	t.Helper()
	d := door.Loops(t, 1)
	body := bytes.Repeat([]byte("x"), content)
	reply := append([]byte("HTTP/1.1 200 OK\r\nServer: up\r\nContent-Type: text/plain\r\nContent-Length: "+decimal(content)+"\r\n\r\n"), body...)
	path := t.TempDir() + "/s"
	newFake(t, "unix", path, "unix:"+path, func(c *peerConn) {
		buf := make([]byte, 4096)
		for {
			n, err := c.Read(buf)
			if err != nil {
				return
			}
			if bytes.HasSuffix(buf[:n], []byte("\r\n\r\n")) {
				_, _ = c.Write(reply)
			}
		}
	})
	p, err := New(Config{Upstreams: []string{"unix:" + path}}, Parts{Loops: d.Loops, Log: d.Logger})
	if err != nil {
		t.Fatal(err)
	}
	p.Begin()
	d.Open(p, front.Config{}, t.TempDir()+"/f")
	q := &through{
		client:  d.Dial(),
		request: []byte("GET /some/path?query HTTP/1.1\r\nHost: example.com\r\nUser-Agent: test\r\nAccept: */*\r\nCookie: a=b\r\n\r\n"),
		got:     make([]byte, 4096+content),
	}
	if _, err := q.client.Write(q.request); err != nil {
		t.Fatal(err)
	}
	n := 0
	for !bytes.HasSuffix(q.got[:n], body) || n == 0 {
		k, err := q.client.Read(q.got[n:])
		if err != nil {
			t.Fatal(err)
		}
		n += k
	}
	q.answer = append(q.answer, q.got[:n]...)
	for range 200 {
		q.ask(t)
	}
	return q
}

// ask sends a request and reads as much as the answer had.
func (q *through) ask(t testing.TB) {
	if _, err := q.client.Write(q.request); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(q.client, q.got[:len(q.answer)]); err != nil {
		t.Fatal(err)
	}
}

// TestAllocations: a request in steady state needs none.
func TestAllocations(t *testing.T) {
	if !raw {
		t.Skip("goroutines pump what is read and written here")
	}
	q := newThrough(t, 13)
	if n := testing.AllocsPerRun(2000, func() { q.ask(t) }); n >= 1 {
		t.Errorf("%v allocations a request", n)
	}
}

func BenchmarkRequest(b *testing.B) {
	q := newThrough(b, 13)
	b.ReportAllocs()
	for b.Loop() {
		q.ask(b)
	}
}
