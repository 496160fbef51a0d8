package python

import (
	"errors"
	"fmt"
	"os"

	"rickhouse/internal/exchange"
	rfc6455 "rickhouse/internal/wire/websocket"
	wire "rickhouse/internal/wire/worker"
)

const (
	answerCredit  = wire.AnswerCredit
	contentCredit = wire.ContentCredit
)

const (
	// maxReason bounds what a worker's reason puts into the log, in octets.
	maxReason = 4 << 10
	// maxInterims is how many interim heads an answer may have.
	maxInterims = 32
)

// lie is what a worker sends that it must not; it is killed for it.
func lie(format string, args ...any) error {
	return fmt.Errorf("%w: %s", wire.ErrMalformed, fmt.Sprintf(format, args...))
}

// answer takes a frame about j. file is that of a FILE frame, else nil.
func (a *App) answer(m *member, j *job, h wire.Header, p []byte, file *os.File) error {
	var err error
	switch h.Type {
	case wire.AnswerHead:
		err = j.head(h, p)
	case wire.AnswerData:
		err = j.data(h, p)
	case wire.AnswerFile:
		err = j.sendFile(h, p, file)
	case wire.Trailers:
		err = j.trail(p)
	case wire.AnswerClose:
		err = j.closed(p)
	case wire.AnswerAbort:
		err = j.aborted(p)
	case wire.AnswerWindow:
		return j.moreContent(p)
	case wire.Done:
		if _, err := wire.ParseUint32(p); err != nil {
			return err
		}
		return m.done(j)
	default:
		return lie("a frame of type %d", h.Type)
	}
	if err != nil {
		return err
	}
	m.sort(j)
	if h.Has(wire.IsDone) {
		return m.done(j)
	}
	return nil
}

// done ends the worker's part in j.
func (m *member) done(j *job) error {
	a := m.app
	if ws := j.ws; ws != nil && ws.accepted {
		ws.leaveWorker(rfc6455.CodeNormal)
	} else if !j.ended {
		return lie("DONE before the end of the answer")
	}
	if !j.behind && j.began != 0 && !a.asgi.Load() {
		a.sample(a.parts.Loop.Now() - j.began)
	}
	m.steps++
	m.served++
	m.slow = false
	m.w.Release(j.slot)
	m.release(j)
	a.free(j)
	m.place.recycle(a.parts.Loop.Now())
	m.stopIfIdle()
	a.dispatch()
	return nil
}

func (j *job) head(h wire.Header, p []byte) error {
	if j.answering || j.ended {
		return lie("a second HEAD")
	}
	a, x := j.app, j.x
	res := &a.scratch
	if j.near && x != nil {
		res = &x.Response
	}
	head, err := wire.ParseHead(h, p, res)
	if err != nil {
		return err
	}
	j.running = true
	j.m.begun(j, head.Started)
	if res.Status == 101 && j.ws != nil {
		j.answering = true
		return j.accept(h, p, head.Content)
	}
	if j.answering = !h.Has(wire.Interim); !j.answering {
		if j.interims++; j.interims > maxInterims {
			return lie("more than %d interim heads", maxInterims)
		}
	}
	if err := j.spend(len(head.Content)); err != nil {
		return err
	}
	j.ended = h.Has(wire.End)
	switch {
	case x == nil:
		j.credit(len(head.Content))
	case res.Status == 101:
		j.fail(&exchange.Error{Status: 500, Reason: "the application answered 101 to a request that cannot be upgraded"})
	case j.near:
		x.Stats.Started = j.began
		x.Response.Whole = j.ended
		x.Head()
		j.pass(head.Content)
	default:
		j.headFar(x, h, p)
	}
	return nil
}

// headFar passes a head on to a client of another loop.
func (j *job) headFar(x *exchange.Exchange, h wire.Header, p []byte) {
	began := j.began
	p = append([]byte(nil), p...)
	j.client(x, func() {
		head, err := wire.ParseHead(h, p, &x.Response)
		if err != nil {
			return
		}
		x.Stats.Started = began
		x.Response.Whole = h.Has(wire.End)
		x.Head()
		if len(head.Content) > 0 && !j.finished {
			x.Data(head.Content)
		}
		if h.Has(wire.End) {
			j.endFar(x)
		}
	})
	if j.ended {
		j.x = nil
	}
}

// begun learns from when the worker says it began with j.
func (m *member) begun(j *job, started int64) {
	if j.began != 0 {
		return
	}
	j.began = min(max(started, j.queued), m.app.parts.Loop.Now())
	if j.behind && m.last != 0 {
		m.app.sample(j.began - m.last)
	}
	m.last = j.began
	m.steps++
}

