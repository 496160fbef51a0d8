package http3

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/quic-go/quic-go"
	h3 "github.com/quic-go/quic-go/http3"

	"rickhouse/internal/exchange"
	"rickhouse/internal/front"
	"rickhouse/internal/loop"
	semantics "rickhouse/internal/wire/http1"
)

// writer is what quic-go gives a request to be answered by.
type writer interface {
	http.ResponseWriter
	h3.HTTPStreamer
	FlushError() error
	SetReadDeadline(time.Time) error
	SetWriteDeadline(time.Time) error
}

// state is where a request is.
type state uint8

const (
	held   state = iota // the Server holds the Exchange
	ending              // the Exchange is ended, its answer on the way
	over                // nothing is left to do
)

// stream is one request and its answer. It is the Executor of its Exchange: all
// of it but the inbox belongs to the goroutine that quic-go runs for it.
type stream struct {
	inbox
	x        exchange.Exchange
	f        *Front
	settings *Settings // those that the request began with
	c        *conn
	w        writer
	r        *http.Request
	head     *front.Head

	state state
	dead  bool  // the client is gone; the Server still holds the Exchange
	gone  error // what Server.Gone is to be told
	time  int64 // of this turn
	again bool  // a Server was called, which may have called back
	spare []exchange.Task
	timer *time.Timer
	// timers are those of others that are set.
	timers map[*loop.Timer]*alarm

	body
	answer
	addr [2][64]byte // the client's address in text, and a forwarded one
}

// Now implements exchange.Executor.
func (s *stream) Now() int64 { return s.time }

// ServeHTTP implements http.Handler.
func (d *Door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c, _ := r.Context().Value(connKey{}).(*conn)
	out, ok := w.(writer)
	if c == nil || !ok {
		panic(fmt.Sprintf("http3: a request that quic-go did not bring: %T", w))
	}
	settings := d.f.settings.Load()
	if !c.enter(settings) {
		c.reset()
		reset(out, h3.ErrCodeRequestRejected)
		return
	}
	defer c.leave()
	s := &stream{f: d.f, settings: settings, c: c, w: out, r: r, head: d.f.heads.Get().(*front.Head)}
	s.head.SetLimits(&settings.Limits)
	s.wake, s.panicked = make(chan struct{}, 1), s.bug
	s.x.Reset()
	s.x.Executor, s.x.Client, s.x.Pages = s, s, settings.Pages
	s.serve()
	s.close()
	if s.cut {
		// quic-go resets the stream with H3_INTERNAL_ERROR.
		panic(http.ErrAbortHandler)
	}
}

// reset resets a stream nothing was sent on.
func reset(w writer, code h3.ErrCode) {
	str, err := w.HTTPStream()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	str.CancelRead(quic.StreamErrorCode(code))
	str.CancelWrite(quic.StreamErrorCode(code))
}

// serve lives through the request's life.
func (s *stream) serve() {
	gone := s.r.Context().Done()
	s.turn((*stream).begin)
	for s.state != over {
		s.turn((*stream).work)
		if s.state == over || s.more() {
			continue
		}
		select {
		case <-s.wake:
		case <-gone:
			gone = nil
			s.turn((*stream).vanished)
		case <-s.late():
			s.turn((*stream).timedOut)
		}
	}
}

// errPanicked is why an Exchange ends whose handler has panicked.
var errPanicked = errors.New("a handler panicked")

// turn does one thing. If it panics the client is given up, and the Server told
// so. Where there is none, or that panics as well, nobody is waited for.
func (s *stream) turn(do func(*stream)) {
	defer func() {
		value := recover()
		if value == nil {
			return
		}
		s.bug(value)
		s.cut = true
		switch {
		case s.state == over:
		case s.state == ending || s.dead || s.x.Server == nil:
			s.x.Stats.Err = errPanicked
			s.drop()
			s.finish()
		default:
			s.lost(errPanicked)
		}
	}()
	s.time = s.f.now()
	do(s)
}

func (s *stream) bug(value any) {
	s.f.parts.Log.Error("a bug in the server: a handler panicked", "panic", fmt.Sprint(value), "stack", string(debug.Stack()))
}

// work does what there is to do.
func (s *stream) work() {
	tasks := s.take(s.spare)
	for i, t := range tasks {
		tasks[i] = nil
		t.Run()
	}
	s.spare = tasks
	if s.state == held && !s.dead {
		s.fetch()
	}
	s.pump()
	if s.state == held && !s.dead {
		s.tellDrained()
	}
	s.tellGone()
}

// more reports whether there is something to do before waiting.
func (s *stream) more() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	again := s.again
	s.again = false
	return again || len(s.tasks) > 0 || s.gone != nil && s.state == held
}

// late returns a channel that tells when the client has been waited for too long.
func (s *stream) late() <-chan time.Time {
	by := s.deadline()
	if by == 0 {
		return nil
	}
	wait := time.Duration(by - s.f.now())
	if s.timer == nil {
		s.timer = time.NewTimer(wait)
	} else {
		s.timer.Reset(wait)
	}
	return s.timer.C
}

// deadline is when the client must have sent more, or 0.
func (s *stream) deadline() int64 {
	if s.state == held && !s.dead && !s.done && s.demand > 0 && s.Framing != tunnel {
		s.body.pace.MaxPause = s.x.Route.MaxPause
		s.body.pace.Wait(s.time, &s.settings.Config)
	} else {
		s.body.pace.Pause(s.time)
	}
	return s.body.pace.By()
}

// timedOut is called when the deadline may have come.
func (s *stream) timedOut() {
	if by := s.deadline(); by != 0 && by <= s.time {
		s.contentFailed(front.SlowContent())
	}
}

// vanished is told that the client has closed the connection, or does not want
// the answer any more.
func (s *stream) vanished() {
	cause := error(exchange.ErrClientGone)
	switch {
	case s.c.d.isClosed():
		cause = exchange.ErrShutdown
	default:
		if err := context.Cause(s.c.q.Context()); err != nil {
			cause = front.ClientGone{Err: err}
		}
	}
	if s.state != over && !s.dead {
		s.c.reset()
	}
	s.lost(cause)
}

// lost ends a request whose client is gone, or is to be.
func (s *stream) lost(cause error) {
	if s.state == over || s.dead {
		return
	}
	if s.x.Stats.Err == nil {
		s.x.Stats.Err = cause
	}
	s.drop()
	if s.state == ending {
		s.cut = true
		s.finish()
		return
	}
	s.dead, s.cut, s.gone = true, true, cause
	s.x.Canceled = true
}

// tellGone tells the Server that nobody waits any more.
func (s *stream) tellGone() {
	cause := s.gone
	if cause == nil || s.state != held {
		return
	}
	s.gone = nil
	front.TellGone(&s.x, cause)
}

// finish ends the Exchange: its answer is with quic-go, or cut.
func (s *stream) finish() {
	s.state = over
	x := &s.x
	x.Stats.Finished = s.f.now()
	if s.cut {
		s.f.counters.broken.Add(1)
	}
	if s.f.parts.Observe != nil {
		s.f.parts.Observe(x)
	}
}

// close gives back what the request has used. What comes late reaches nobody.
func (s *stream) close() {
	s.drop()
	s.stopReading()
	s.stopTimers()
	if s.timer != nil {
		s.timer.Stop()
	}
	s.x.Client = front.Nobody{Log: s.f.parts.Log}
	s.x.Generation++
	s.leave()
	s.f.heads.Put(s.head)
	s.head = nil
}

var (
	_ exchange.Executor = (*stream)(nil)
	_ http.Handler      = (*Door)(nil)
)

const tunnel = semantics.Tunnel
