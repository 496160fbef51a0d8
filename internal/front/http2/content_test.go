package http2

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	x2 "golang.org/x/net/http2"

	"rickhouse/internal/exchange"
	"rickhouse/internal/front"
	"rickhouse/internal/testkit"
	wire "rickhouse/internal/wire/http2"
)

// A client's window is what the Server demands and 64 KiB, and no more.
func TestWindows(t *testing.T) {
	h := testkit.NewHeld()
	s := start(t, settings{}, h)
	r := s.dial()
	r.open(1, false, simple("POST", "/")...)
	x := testkit.Wait(t, h.Began, "a request")
	granted := map[uint32]int{1: wire.InitialWindow}
	granted[0] = wire.InitialWindow
	look := func() {
		r.ok(r.WritePing(false, [8]byte{1}))
		for {
			f, err := r.read()
			if err != nil {
				t.Fatal(err)
			}
			switch f := f.(type) {
			case *x2.WindowUpdateFrame:
				granted[f.StreamID] += int(f.Increment)
			case *x2.PingFrame:
				return
			}
		}
	}
	look()
	if granted[1] != wire.InitialWindow || granted[0] != 1<<20 {
		t.Errorf("at first: %v", granted)
	}
	s.Do(func() { x.Demand(200000) })
	look()
	if granted[1] != wire.InitialWindow+200000 {
		t.Errorf("after Demand: %v", granted)
	}
	for range 20 {
		r.ok(r.WriteData(1, false, make([]byte, 10000)))
	}
	look()
	s.Do(func() {
		if len(h.Got) != 200000 {
			t.Errorf("got %d octets", len(h.Got))
		}
	})
	if granted[1] != wire.InitialWindow+200000 {
		t.Errorf("after content: %v", granted)
	}
	for range 6 {
		r.ok(r.WriteData(1, false, make([]byte, 10000)))
	}
	r.pinged()
	s.Do(func() {
		if len(h.Got) != 200000 {
			t.Errorf("got %d octets that were not demanded", len(h.Got)-200000)
		}
	})
	r.ok(r.WriteData(1, false, make([]byte, 10000)))
	if g := r.answer(1); g.code != wire.FlowControlError {
		t.Errorf("got %+v", g)
	}
}

// The connection's window comes back, whatever becomes of the content.
func TestConnectionWindowDoesNotLeak(t *testing.T) {
	early := handler(func(x *exchange.Exchange) {
		switch string(x.Request.Path) {
		case "/early":
			x.Answer(200, "early")
		case "/abort":
			x.Abort(nil)
		default:
			testkit.Echo(1000).Serve(x)
		}
	})
	s := start(t, settings{common: front.Config{MaxBody: 60000}}, early)
	r := s.dial()
	var c *conn
	s.Do(func() { c = s.door.conns.Oldest() })
	id := uint32(1)
	for _, path := range []string{"/early", "/abort", "/echo", "/reset", "/large"} {
		for range 5 {
			r.open(id, false, simple("POST", path)...)
			for range 6 {
				r.ok(r.WriteDataPadded(id, false, make([]byte, 10000), make([]byte, 10)))
			}
			if path == "/reset" {
				r.ok(r.WriteRSTStream(id, x2.ErrCodeCancel))
			} else if path == "/large" {
				r.ok(r.WriteData(id, false, make([]byte, 1000)))
			} else {
				r.ok(r.WriteData(id, true, nil))
			}
			id += 2
			r.pinged()
		}
	}
	s.Do(func() {
		if c.recv+c.owed != 1<<20 {
			t.Errorf("%d of the window and %d to be given back", c.recv, c.owed)
		}
	})
}

func TestContentLength(t *testing.T) {
	for _, c := range []struct {
		name    string
		length  string
		content []string
		code    wire.Code // 0: it is served
	}{
		{"as it says", "5", []string{"hello"}, 0},
		{"in two", "5", []string{"hel", "lo"}, 0},
		{"none", "0", []string{""}, 0},
		{"too short", "6", []string{"hello"}, wire.ProtocolError},
		{"too long", "4", []string{"hel", "lo"}, wire.ProtocolError},
		{"not a length", "+5", []string{"hello"}, wire.ProtocolError},
		{"too large", "999999999", []string{""}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := start(t, settings{}, testkit.Echo(100))
			r := s.dial()
			r.open(1, false, simple("POST", "/", "content-length: "+c.length)...)
			for i, p := range c.content {
				r.ok(r.WriteData(1, i == len(c.content)-1, []byte(p)))
			}
			g := r.answer(1)
			switch {
			case c.name == "too large":
				if g.fields[":status"] != "413" {
					t.Errorf("got %+v", g)
				}
			case c.code != 0:
				if g.code != c.code || g.fields != nil {
					t.Errorf("got %+v", g)
				}
			case string(g.body) != strings.Join(c.content, ""):
				t.Errorf("got %+v", g)
			}
		})
	}
}

