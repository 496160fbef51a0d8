package http1

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"testing"

	"rickhouse/internal/exchange"
	"rickhouse/internal/testkit"
	"rickhouse/internal/testkit/onloop"
)

// variety answers in a way that the path chooses.
type variety struct {
	served []string
}

func (v *variety) Serve(x *exchange.Exchange) {
	v.served = append(v.served, string(x.Request.Method))
	switch string(x.Request.Path) {
	case "/early":
		x.Answer(200, "early")
	case "/stream":
		x.Response.Status = 200
		x.Head()
		x.Server = &mirror{}
		if !x.HasContent {
			x.Data([]byte("nothing"))
			x.End()
			return
		}
		x.Demand(7)
	case "/abort":
		x.Abort(nil)
	case "/upgrade":
		x.Server = &mirror{}
		x.Response.Status = 101
		x.Head()
		x.Demand(3)
		if x.HeadSent && x.Response.Status == 500 {
			x.End()
		}
	default:
		testkit.Echo(5).Serve(x)
	}
}

// feedConn gives text to a connection in pieces of up to step octets, then FIN,
// and returns what came back.
func feedConn(d *Door, text []byte, step int) *onloop.Stream {
	s := &onloop.Stream{}
	c := d.fakeConn(s)
	run := func() {
		for i := 0; c.scheduled && i < 1000; i++ {
			c.Run()
		}
	}
	for len(text) > 0 && !s.Closed && c.state != lingering {
		n := min(step, len(text))
		s.In = append(s.In, text[:n]...)
		text = text[n:]
		for rounds := 0; len(s.In) > 0 && !s.Closed && !c.full && rounds < 1000; rounds++ {
			c.Readable()
			run()
		}
	}
	s.End = io.EOF
	for rounds := 0; !s.Closed && rounds < 10; rounds++ {
		c.Readable()
		run()
	}
	return s
}

// FuzzConnection: whatever comes, in whatever pieces, the connection ends, and
// what was answered is the same sequence of well-formed answers.
func FuzzConnection(f *testing.F) {
	for _, text := range []string{
		wrkRequest + browserRequest, post("hello") + chunked("hello, world", 5, "A: b\r\n") + get("/early"),
		"POST /stream HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n" + get("/stream"),
		"POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc" + get("/"), expecting + "hello",
		"GET /upgrade HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nabcdef",
		"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /abort HTTP/1.0\r\n\r\n", "HEAD /stream HTTP/1.1\r\nHost: a\r\n\r\nGET",
		"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc" + get("/"),
	} {
		f.Add([]byte(text), uint16(3))
	}
	v := &variety{}
	d := fakeDoor(f, Config{MaxBody: 1000}, v)
	f.Fuzz(func(t *testing.T, text []byte, step uint16) {
		if len(text) > 1<<16 {
			return
		}
		v.served = nil
		whole := feedConn(d, text, 1<<20)
		one := v.served
		v.served = nil
		pieces := feedConn(d, text, int(step)+1)
		two := v.served
		if !whole.Closed || !pieces.Closed {
			t.Fatalf("not closed: %v, %v", whole.Closed, pieces.Closed)
		}
		if len(one) != len(two) {
			t.Fatalf("whole %q, in pieces %q", one, two)
		}
		if n := d.counters; n.Open != 0 || n.Idle != 0 {
			t.Fatalf("counters %+v", n)
		}
		checkAnswers(t, whole.Out, one)
		checkAnswers(t, pieces.Out, two)
	})
}

// checkAnswers reads the answers as a client does.
func checkAnswers(t *testing.T, out []byte, methods []string) {
	r := bufio.NewReader(bytes.NewReader(out))
	for i := 0; ; i++ {
		if _, err := r.Peek(1); err != nil {
			return
		}
		method := "GET"
		if i < len(methods) {
			method = methods[i]
		}
		res, err := http.ReadResponse(r, &http.Request{Method: method})
		if err != nil {
			t.Fatalf("answer %d of %q: %v", i, out, err)
		}
		if res.StatusCode == 101 || method == "CONNECT" && res.StatusCode/100 == 2 {
			return
		}
		if res.StatusCode < 200 {
			i--
			continue
		}
		if _, err := io.Copy(io.Discard, res.Body); err != nil {
			return // an answer that was cut is the last
		}
		if i > len(methods) {
			t.Fatalf("more answers than requests and one refusal: %q for %q", out, methods)
		}
	}
}
