package http1

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"rickhouse/internal/exchange"
	"rickhouse/internal/testkit"
	"rickhouse/internal/testkit/onloop"
)

// drain starts to drain and returns what is closed when it is done.
func (s *server) drain() <-chan struct{} {
	done := make(chan struct{})
	s.Do(func() { s.door.Drain(func() { close(done) }) })
	return done
}

func TestDrain(t *testing.T) {
	h := testkit.NewHeld()
	s := start(t, Config{}, h)
	idle := s.dial().send(get("/warm"))
	x := testkit.Wait(t, h.Began, "a request")
	s.Do(func() { x.Answer(200, "") })
	idle.read("GET")
	running := s.dial().send(get("/running"))
	x = testkit.Wait(t, h.Began, "a request")
	const begun = "GET /half HTTP/1.1\r\n"
	half := s.dial().send(begun)
	s.Until("half a head is there", func() bool { return s.counters().OctetsIn >= uint64(len(get("/warm")+get("/running")+begun)) })

	// These are in the backlog: the loop is busy while they come.
	var late []*client
	var done <-chan struct{}
	ch := make(chan struct{})
	s.Do(func() {
		for range 5 {
			late = append(late, s.dial().send(get("/late")))
		}
		s.door.Drain(func() { close(ch) })
	})
	done = ch
	idle.ended()
	half.send("Host: a\r\n\r\n")
	for range 6 {
		y := testkit.Wait(t, h.Began, "what was accepted is served")
		s.Do(func() { y.Answer(200, string(y.Request.Path)) })
	}
	for _, c := range append(late, half) {
		if res := c.read("GET"); !res.Close || res.StatusCode != 200 {
			t.Errorf("got %+v", res)
		}
		c.ended()
	}
	select {
	case <-done:
		t.Error("drained while a request runs")
	default:
	}
	s.Do(func() { x.Answer(200, "done") })
	if res := running.read("GET"); !res.Close || res.body != "done" {
		t.Errorf("got %+v", res)
	}
	testkit.Wait(t, done, "drained")
}

func TestDrainWithNobodyThere(t *testing.T) {
	s := start(t, Config{}, hello)
	testkit.Wait(t, s.drain(), "drained")
}

// While others are answered, a connection whose handshake took its time is
// served as well.
func TestDrainTakesInLateOnes(t *testing.T) {
	h := testkit.NewHeld()
	s := start(t, Config{}, h)
	running := s.dial().send(get("/running"))
	x := testkit.Wait(t, h.Began, "a request")
	done := make(chan struct{})
	s.Do(func() {
		s.door.Drain(func() { close(done) })
		s.door.gates[0].until += int64(patience)
	})
	for range 3 { // each at least a round after the one before
		c := s.dial().send(get("/late"))
		y := testkit.Wait(t, h.Began, "the late one is served")
		s.Do(func() { y.Answer(200, "late") })
		if res := c.read("GET"); res.body != "late" || !res.Close {
			t.Errorf("got %+v", res)
		}
		_ = c.Close()
	}
	s.Do(func() { x.Answer(200, "done") })
	running.read("GET")
	_ = running.Close()
	testkit.Wait(t, done, "drained")
}

// A request that has come on an idle connection, and was not read yet, is
// answered.
func TestDrainReadsOnce(t *testing.T) {
	s := start(t, Config{}, hello)
	c := s.dial()
	c.get(get("/"))
	done := make(chan struct{})
	s.Do(func() {
		c.send(get("/last"))
		s.door.Drain(func() { close(done) })
	})
	// Where goroutines read, a loop cannot know what has come.
	b, err := io.ReadAll(c.r)
	if res := string(b); err == nil && res != "" && (!strings.Contains(res, "hello /last") || !strings.Contains(res, "Connection: close")) {
		t.Errorf("got %q", res)
	}
	testkit.Wait(t, done, "drained")
}

