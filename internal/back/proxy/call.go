package proxy

import (
	"errors"
	"net/http"

	"rickhouse/internal/exchange"
	"rickhouse/internal/loop"
	"rickhouse/internal/spool"
)

const (
	// window is how much content may be on its way through, in octets, in either
	// direction: of a request to the upstream, of an answer to the client.
	window       = 64 << 10
	answerWindow = 256 << 10
	// directWindow is that of answers which are not to run ahead of the client.
	directWindow = 32 << 10
	// maxReplay is the most request content that is kept to be sent again. What was
	// asked for before that became clear is kept as well.
	maxReplay = 64 << 10
	// maxInterims is how many interim heads an answer may have.
	maxInterims = 32
	// smallPiece is content that is copied to what waits to be written.
	smallPiece = 8 << 10
)

// call is one Exchange on its way through a Proxy. It belongs to the loop of its
// shard, which is the Exchange's Executor.
type call struct {
	sh    *shard
	x     *exchange.Exchange // nil once it is over
	peer  *peer
	c     *conn // that has the request, or is being made for it
	timer loop.Timer

	tried    []*peer
	last     error // why the last attempt failed
	attempts int   // that failed and count
	rounds   int   // through all peers

	kept      []byte // all content so far, while keeping
	total     int64  // octets of content that have come
	memory    int64  // of these that stay in memory where all is taken in first
	granted   int64  // octets that were asked for
	owed      int    // octets that were sent on and not asked for anew
	undrained int    // octets of the answer that are with the client's side
	interims  int
	key       []byte // of a WebSocket handshake that is ours
	rival     *hedge // with the second call for x, if there is one

	file *spool.File // of content that was taken in and is large; see collect
	sent int64       // octets of file that were passed on

	collecting   bool // the content is being taken in
	whole        bool // it was taken in whole
	replaying    bool // replay is at it
	ended        bool // all of file was passed on
	keeping      bool
	idempotent   bool
	expecting    bool // the upstream has to ask for the content
	contentEnded bool
	answering    bool
	tunnel       bool
	queued       bool
	pausing      bool // all peers have failed; it goes on when timer says
	trial        bool
	hedged       bool // there was a second call, or cannot be one
	fresh        bool // no connection that has been used may have it
}

// callTimeout is a call as the task of its timer.
type callTimeout call

func (t *callTimeout) Run() { (*call)(t).waited() }

// serve takes x, whose Executor is the shard's loop.
func (s *shard) serve(x *exchange.Exchange) {
	w := s.newCall()
	w.x = x
	w.keeping = true
	w.idempotent = idempotent(x.Request.Method)
	w.contentEnded = !x.HasContent
	w.expecting = x.HasContent && x.Request.Get("expect") != nil && !s.p.collects(x)
	x.Server = w
	x.Stats.Queued = s.l.Now()
	s.earn()
	if s.p.collects(x) {
		w.collect()
		return
	}
	w.start()
}

// idempotent reports whether a request of that method may be sent again (RFC 9110
// §9.2.2).
func idempotent(method []byte) bool {
	switch string(method) {
	case "GET", "HEAD", "PUT", "DELETE", "OPTIONS":
		return true
	}
	return false
}

// start sends the request to a peer.
func (w *call) start() {
	s := w.sh
	peer, trial := s.pick(w.x, w.tried)
	if peer == nil && s.p.unresolved.Load() && s.l.Now()-w.x.Stats.Queued < int64(s.p.cfg.ConnectTimeout) {
		w.pause()
		return
	}
	if peer == nil {
		if w.last == nil {
			w.last = &exchange.Error{Status: http.StatusServiceUnavailable, Reason: "no upstream is available", RetryAfter: s.p.cfg.EjectTime}
		}
		w.fail(w.last)
		return
	}
	w.peer, w.trial = peer, trial
	peer.active.Add(1)
	if peer.http2 != nil {
		w.over(peer.http2)
		return
	}
	pool := &peer.pools[s.index]
	if !w.fresh {
		if c := pool.take(!w.idempotent); c != nil {
			w.send(c)
			return
		}
	}
	switch {
	case pool.reserve():
		w.dial(pool)
	case w.yields():
	case pool.wait(w):
		w.queued = true
		s.l.SetTimer(&w.timer, s.l.Now()+int64(s.p.cfg.QueueTimeout))
	default:
		w.fail(&exchange.Error{Status: http.StatusServiceUnavailable, Reason: "too many requests wait for a connection (upstream_queue)"})
	}
}

