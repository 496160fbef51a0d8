package http2

import (
	"errors"
	"testing"

	"rickhouse/internal/exchange"
	"rickhouse/internal/front"
	"rickhouse/internal/testkit"
	wire "rickhouse/internal/wire/http2"
)

// drain tells the door to drain.
func (s *server) drain() {
	s.T.Helper()
	s.Do(func() { s.door.Drain() })
}

// What was sent before the client knew is served, and the connection closes after
// it: nothing is lost.
func TestDrain(t *testing.T) {
	h := testkit.NewHeld()
	s := start(t, settings{}, h)
	r := s.dial()
	r.get(1, "/running")
	running := testkit.Wait(t, h.Began, "a request")
	s.Do(func() {
		s.door.Drain()
		r.get(3, "/crossed") // the client has not read anything yet
	})
	crossed := testkit.Wait(t, h.Began, "what crossed the first GOAWAY")
	if len(r.goAways) > 0 {
		t.Fatal("the client has read too much")
	}
	// Reading answers no PING, so that the second GOAWAY comes by time.
	r.until("the second GOAWAY", func() bool { return len(r.goAways) == 2 })
	if r.goAways[0] != wire.MaxStream || r.goAways[1] != 3 {
		t.Errorf("the last streams are %v", r.goAways)
	}
	r.get(5, "/late")
	s.Do(func() {
		running.Answer(200, "one")
		crossed.Answer(200, "two")
	})
	if a, b := r.answer(1), r.answer(3); string(a.body) != "one" || string(b.body) != "two" {
		t.Errorf("got %+v, %+v", a, b)
	}
	r.ended()
	if len(h.Began) > 0 {
		t.Error("what came after the last stream is served")
	}
	_ = r.Close()
	s.Until("it is closed", func() bool { return s.open.Load() == 0 })
}

// A client that answers the PING has read the first GOAWAY: no need to wait.
func TestDrainIdle(t *testing.T) {
	s := start(t, settings{}, hello)
	r := s.dial()
	r.get(1, "/")
	r.answer(1)
	s.drain()
	r.until("the first GOAWAY", func() bool { return len(r.goAways) == 1 })
	r.ok(r.WritePing(true, [8]byte([]byte(drainPing))))
	r.goAway(wire.NoError)
	if len(r.goAways) != 2 || r.goAways[1] != 1 {
		t.Errorf("the last streams are %v", r.goAways)
	}
}

func TestDrainNewConnection(t *testing.T) {
	s := start(t, settings{}, hello)
	s.drain()
	r := s.dial()
	r.get(1, "/")
	if g := r.answer(1); g.fields[":status"] != "200" {
		t.Errorf("got %+v", g)
	}
	r.ended()
}

func TestKeepaliveRequests(t *testing.T) {
	s := start(t, settings{common: front.Config{KeepaliveRequests: 2}}, hello)
	r := s.dial()
	r.get(1, "/")
	r.get(3, "/")
	r.answer(1)
	r.answer(3)
	r.goAway(wire.NoError)
}

func TestClose(t *testing.T) {
	h := testkit.NewHeld()
	s := start(t, settings{}, h)
	idle, running := s.dial(), s.dial()
	running.get(1, "/")
	x := testkit.Wait(t, h.Began, "a request")
	idle.pinged()
	s.Do(s.door.Close)
	if cause := testkit.Wait(t, h.Causes, "Gone"); !errors.Is(cause, exchange.ErrShutdown) {
		t.Errorf("got %v", cause)
	}
	idle.ended()
	running.ended()
	s.Do(func() { x.Abort(exchange.ErrShutdown) })
	if o := s.Seen(1)[0]; !errors.Is(o.Err, exchange.ErrShutdown) {
		t.Errorf("observed %+v", o)
	}
	if n := s.open.Load(); n != 0 {
		t.Errorf("%d connections are open", n)
	}
}

func TestEvict(t *testing.T) {
	h := testkit.NewHeld()
	s := start(t, settings{}, h)
	busy, idle := s.dial(), s.dial()
	busy.get(1, "/")
	testkit.Wait(t, h.Began, "a request")
	idle.pinged()
	for i, want := range []bool{true, false} {
		s.Do(func() {
			if got := s.door.Evict(); got != want {
				t.Errorf("%d: got %v", i, got)
			}
		})
	}
	idle.goAway(wire.NoError)
}

// A handler that panics takes its connection with it, and nothing else.
func TestPanic(t *testing.T) {
	s := start(t, settings{}, handler(func(x *exchange.Exchange) {
		switch string(x.Request.Path) {
		case "/now":
			panic("now")
		case "/later":
			x.Server = &testkit.Collector{Window: 100, Done: func(*exchange.Exchange, []byte, error) { panic("later") }}
			x.Demand(100)
		default:
			x.Answer(200, "")
		}
	}))
	for _, path := range []string{"/now", "/later"} {
		r := s.dial()
		r.open(1, false, simple("POST", path)...)
		r.ok(r.WriteData(1, true, []byte("a")))
		r.ended()
		if v := testkit.Wait(t, s.Panics, "a panic"); v != path[1:] {
			t.Errorf("got %v", v)
		}
		s.Until("it is closed", func() bool { return s.open.Load() == 0 })
	}
	s.servesOn()
}