// A client that hangs up while its answer goes out is not waited for.
func TestDrainSeesTheEnd(t *testing.T) {
	h := testkit.NewHeld()
	d := fakeDoor(t, Config{}, h)
	s := &onloop.Stream{In: []byte(get("/"))}
	c := d.fakeConn(s)
	c.Readable()
	x := testkit.Wait(t, h.Began, "a request")
	x.Response.Status, x.Response.ContentLength = 200, 0
	x.Head() // it says nothing of an end yet
	d.Drain(func() {})
	s.End = io.EOF
	x.End()
	c.Run() // the end of the turn
	if !s.Closed || d.Counters().Open != 0 {
		t.Errorf("closed is %v, counters %+v", s.Closed, d.Counters())
	}
}

// Content stays as it is while its Server has it, whatever else that ends.
func TestContentIsNotOverwritten(t *testing.T) {
	h := testkit.NewHeld()
	d := fakeDoor(t, Config{}, h)
	serve := func(text string) (*conn, *onloop.Stream, *exchange.Exchange) {
		s := &onloop.Stream{In: []byte(text)}
		c := d.fakeConn(s)
		c.Readable()
		return c, s, testkit.Wait(t, h.Began, "a request")
	}
	last, other, y := serve(get("/other"))
	y.Response.Status, y.Response.ContentLength = 200, 0
	y.Head()
	c, s, x := serve("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n")
	x.Demand(100)
	d.Drain(func() {})
	s.In, other.In = bytes.Repeat([]byte("x"), 100), []byte(get("/secret")) // the drain looks for a last request
	var content []byte
	x.Server = &taker{watch: func(p []byte) {
		y.End()
		content = append(content, p...)
	}}
	c.Readable()
	if string(content) != strings.Repeat("x", 100) {
		t.Errorf("the content is %q", content)
	}
	last.Run() // the end of the turn
	if z := testkit.Wait(t, h.Began, "the last request"); string(z.Request.Path) != "/secret" {
		t.Errorf("got %s", z.Request.Path)
	}
}

// taker is a collector that shows what comes.
type taker struct {
	testkit.Collector
	watch func(p []byte)
}

func (s *taker) Content(_ *exchange.Exchange, p []byte) { s.watch(p) }
func (*taker) ContentEnd(x *exchange.Exchange, _ error) { x.Answer(200, "ok") }

// A connection that was accepted and says nothing does not hold a drain up for
// long, and one that says something is served.
func TestDrainNewConnections(t *testing.T) {
	s := start(t, Config{}, hello)
	silent, talks := s.dial(), s.dial()
	s.Until("both are accepted", func() bool { return s.counters().Accepted == 2 })
	done := make(chan struct{})
	s.Do(func() {
		s.door.Drain(func() { close(done) })
		talks.send(get("/"))
	})
	if res := talks.read("GET"); !res.Close || res.body != "hello /" {
		t.Errorf("got %+v", res)
	}
	silent.ended()
	testkit.Wait(t, done, "drained")
}

func TestClose(t *testing.T) {
	h := testkit.NewHeld()
	s := start(t, Config{}, h)
	idle := s.dial()
	running := s.dial().send(get("/"))
	x := testkit.Wait(t, h.Began, "a request")
	s.Until("both are accepted", func() bool { return s.counters().Accepted == 2 })
	done := s.drain()
	s.Do(s.door.Close)
	if cause := testkit.Wait(t, h.Causes, "Gone"); !errors.Is(cause, exchange.ErrShutdown) {
		t.Errorf("got %v", cause)
	}
	testkit.Wait(t, done, "drained")
	idle.ended()
	running.ended()
	s.Do(func() { x.Abort(exchange.ErrShutdown) })
	if o := s.Seen(1)[0]; !errors.Is(o.Err, exchange.ErrShutdown) {
		t.Errorf("observed %+v", o)
	}
	if n := s.counters(); n.Open != 0 || n.Idle != 0 {
		t.Errorf("counters %+v", n)
	}
}
