package gateway

import (
	"strings"
	"testing"

	"rickhouse/internal/front"
	"rickhouse/internal/testkit"
	wire "rickhouse/internal/wire/fastcgi"
)

var usual = []string{"REQUEST_METHOD=GET", "PATH_INFO=/", "HTTP_HOST=h"}

func TestKeepConn(t *testing.T) {
	s := start(t, "fastcgi", settings{}, echo(1000))
	c := s.dial()
	for id := range uint16(20) {
		if got := c.send(fastcgi(id+1, wire.KeepConn, "x", 1, usual...)).read(); got.status != "200 OK" {
			t.Fatalf("request %d: %+v", id, got)
		}
	}
	if got := c.send(fastcgi(1, 0, "", 0, usual...)).read(); got.status != "200 OK" {
		t.Fatalf("the last one: %+v", got)
	}
	c.ended()
	if n := s.counters().Accepted; n != 1 {
		t.Errorf("%d connections", n)
	}
	s.Seen(21)
}

func TestKeepaliveRequests(t *testing.T) {
	s := start(t, "fastcgi", settings{common: front.Config{KeepaliveRequests: 2}}, echo(1))
	c := s.dial()
	c.get("")
	c.get("")
	c.ended()
}

func TestManagement(t *testing.T) {
	s := start(t, "fastcgi", settings{}, echo(1))
	c := s.dial()
	ask := wire.AppendPair(nil, "FCGI_MPXS_CONNS", nil)
	c.send(append(wire.AppendHeader(nil, wire.GetValues, 0, len(ask)), ask...))
	rec, err := c.record()
	if name, value, _, e := wire.Next(rec.Content); rec.Type != wire.GetValuesResult || string(name) != "FCGI_MPXS_CONNS" || string(value) != "0" || err != nil || e != nil {
		t.Errorf("got %+v, %v", rec, err)
	}
	c.send(wire.AppendHeader(nil, 77, 0, 0))
	if rec, err := c.record(); rec.Type != wire.UnknownType || rec.Content[0] != 77 || err != nil {
		t.Errorf("got %+v, %v", rec, err)
	}
	c.send(wire.AppendBegin(nil, 5, 2, wire.KeepConn))
	if rec, err := c.record(); rec.Type != wire.EndRequest || rec.ID != 5 || wire.Status(rec.Content[4]) != wire.UnknownRole || err != nil {
		t.Errorf("got %+v, %v", rec, err)
	}
	// What follows about it is passed over, and the connection goes on.
	c.send(wire.AppendHeader(wire.AppendStream(nil, wire.Params, 5, []byte("abc")), wire.Params, 5, 0))
	if got := c.get(""); got.status != "200 OK" {
		t.Errorf("got %+v", got)
	}
	c.send(wire.AppendBegin(nil, 6, 3, 0))
	if rec, err := c.record(); rec.Type != wire.EndRequest || err != nil {
		t.Errorf("got %+v, %v", rec, err)
	}
	c.ended()
}

func TestManyManagementRecords(t *testing.T) {
	s := start(t, "fastcgi", settings{}, echo(1))
	c := s.dial()
	for range maxReplies + 1 {
		c.send(wire.AppendHeader(nil, 77, 0, 0))
	}
	s.Until("the connection is closed", func() bool { return s.counters().Refused == 1 })
}

// One request at a time: another one is told so and disturbs nothing.
func TestMultiplexing(t *testing.T) {
	h := testkit.NewHeld()
	s := start(t, "fastcgi", settings{}, h)
	c := s.dial().send(fastcgi(1, wire.KeepConn, "", 0, usual...))
	x := testkit.Wait(t, h.Began, "the request comes")
	c.send(fastcgi(2, wire.KeepConn, "content", 7, usual...))
	if rec, err := c.record(); rec.Type != wire.EndRequest || rec.ID != 2 || wire.Status(rec.Content[4]) != wire.CannotMultiplex || err != nil {
		t.Errorf("got %+v, %v", rec, err)
	}
	s.Do(func() { x.Answer(200, "one") })
	if got := c.read(); got.body != "one" {
		t.Errorf("got %+v", got)
	}
	s.Seen(1)
}

