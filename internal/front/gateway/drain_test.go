package gateway

import (
	"errors"
	"testing"

	"rickhouse/internal/exchange"
	"rickhouse/internal/testkit"
)

func TestDrain(t *testing.T) {
	each(t, func(t *testing.T, protocol string) {
		h := testkit.NewHeld()
		s := start(t, protocol, settings{}, h)
		busy := s.dial().send(request(protocol, ""))
		x := testkit.Wait(t, h.Began, "the request comes")
		fresh := s.dial()
		s.Until("there are two connections", func() bool { return s.open.Load() == 2 })
		// One that was accepted before may still bring its request.
		s.Do(func() {
			s.door.Drain()
			fresh.send(request(protocol, ""))
		})
		y := testkit.Wait(t, h.Began, "the other request comes")
		s.Do(func() {
			x.Answer(200, "one")
			y.Answer(200, "two")
		})
		if one, two := busy.read(), fresh.read(); one.body != "one" || two.body != "two" {
			t.Errorf("got %+v, %+v", one, two)
		}
		busy.ended()
		fresh.ended()
		s.Until("every connection is closed", func() bool { return s.open.Load() == 0 })
	})
}

func TestDrainIdle(t *testing.T) {
	s := start(t, "fastcgi", settings{}, echo(1))
	c := s.dial()
	c.get("")
	s.Do(s.door.Drain)
	c.ended()
}

func TestEvict(t *testing.T) {
	s := start(t, "fastcgi", settings{}, echo(1))
	first, second := s.dial(), s.dial()
	first.get("")
	second.get("")
	s.Do(func() {
		if !s.door.Evict() {
			t.Error("nothing to evict")
		}
	})
	first.ended()
	if got := second.get(""); got.status != "200 OK" {
		t.Errorf("got %+v", got)
	}
}

func TestClose(t *testing.T) {
	each(t, func(t *testing.T, protocol string) {
		h := testkit.NewHeld()
		s := start(t, protocol, settings{}, h)
		s.dial().send(request(protocol, ""))
		x := testkit.Wait(t, h.Began, "the request comes")
		s.Do(s.door.Close)
		if cause := testkit.Wait(t, h.Causes, "the Server is told"); !errors.Is(cause, exchange.ErrShutdown) {
			t.Errorf("got %v", cause)
		}
		s.Do(func() { x.Answer(200, "late") })
		if o := s.Seen(1)[0]; !errors.Is(o.Err, exchange.ErrShutdown) {
			t.Errorf("observed %+v", o)
		}
	})
}