// dial makes a connection for the request; a place for it is reserved.
func (w *call) dial(p *pool) {
	w.armHedge()
	w.c = p.newConn(w)
	w.c.dial()
}

// waited is called when the time in the queue, or a pause, or that of a first answer
// is over.
func (w *call) waited() {
	switch {
	case w.pausing:
		w.pausing = false
		w.start()
	case w.queued:
		w.fail(&exchange.Error{Status: http.StatusServiceUnavailable, Reason: "no connection became free within upstream_queue_timeout"})
	case w.c != nil && !w.answering && w.mayHedge():
		w.hedge()
	}
}

// send sends the request by c, which is free.
func (w *call) send(c *conn) {
	s, x := w.sh, w.x
	c.passTo(s)
	w.c, c.call, c.state = c, w, busy
	c.wrote, c.heard, c.paused, c.since = false, false, false, s.l.Now()
	r, err := s.builder.build(x, w.peer.authority, w.expecting)
	if err == nil {
		if w.whole {
			r.length, r.tellEmpty = w.total, true
		}
		w.handshake(r)
		r.close = s.p.cfg.Keepalive < 0
		s.head, err = c.codec.begin(s.head[:0], r)
	}
	if err != nil {
		w.fail(err)
		return
	}
	if x.Stats.Started == 0 {
		x.Stats.Started = c.since
	}
	w.armHedge()
	if !x.HasContent {
		s.pieces[0] = s.head
		c.write(s.pieces[:1])
		c.arm()
		return
	}
	c.keep(s.head)
	c.arm()
	if w.whole {
		w.sent, w.ended, w.replaying = 0, false, false
		w.replay()
		return
	}
	if len(w.kept) > 0 {
		w.put(w.kept)
	}
	if w.contentEnded {
		w.putEnd()
	}
	c.later()
	if w.granted == 0 && !w.expecting {
		w.demand(window)
	}
}

// demand asks for n more octets of content, as far as there may be so many.
func (w *call) demand(n int) {
	x := w.x
	if length := x.Request.ContentLength; length >= 0 && !w.tunnel {
		n = int(min(int64(n), length-w.granted))
	}
	if n > 0 && (!w.contentEnded || w.tunnel) {
		w.granted += int64(n)
		x.Demand(n)
	}
}

// ready reports whether content can be passed on.
func (w *call) ready() bool { return w.c != nil && w.c.state == busy }

// Content implements exchange.Server.
func (w *call) Content(x *exchange.Exchange, p []byte) {
	if w.x != x {
		return
	}
	if w.collecting {
		w.collected(x, p)
		return
	}
	w.total += int64(len(p))
	if w.keeping {
		if len(w.kept)+len(p) <= maxReplay+window {
			w.kept = append(w.kept, p...)
		} else {
			w.keeping = false
		}
	}
	if w.ready() {
		w.owed += len(p)
		w.put(p)
		if len(w.c.out) == 0 {
			w.flushed()
		}
	}
}

// put passes content on.
func (w *call) put(p []byte) {
	c, s := w.c, w.sh
	for len(p) > 0 && w.c == c && !c.dead {
		q := p[:min(len(p), maxPiece)]
		p = p[len(q):]
		s.frame = c.codec.before(s.frame[:0], len(q))
		n := len(s.frame)
		s.frame = c.codec.after(s.frame)
		if len(q) <= smallPiece && !w.tunnel {
			c.keep(s.frame[:n])
			c.keep(q)
			c.keep(s.frame[n:])
			c.later()
			continue
		}
		if len(c.out) > 0 && !c.blocked {
			c.flush()
		}
		s.pieces = [3][]byte{s.frame[:n], q, s.frame[n:]}
		c.write(s.pieces[:])
		s.pieces = [3][]byte{}
	}
}

// putEnd passes the end of the content on.
func (w *call) putEnd() {
	c, s := w.c, w.sh
	s.frame = c.codec.end(s.frame[:0], w.x.Request.Trailers)
	c.keep(s.frame)
	if !c.blocked {
		c.flush()
		c.wants()
	}
	c.arm()
}