// ABORT_REQUEST ends the request, not the connection.
func TestAbortRequest(t *testing.T) {
	for _, begun := range []bool{false, true} {
		h := testkit.NewHeld()
		s := start(t, "fastcgi", settings{}, h)
		content := frame("fastcgi", "part", 1000, usual...)
		c := s.dial().send(content[:len(content)-wire.HeaderSize])
		x := testkit.Wait(t, h.Began, "the request comes")
		s.Do(func() { x.Demand(1000) })
		if begun {
			s.Do(func() {
				x.Response.Status = 200
				x.Head()
				x.Data([]byte("part"))
			})
		}
		c.send(wire.AppendHeader(nil, wire.AbortRequest, 1, 0))
		cause := testkit.Wait(t, h.Causes, "the Server is told")
		s.Do(func() {
			if begun {
				x.Data([]byte("nobody sees this"))
				x.End()
			} else {
				x.Abort(cause)
			}
		})
		text, err := c.text()
		if want := map[bool]string{true: "Status: 200 OK\r\n\r\npart"}[begun]; text != want || err != nil {
			t.Errorf("got %q, %v", text, err)
		}
		c.send(fastcgi(1, wire.KeepConn, "", 0, usual...))
		x = testkit.Wait(t, h.Began, "the next request comes")
		s.Do(func() { x.Answer(200, "next") })
		if got := c.read(); got.body != "next" {
			t.Errorf("got %+v", got)
		}
	}
}

func TestAbortBeforeTheHead(t *testing.T) {
	s := start(t, "fastcgi", settings{}, echo(1))
	c := s.dial().send(wire.AppendBegin(nil, 1, wire.Responder, wire.KeepConn))
	c.send(wire.AppendHeader(nil, wire.AbortRequest, 1, 0))
	if text, err := c.text(); text != "" || err != nil {
		t.Errorf("got %q, %v", text, err)
	}
	if got := c.get(""); got.status != "200 OK" {
		t.Errorf("got %+v", got)
	}
}

// Records out of order end the connection; a request that can be answered is.
func TestFastCGIOutOfOrder(t *testing.T) {
	begin := wire.AppendBegin(nil, 1, wire.Responder, wire.KeepConn)
	pairs := wire.AppendPair(nil, "REQUEST_METHOD", []byte("GET"))
	for name, b := range map[string][]byte{
		"begun twice":         append(begin, begin...),
		"content too early":   wire.AppendStream(begin[:16:16], wire.Stdin, 1, []byte("x")),
		"PARAMS that go on":   wire.AppendStream(wire.AppendHeader(wire.AppendStream(begin[:16:16], wire.Params, 1, pairs), wire.Params, 1, 0), wire.Params, 1, pairs),
		"pairs that are none": wire.AppendHeader(wire.AppendHeader(wire.AppendStream(begin[:16:16], wire.Params, 1, []byte("\x05\x05a")), wire.Params, 1, 0), wire.Stdin, 1, 0),
	} {
		s := start(t, "fastcgi", settings{}, echo(1))
		c := s.dial().send(b)
		if got := c.read(); got.status != "400 Bad Request" {
			t.Errorf("%s: got %+v", name, got)
		}
		c.ended()
	}
}

// Octets about requests that are not there are bounded.
func TestFastCGINoise(t *testing.T) {
	s := start(t, "fastcgi", settings{}, echo(1))
	c := s.dial()
	c.send(wire.AppendStream(nil, wire.Stdin, 9, []byte(strings.Repeat("x", 2*maxSkip))))
	c.ended()
	s.Until("the connection is closed", func() bool { return s.counters().Refused == 1 && s.open.Load() == 0 })
}

// An answer that comes before the content is whole ends the connection: the gateway
// is still sending.
func TestFastCGIEarlyAnswer(t *testing.T) {
	h := testkit.NewHeld()
	s := start(t, "fastcgi", settings{}, h)
	content := frame("fastcgi", "part", 1000000, usual...)
	c := s.dial().send(content[:len(content)-wire.HeaderSize])
	x := testkit.Wait(t, h.Began, "the request comes")
	s.Do(func() { x.Answer(401, "no") })
	if got := c.read(); got.status != "401 Unauthorized" {
		t.Errorf("got %+v", got)
	}
	c.ended()
}
