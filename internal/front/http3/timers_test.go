package http3

import (
	"testing"
	"time"

	"rickhouse/internal/exchange"
	"rickhouse/internal/loop"
	"rickhouse/internal/websocket"
)

var _ websocket.Loop = (*stream)(nil)

func TestTimers(t *testing.T) {
	s := start(t, handler(func(x *exchange.Exchange) {
		l := x.Executor.(websocket.Loop)
		ran := ""
		var first, moved, stopped, last loop.Timer
		set := func(t *loop.Timer, name string, after time.Duration, then func()) {
			t.Task = exchange.TaskFunc(func() {
				ran += name
				then()
			})
			l.SetTimer(t, l.Now()+int64(after))
		}
		nothing := func() {}
		set(&stopped, "stopped", time.Millisecond, nothing)
		set(&moved, "moved ", time.Millisecond, func() {
			set(&last, "last", time.Millisecond, func() { x.Answer(200, ran) })
		})
		set(&first, "first ", time.Millisecond, func() { l.SetTimer(&moved, l.Now()+int64(time.Millisecond)) })
		l.SetTimer(&moved, l.Now()+int64(time.Hour))
		l.StopTimer(&stopped)
	}))
	if got := s.dial().get("/").body; got != "first moved last" {
		t.Errorf("got %q", got)
	}
}

// TestTimersEndWithTheRequest leaves a timer set.
func TestTimersEndWithTheRequest(t *testing.T) {
	late := make(chan string, 1)
	s := start(t, handler(func(x *exchange.Exchange) {
		var timer loop.Timer
		timer.Task = exchange.TaskFunc(func() { late <- "a timer ran after the end" })
		l := x.Executor.(websocket.Loop)
		l.SetTimer(&timer, l.Now()+int64(20*time.Millisecond))
		x.Answer(200, "ok")
	}))
	s.dial().get("/")
	select {
	case text := <-late:
		t.Error(text)
	case <-time.After(60 * time.Millisecond):
	}
}