// flushed is called when all that was to be written has gone.
func (w *call) flushed() {
	if w.whole && !w.tunnel {
		if w.file != nil && !w.ended {
			w.replay()
		}
		return
	}
	if !w.idempotent && w.c.wrote {
		w.keeping = false // it may not be sent again
		w.kept = w.kept[:0]
	}
	if w.tunnel && w.contentEnded {
		_ = w.c.s.CloseWrite() // an end that cannot be told is seen by reading
	}
	n := w.owed
	w.owed = 0
	w.demand(n)
}

// ContentEnd implements exchange.Server.
func (w *call) ContentEnd(x *exchange.Exchange, err error) {
	switch {
	case w.x != x:
	case err != nil && !w.tunnel:
		w.fail(err)
	default:
		w.contentEnded = true
		switch {
		case w.collecting:
			w.begin()
		case w.ready():
			w.c.since = w.sh.l.Now()
			w.putEnd()
			if w.tunnel && len(w.c.out) == 0 {
				w.flushed()
			}
		}
	}
}

// Drained implements exchange.Server.
func (w *call) Drained(x *exchange.Exchange, n int) {
	if w.x != x {
		return
	}
	w.undrained = max(0, w.undrained-n)
	if c := w.c; c != nil && c.paused && w.undrained <= w.sh.p.window/2 {
		c.paused, c.since = false, w.sh.l.Now()
		c.wants()
		c.arm()
	}
}

// Gone implements exchange.Server.
func (w *call) Gone(x *exchange.Exchange, cause error) {
	if w.x != x || errors.Is(cause, exchange.ErrHalfClosed) && w.ready() {
		return
	}
	w.leave()
	x.Abort(cause)
}

// interim passes a 1xx on.
func (w *call) interim() {
	x := w.x
	if w.interims++; w.interims > maxInterims {
		w.lost(errors.New("there are too many interim answers"))
		return
	}
	if x.Response.Status == http.StatusContinue {
		if w.expecting {
			w.expecting = false
			w.demand(window)
		}
		x.Response.Reset()
		return
	}
	x.Head()
	if w.x == x {
		x.Response.Reset()
	}
}

// head passes the final head on.
func (w *call) head() {
	x, c := w.x, w.c
	w.giveUp()
	w.answered(w.peer, x.Response.Status)
	w.expecting, w.answering, w.keeping = false, true, false
	if x.Response.Status == http.StatusSwitchingProtocols {
		if err := w.accepted(); err != nil {
			w.answering = false
			w.invalid(err)
			return
		}
		w.tunnel, w.contentEnded = true, false
		w.sh.tunnels[w] = struct{}{}
	}
	c.arm()
	w.stick()
	x.Head()
	if w.x == x && w.tunnel {
		w.demand(window)
	}
}

// data passes content of the answer on.
func (w *call) data(p []byte) {
	x, c := w.x, w.c
	w.undrained += len(p)
	x.Data(p)
	if w.x == x && w.undrained >= w.sh.p.window && !c.paused {
		c.paused = true
		c.wants()
	}
}

// finished ends the Exchange, as its answer is whole. clean says that nothing came
// behind it.
func (w *call) finished(clean bool) {
	c, x := w.c, w.x
	reuse := clean && w.contentEnded && !w.tunnel && len(c.out) == 0 && !c.eof && !c.dead && c.codec.reusable()
	w.c, c.call = nil, nil
	w.leave()
	x.End()
	if reuse {
		c.used = true
		c.pool.put(c)
	} else {
		c.close(false)
	}
}

// leave lets go of everything and frees the call. A connection that is being made
// for it goes on, and to the pool.
func (w *call) leave() {
	w.x = nil
	w.giveUp()
	w.release()
	if w.file != nil {
		w.file.Close()
	}
	delete(w.sh.tunnels, w)
	w.sh.l.StopTimer(&w.timer)
	w.sh.free(w)
}

// release lets go of the peer and of the connection.
func (w *call) release() {
	if w.queued {
		w.peer.pools[w.sh.index].leave(w)
	}
	if c := w.c; c != nil {
		w.c, c.call = nil, nil
		if c.state != connecting {
			c.close(false)
		}
	}
	if p := w.peer; p != nil {
		p.active.Add(-1)
		if w.trial {
			p.trying.Store(false)
		}
		w.peer, w.trial = nil, false
	}
}

// fail ends the Exchange with an error.
func (w *call) fail(err error) {
	x := w.x
	w.sh.p.tell(w, err)
	w.leave()
	if h, is := x.Client.(*hedge); is {
		h.failed(err)
		return
	}
	x.Fail(err)
}
