package python

import (
	"errors"

	"rickhouse/internal/exchange"
	"rickhouse/internal/spool"
	wire "rickhouse/internal/wire/worker"
)

// job is one request on its way through an App: it stands for the App towards
// the Exchange, and for the Exchange towards the worker. Its fields are in two
// halves. The client's half is touched on the Exchange's Executor, the link's
// half on the App's home loop; where these are one (near) there is no
// difference, otherwise each posts to the other.
type job struct {
	app  *App
	near bool

	// The client's half.

	generation uint32 // of x, to tell that x is another request's by now
	received   int64
	content    []byte      // request content in memory; of the link's half if streamed
	file       *spool.File // or in a file
	ws         *socket     // the WebSocket that is asked for, or nil
	whole      bool        // all content has arrived
	memory     int64       // octets of content that are kept in memory
	total      int64       // octets of content that have arrived
	drained    int         // answer octets not yet told to the home loop (far only)
	submitted  bool
	finished   bool // End or Abort was called on x

	// The link's half. x is nil once the answer is complete or given up.

	x              *exchange.Exchange
	in             *list
	prev, next     *job
	m              *member
	slot           uint16
	slotGeneration uint32
	queued         int64
	since          int64           // when it began to wait for a worker, or to wait anew
	began          int64           // when the application began with it
	progress       int64           // when the worker last showed a sign of life about it
	deaths         int             // workers that ended while they ran it
	window         int             // answer octets that the worker may still send
	owed           int             // answer octets to give back to the window
	sent           int64           // when it was sent to the worker
	killAt         int64           // when its worker is replaced, if it timed out
	interims       int             // interim heads of the answer
	behind         bool            // sent to a worker that has to end another one first
	running        bool            // seen to have started
	streamed       bool            // content is passed on as it comes
	forwarded      bool            // some of it was given to the worker
	contentEnd     wire.Flags      // how it ended, or 0
	contentErr     *exchange.Error // why it was cut, if that has an answer
	demanded       bool
	unread         int  // octets of streamed content that the worker has not said to have read
	answering      bool // a head was passed on
	ended          bool // the answer was complete
	gone           bool // nobody waits for the answer
	halfClosed     bool // the client has stopped sending; it may wait for the answer
	trailers       bool // the trailers of the answer have come
	timedOut       bool
}

// submit hands the request to the home loop, once its content is there.
func (j *job) submit() {
	j.submitted = true
	if j.near {
		j.app.enqueue(j)
		return
	}
	j.home(func() { j.app.enqueue(j) })
}

// home runs f on the home loop, client on the Exchange's Executor.
func (j *job) home(f func()) {
	if j.near {
		f()
		return
	}
	j.app.parts.Loop.Post(exchange.TaskFunc(f))
}

func (j *job) client(x *exchange.Exchange, f func()) {
	if j.near {
		f()
		return
	}
	x.Executor.Post(exchange.TaskFunc(func() {
		if !j.finished && x.Generation == j.generation {
			f()
		}
	}))
}

// fail answers with what err calls for, and lets go of the Exchange.
func (j *job) fail(err error) {
	x := j.x
	if x == nil {
		return
	}
	j.x = nil
	j.client(x, func() {
		j.finished = true
		x.Fail(err)
	})
}

// abort cuts the answer, and lets go of the Exchange.
func (j *job) abort(cause error) {
	x := j.x
	if x == nil {
		return
	}
	j.x = nil
	j.client(x, func() {
		j.finished = true
		x.Abort(cause)
	})
}

// rerun forgets what the dead worker did.
func (j *job) rerun() {
	j.x.Stats.Reruns++
	j.running, j.behind = false, false
	j.window, j.owed, j.unread, j.interims, j.began = 0, 0, 0, 0, 0
}

// Drained implements exchange.Server.
func (j *job) Drained(x *exchange.Exchange, n int) {
	if j.over(x) {
		return
	}
	if j.near {
		j.credit(n)
		return
	}
	j.drained += n
	if j.drained >= wire.MaxContent {
		n, j.drained = j.drained, 0
		j.home(func() { j.credit(n) })
	}
}

// credit gives n octets back to the answer's window.
func (j *job) credit(n int) {
	j.owed += n
	if j.owed < wire.MaxContent || j.ended || j.m == nil {
		return
	}
	j.window += j.owed
	j.m.w.SendWindow(j.slot, j.slotGeneration, uint32(j.owed))
	j.owed = 0
}

// over reports whether j has let go of x. The call that ends an Exchange may
// bring calls from it.
func (j *job) over(x *exchange.Exchange) bool { return j.finished || j.near && j.x != x }

// Gone implements exchange.Server.
func (j *job) Gone(x *exchange.Exchange, cause error) {
	if j.over(x) {
		return
	}
	if j.submitted {
		j.home(func() { j.leaveOff(cause) })
		return
	}
	j.finished, j.x = true, nil
	x.Abort(cause)
	j.app.free(j)
}

// leaveOff gives up a request that nobody waits for: what has not started is
// not started, what has is told. A client that has only stopped sending may wait
// for what has started.
func (j *job) leaveOff(cause error) {
	if j.x == nil {
		return
	}
	m, waits := j.m, errors.Is(cause, exchange.ErrHalfClosed)
	j.gone, j.halfClosed = !waits, waits
	switch {
	case m == nil:
		j.leave() // before abort, which may bring the next request at once
		j.abort(cause)
		j.app.free(j)
	case waits && !j.behind: // a free worker got it, and begins any moment
		j.tell()
		m.sort(j)
	case m.w.Recall(j.slot, j.slotGeneration):
		m.release(j)
		j.abort(cause)
		j.app.free(j)
		j.app.dispatch()
	case waits:
	case errors.Is(cause, exchange.ErrShutdown):
		m.w.Cancel(j.slot, j.slotGeneration, wire.Cut)
		j.abort(cause)
		m.sort(j)
	default:
		m.w.Cancel(j.slot, j.slotGeneration, 0)
		j.abort(cause)
		m.sort(j)
	}
}

// tell lets an ASGI application know that the client has stopped sending: most
// that do are gone.
func (j *job) tell() {
	if j.app.asgi.Load() && !j.ended {
		j.m.w.Cancel(j.slot, j.slotGeneration, wire.End)
	}
}
