package transport

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"rickhouse/internal/exchange"
)

// Why a tunnel was ended.
var (
	ErrIdle   = errors.New("the tunnel was idle for too long")
	ErrOctets = errors.New("the tunnel has carried as much as it may")
)

// Tunnel says how an Exchange is joined to a connection.
type Tunnel struct {
	// Window is how many octets may be on their way in each direction; 0 for 64 KiB.
	Window int
	// Idle is how long nothing may come from either side; 0 for ever.
	Idle time.Duration
	// MaxOctets is how much may be carried, both directions together; 0 for any
	// amount.
	MaxOctets int64
	// Done is called once, on the Executor, before the Exchange is finished, with the
	// octets of each direction and why the tunnel ended: nil if both sides had
	// finished.
	Done func(fromClient, toClient int64, err error)
}

// conn is a connection whose sending side can be closed alone.
type conn interface {
	net.Conn
	CloseWrite() error
}

// Join accepts x, a CONNECT, with 200 and joins it to c, which it closes in the end,
// or when ctx ends.
// x.Response.Fields are sent as they are. It is called on x's Executor.
//
// The end of either direction is passed on alone: to c by CloseWrite if it has
// that, to the client if x.Client is an exchange.HalfCloser. Elsewhere the end of
// one is the end of both.
func Join(ctx context.Context, x *exchange.Exchange, c net.Conn, t Tunnel) {
	if t.Window == 0 {
		t.Window = defaultWindow
	}
	ctx, cancel := context.WithCancelCause(ctx)
	j := &joint{Tunnel: t, x: x, home: x.Executor, c: c, cancel: cancel}
	j.room.init(t.Window)
	j.in = newPipe(t.Window, j.demand, &j.idle)
	j.in.patient = true
	j.idle.init(t.Idle, func() { j.end(ErrIdle) })
	context.AfterFunc(ctx, func() { j.end(context.Cause(ctx)) })
	x.Server = j
	x.Response.Status, x.Response.ContentLength = http.StatusOK, -1
	x.Head()
	var both sync.WaitGroup
	both.Go(func() { j.toUpstream() })
	both.Go(func() { j.toClient(ctx) })
	go func() {
		both.Wait()
		j.finish()
	}()
}

// joint is a Tunnel in use.
type joint struct {
	Tunnel
	x    *exchange.Exchange // of the Executor; nil once it is finished
	home exchange.Executor
	c    net.Conn
	in   *pipe
	room window
	idle watchdog

	cancel             context.CancelCauseFunc
	once               sync.Once
	err                error // written in once, read when both directions have ended
	up, down, reserved atomic.Int64
}

var _ exchange.Server = (*joint)(nil)

// end ends both directions, because of err.
func (j *joint) end(err error) {
	j.once.Do(func() {
		j.err = err
		j.cancel(err)
		j.in.finish(err, nil)
		_ = j.c.Close()
	})
}

// finish finishes the Exchange, when nothing is carried any more.
func (j *joint) finish() {
	j.end(nil)
	j.idle.stop()
	j.home.Post(exchange.TaskFunc(func() {
		x := j.x
		if x == nil {
			return
		}
		j.x = nil
		if j.Done != nil {
			j.Done(j.up.Load(), j.down.Load(), j.err)
		}
		if j.err != nil {
			x.Stats.Err = j.err
			x.Abort(j.err)
			return
		}
		x.End()
	}))
}

// demand lets n more octets of the client come.
func (j *joint) demand(n int) {
	j.home.Post(exchange.TaskFunc(func() {
		if j.x != nil {
			j.x.Demand(n)
		}
	}))
}

// spend counts n octets and reports whether they may be carried.
func (j *joint) spend(n int) bool {
	return j.MaxOctets == 0 || j.reserved.Add(int64(n)) <= j.MaxOctets
}

// Content implements exchange.Server.
func (j *joint) Content(_ *exchange.Exchange, p []byte) { j.in.write(p) }

// ContentEnd implements exchange.Server.
func (j *joint) ContentEnd(_ *exchange.Exchange, err error) {
	if err == nil {
		err = io.EOF
	}
	j.in.finish(err, nil)
}

// Drained implements exchange.Server.
func (j *joint) Drained(_ *exchange.Exchange, n int) { j.room.give(n) }

// Gone implements exchange.Server.
func (j *joint) Gone(_ *exchange.Exchange, cause error) {
	if !errors.Is(cause, exchange.ErrHalfClosed) {
		j.end(cause)
	}
}

// toUpstream carries what the client sends.
func (j *joint) toUpstream() {
	b := make([]byte, min(maxRead, j.Window))
	for {
		n, err := j.in.Read(b)
		if n > 0 {
			if !j.spend(n) {
				j.end(ErrOctets)
				return
			}
			k, err := j.c.Write(b[:n])
			j.up.Add(int64(k))
			j.idle.moved()
			if err != nil {
				j.end(err)
				return
			}
		}
		if err == nil {
			continue
		}
		c, can := j.c.(conn)
		if !errors.Is(err, io.EOF) || !can || c.CloseWrite() != nil {
			j.end(gentle(err))
		}
		return
	}
}

// toClient carries what the other side sends.
func (j *joint) toClient(ctx context.Context) {
	for {
		room, err := j.room.take(ctx, min(maxRead, j.Window))
		if err != nil {
			return
		}
		b := make([]byte, room)
		n, err := j.c.Read(b)
		j.idle.moved()
		j.room.give(room - n)
		if n > 0 {
			if !j.spend(n) {
				j.end(ErrOctets)
				return
			}
			j.down.Add(int64(n))
			j.home.Post(exchange.TaskFunc(func() {
				if j.x != nil {
					j.x.Data(b[:n])
				}
			}))
		}
		if err == nil {
			continue
		}
		if !errors.Is(err, io.EOF) {
			j.end(err)
			return
		}
		j.home.Post(exchange.TaskFunc(func() { j.halfClose() }))
		return
	}
}

// halfClose tells the client that no more comes, if it can be told that alone.
func (j *joint) halfClose() {
	if j.x == nil {
		return
	}
	if c, can := j.x.Client.(exchange.HalfCloser); can {
		c.CloseWrite(j.x)
		return
	}
	j.end(nil)
}

// gentle is err, but nil for an end.
func gentle(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}