// More than max_body without a Content-Length is answered, too.
func TestMaxBody(t *testing.T) {
	s := start(t, settings{common: front.Config{MaxBody: 1000}}, testkit.Echo(100000))
	r := s.dial()
	r.open(1, false, simple("POST", "/")...)
	r.ok(r.WriteData(1, false, make([]byte, 1001)))
	if g := r.answer(1); g.fields[":status"] != "413" {
		t.Errorf("got %+v", g)
	}
	r.until("the client is told to stop", func() bool { return r.of(1).reset })
	if g := r.of(1); g.code != wire.NoError {
		t.Errorf("got %v", g.code)
	}
	r.ok(r.WriteData(1, true, make([]byte, 1001))) // was under way
	r.get(3, "/")
	if g := r.answer(3); g.fields[":status"] != "200" {
		t.Errorf("got %+v", g)
	}
}

func TestExpect(t *testing.T) {
	s := start(t, settings{}, testkit.Echo(100))
	r := s.dial()
	r.open(1, false, simple("POST", "/", "expect: 100-continue")...)
	r.until("100", func() bool { return len(r.of(1).interim) == 1 })
	r.ok(r.WriteData(1, true, []byte("hello")))
	if g := r.answer(1); string(g.body) != "hello" || g.interim[0] != "100" || len(g.interim) != 1 {
		t.Errorf("got %+v", g)
	}
}

func TestMalformed(t *testing.T) {
	s := start(t, settings{}, testkit.Echo(100))
	r := s.dial()
	id := uint32(1)
	for name, fields := range map[string][]string{
		"upper case":               simple("GET", "/", "X-A: 1"),
		"an empty name":            simple("GET", "/", "a b: 1"),
		"a pseudo-field late":      append(simple("GET", "/", "a: 1"), ":path: /"),
		"one that is none":         simple("GET", "/", ":status: 200"),
		"twice":                    simple("GET", "/", ":path: /"),
		"no method":                {":scheme: http", ":path: /", ":authority: a"},
		"no path":                  {":method: GET", ":scheme: http", ":authority: a"},
		"an empty path":            {":method: GET", ":scheme: http", ":path: ", ":authority: a"},
		"an absolute path":         simple("GET", "http://a/"),
		"connection":               simple("GET", "/", "connection: close"),
		"transfer-encoding":        simple("GET", "/", "transfer-encoding: chunked"),
		"te":                       simple("GET", "/", "te: gzip"),
		"a line feed":              simple("GET", "/", "a: b\nc"),
		"a NUL":                    simple("GET", "/", "a: b\x00c"),
		"space at the end":         simple("GET", "/", "a: b\t"),
		"another host":             simple("GET", "/", "host: b"),
		"two hosts":                simple("GET", "/", "host: a", "host: a"),
		"a method that is no name": simple("G T", "/"),
		"two lengths":              simple("GET", "/", "content-length: 0", "content-length: 0"),
		"a length and no content":  simple("GET", "/", "content-length: 1"),
	} {
		r.open(id, true, fields...)
		if g := r.answer(id); !g.reset || g.code != wire.ProtocolError || g.fields != nil {
			t.Errorf("%s: got %+v", name, g)
		}
		id += 2
	}
	for name, trailers := range map[string][]string{"a pseudo-field": {":path: /"}, "upper case": {"X: 1"}, "connection": {"connection: a"}} {
		r.open(id, false, simple("POST", "/")...)
		r.open(id, true, trailers...)
		if g := r.answer(id); !g.reset || g.code != wire.ProtocolError {
			t.Errorf("trailers with %s: got %+v", name, g)
		}
		id += 2
	}
	for _, o := range s.Seen(len(s.Seen(20))) {
		if o.Err == nil {
			t.Errorf("observed %+v", o)
		}
	}
}

// Content is what it was whatever the frames are, and whoever is served beside.
func TestManyUploads(t *testing.T) {
	s := start(t, settings{}, testkit.Echo(5000))
	r := s.dial()
	const streams, pieces = 20, 12
	for i := range uint32(streams) {
		r.open(1+2*i, false, simple("POST", "/")...)
	}
	var want [streams]bytes.Buffer
	for n := range pieces {
		for i := range uint32(streams) {
			p := bytes.Repeat([]byte{byte('a' + i)}, 1+n*300)
			want[i].Write(p)
			r.ok(r.WriteData(1+2*i, n == pieces-1, p))
		}
		r.pinged()
	}
	for i := range uint32(streams) {
		if g := r.answer(1 + 2*i); !bytes.Equal(g.body, want[i].Bytes()) {
			t.Errorf("stream %d: got %d octets, want %d", i, len(g.body), want[i].Len())
		}
	}
}

// A Server that fails on its content is told nothing more of it.
func TestServerAbortsWithinContent(t *testing.T) {
	s := start(t, settings{}, handler(func(x *exchange.Exchange) {
		x.Server = &aborter{}
		x.Demand(10)
	}))
	r := s.dial()
	r.open(1, false, simple("POST", "/")...)
	r.ok(r.WriteData(1, true, make([]byte, 100)))
	if g := r.answer(1); g.code != wire.InternalError {
		t.Errorf("got %+v", g)
	}
	r.pinged()
}

type aborter struct{ aborted bool }

func (a *aborter) Content(x *exchange.Exchange, _ []byte) {
	if a.aborted {
		panic("content after Abort")
	}
	a.aborted = true
	x.Abort(errors.New("enough"))
}
func (a *aborter) ContentEnd(*exchange.Exchange, error) { panic("ContentEnd after Abort") }
func (a *aborter) Drained(*exchange.Exchange, int)      {}
func (a *aborter) Gone(*exchange.Exchange, error)       { panic("Gone after Abort") }
