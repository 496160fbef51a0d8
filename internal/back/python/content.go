package python

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"

	"rickhouse/internal/exchange"
	"rickhouse/internal/spool"
	wire "rickhouse/internal/wire/worker"
)

// ahead is how much content may be on its way to the disk, in octets.
const ahead = 256 << 10

// collect takes the request content in before the request is queued: in memory
// while it is small, else in a file.
func (j *job) collect() {
	x := j.x
	j.memory = j.app.memory()
	if length := x.Request.ContentLength; length >= 0 && length <= j.memory {
		if int64(cap(j.content)) < length {
			j.content = make([]byte, 0, length)
		}
		x.Demand(int(length))
		return
	}
	x.Demand(ahead)
}

// Content implements exchange.Server.
func (j *job) Content(x *exchange.Exchange, p []byte) {
	if j.over(x) {
		return
	}
	if j.streamed {
		j.forward(p, 0)
		return
	}
	j.total += int64(len(p))
	if j.file == nil && j.total <= j.memory {
		j.content = append(j.content, p...)
		if x.Request.ContentLength < 0 || x.Request.ContentLength > j.memory {
			x.Demand(len(p))
		}
		return
	}
	if j.file == nil {
		j.file = j.app.parts.Store.New(x.Executor, j)
		j.file.Append(j.content)
		j.content = j.content[:0]
	}
	j.file.Append(p)
}

// Spooled implements spool.Observer: what is on disk makes room for more.
func (j *job) Spooled(f *spool.File, n int, err error) {
	if j.submitted || j.finished {
		return
	}
	x := j.x
	if err != nil {
		j.giveUp(x, err)
		return
	}
	if j.whole {
		if f.Written() == f.Size() {
			j.submit()
		}
		return
	}
	x.Demand(n)
}

// ContentEnd implements exchange.Server.
func (j *job) ContentEnd(x *exchange.Exchange, err error) {
	switch {
	case j.over(x):
	case j.streamed && err != nil:
		j.cutContent(err)
	case j.streamed:
		j.forward(nil, wire.End)
	case err != nil:
		j.giveUp(x, err)
	case j.file == nil:
		j.submit()
	default:
		j.whole = true
		j.file.Flush()
		if j.file.Written() == j.file.Size() {
			j.submit()
		}
	}
}

// cutContent tells the worker that there is no more content, and keeps why: that
// is the answer if the application has none.
func (j *job) cutContent(err error) {
	j.home(func() { _ = errors.As(err, &j.contentErr) }) // before the worker can answer
	j.forward(nil, wire.Cut)
}

// giveUp ends a request that was not submitted yet.
func (j *job) giveUp(x *exchange.Exchange, err error) {
	j.x, j.finished = nil, true
	x.Fail(err)
	j.app.free(j)
}

// forward passes streamed content on to the worker, or keeps it while there is
// none: no more than was asked for, which is a window.
func (j *job) forward(p []byte, f wire.Flags) {
	if !j.near {
		p = append([]byte(nil), p...)
	}
	j.home(func() {
		j.contentEnd |= f
		switch {
		case j.x == nil:
		case j.m == nil:
			j.content = append(j.content, p...)
		default:
			j.push(p)
		}
	})
}

// push writes streamed content to the worker, and its end if that has come.
func (j *job) push(p []byte) {
	if len(p) == 0 && j.contentEnd == 0 {
		return
	}
	j.forwarded = j.forwarded || len(p) > 0
	j.unread += len(p)
	j.m.w.SendFrame(wire.Data, j.contentEnd, j.slot, j.slotGeneration, p)
	j.progress = j.app.parts.Loop.Now()
}

// stream starts the content of a streamed request off, which may have begun to
// come before.
func (j *job) stream() {
	j.push(j.content)
	j.content = j.content[:0]
	if !j.demanded && j.x.Request.Get("expect") == nil {
		j.demand(contentCredit)
	}
}

// demand lets more streamed content come.
func (j *job) demand(n int) {
	j.demanded = true
	if x := j.x; x != nil && j.contentEnd == 0 {
		j.client(x, func() { x.Demand(n) })
	}
}

func (j *job) closeContent() {
	if j.file != nil {
		j.file.Close()
		j.file = nil
	}
}

// call describes the request to the worker. The file is a duplicate.
func (j *job) call() (wire.Call, *os.File, error) {
	r := &j.x.Request
	// ASGI has no place for who the client is.
	c := wire.Call{ScriptName: j.x.Route.ScriptName, Identity: !j.app.asgi.Load()}
	if r.TrailersOK && j.app.asgi.Load() {
		c.Flags = wire.TakesTrailers
	}
	switch {
	case j.ws != nil:
		c.Flags |= wire.WebSocket
		return c, nil, nil
	case j.streamed:
		c.ContentLength = r.ContentLength
		return c, nil, nil
	case j.file == nil:
		c.Flags |= wire.End
		c.Content = j.content
		c.ContentLength = int64(len(j.content))
	default:
		c.Flags |= wire.End | wire.HasFile
		c.ContentLength = j.file.Size()
	}
	c.Measured = r.ContentLength < 0
	if j.file == nil {
		return c, nil, nil
	}
	fd, err := unix.FcntlInt(j.file.OS().Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return c, nil, os.NewSyscallError("fcntl", err)
	}
	return c, os.NewFile(uintptr(fd), "content"), nil
}