// pass sends content to a near client, and the end if it is reached. Any call
// may bring Gone, which takes x away.
func (j *job) pass(p []byte) {
	switch {
	case len(p) == 0:
	case j.x != nil:
		j.x.Data(p)
	default:
		j.credit(len(p))
	}
	if x := j.x; j.ended && x != nil {
		j.x, j.finished = nil, true
		x.End()
	}
}

func (j *job) endFar(x *exchange.Exchange) {
	if !j.finished {
		j.finished = true
		x.End()
	}
}

// spend takes n octets off the answer's window.
func (j *job) spend(n int) error {
	if n > wire.MaxContent {
		return lie("content of %d octets in one frame", n)
	}
	j.window -= n
	if j.window < 0 {
		return lie("content past the window")
	}
	return nil
}

func (j *job) data(h wire.Header, p []byte) error {
	if !j.answering || j.ended {
		return lie("content out of place")
	}
	if j.ws != nil && j.ws.accepted {
		return j.ws.send(h, p)
	}
	if err := j.spend(len(p)); err != nil {
		return err
	}
	j.ended = h.Has(wire.End)
	x := j.x
	switch {
	case x == nil:
		j.credit(len(p))
	case j.near:
		j.pass(p)
	default:
		p = append([]byte(nil), p...)
		j.client(x, func() {
			x.Data(p)
			if h.Has(wire.End) {
				j.endFar(x)
			}
		})
		if j.ended {
			j.x = nil
		}
	}
	return nil
}

func (j *job) sendFile(h wire.Header, p []byte, file *os.File) error {
	r, err := wire.ParseFile(p)
	if err == nil && (!j.answering || j.ended || file == nil || j.ws != nil && j.ws.accepted) {
		err = lie("a file out of place")
	}
	if err == nil {
		var info os.FileInfo
		if info, err = file.Stat(); err == nil && !info.Mode().IsRegular() {
			err = lie("a descriptor that is not of a regular file")
		}
	}
	if err != nil {
		if file == nil {
			return err
		}
		return errors.Join(err, file.Close())
	}
	j.ended = h.Has(wire.End)
	cost := 0
	if !j.ended {
		cost = exchange.FileCost
	}
	if err := j.spend(cost); err != nil {
		return errors.Join(err, file.Close())
	}
	x := j.x
	switch {
	case x == nil:
		j.credit(cost)
		return file.Close()
	case j.near:
		x.File(file, r.Offset, r.Length)
		j.pass(nil)
	default:
		j.client(x, func() {
			x.File(file, r.Offset, r.Length)
			if h.Has(wire.End) {
				j.endFar(x)
			}
		})
		if j.ended {
			j.x = nil
		}
	}
	return nil
}

// trail: the trailers of the answer, which End sends.
func (j *job) trail(p []byte) error {
	if !j.answering || j.ended || j.trailers || j.ws != nil && j.ws.accepted {
		return lie("trailers out of place")
	}
	j.trailers = true
	res := &j.app.scratch
	p = append([]byte(nil), p...)
	if x := j.x; x != nil && j.near {
		res = &x.Response
	} else if x != nil {
		j.client(x, func() { _ = wire.ParseTrailers(p, &x.Response) }) // it is parsed below, too
	}
	return wire.ParseTrailers(p, res)
}

// aborted: the application failed. Before the head that is a 500, or what its
// content was cut for; after it the answer is cut.
func (j *job) aborted(p []byte) error {
	if j.ended {
		return lie("ABORT after the end of the answer")
	}
	j.ended = true
	if j.ws != nil {
		j.ws.close(rfc6455.CodeInternal, "")
	}
	err := j.contentErr
	if err == nil {
		err = &exchange.Error{Status: 500, Reason: "the application failed: " + string(p[:min(len(p), maxReason)])}
	}
	j.fail(err)
	return nil
}

// moreContent: the worker has read streamed content, or begins to wait for it.
func (j *job) moreContent(p []byte) error {
	n, err := wire.ParseUint32(p)
	if err != nil {
		return err
	}
	switch {
	case j.ws != nil && j.ws.accepted:
		return j.ws.giveBack(int(n))
	case !j.streamed || int64(n) > int64(j.unread):
		return lie("a WINDOW of %d, where %d octets are unread", n, j.unread)
	case j.m.w.Backlog() > j.app.limit()*contentCredit+4*maxBacklog: // no worker that reads leaves so much
		return lie("WINDOW frames from one that leaves %d octets unread", j.m.w.Backlog())
	case !j.demanded:
		j.demand(contentCredit)
	case n > 0:
		j.unread -= int(n)
		j.demand(int(n))
	}
	return nil
}
