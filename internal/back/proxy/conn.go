package proxy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"rickhouse/internal/exchange"
	"rickhouse/internal/loop"
)

// connState is where a connection is.
type connState uint8

const (
	connecting connState = iota // for call, if that still waits
	busy                        // call has it
	resting                     // idle, in its pool
	over                        // closed
)

// conn is one connection to a peer. It belongs to one loop for its life.
type conn struct {
	sh    *shard
	pool  *pool
	s     loop.Stream
	codec codec
	call  *call
	timer loop.Timer
	retry loop.Timer // of connect

	begun   int64 // when connecting began
	since   int64 // the last progress
	state   connState
	used    bool // it has carried a request before
	wrote   bool // octets of this request went out
	heard   bool // octets of this answer came in
	blocked bool // the kernel takes no more
	paused  bool // the client has enough of the answer
	eof     bool // the upstream has finished sending
	dead    bool // writing failed
	pending bool // Run will be called
	unasked bool // the upstream chose no protocol by ALPN

	out    []byte // to be written
	part   []byte // read, and not whole
	cancel context.CancelFunc
}

// connTimeout is a conn as the task of its timer.
type connTimeout conn

func (t *connTimeout) Run() { (*conn)(t).timedOut() }

func (p *pool) newConn(w *call) *conn {
	c := &conn{sh: w.sh, pool: p, codec: p.at.protocol.codec(), call: w}
	c.timer.Task = (*connTimeout)(c)
	w.sh.conns[c] = struct{}{}
	return c
}

// passTo makes c one of the connections of s, which is on the same loop.
func (c *conn) passTo(s *shard) {
	if c.sh != s {
		delete(c.sh.conns, c)
		c.sh = s
		s.conns[c] = struct{}{}
	}
}

// made is called when the connection is there.
func (c *conn) made() {
	c.s.Want(true, false)
	w := c.call
	if w == nil { // nobody waits for it any more
		c.state = resting
		c.pool.put(c)
		return
	}
	c.call = nil
	w.c = nil
	w.send(c)
}

// refused is called when the connection cannot be made.
func (c *conn) refused(err error) {
	if c.state != connecting {
		return
	}
	w := c.call
	c.call = nil
	c.close(false)
	if w != nil {
		w.c = nil
		w.refused(err)
	}
}

// alive reports whether an idle connection has not ended, nor brought anything.
func (c *conn) alive() bool {
	_, err := c.s.Read(c.sh.in[:1])
	return errors.Is(err, loop.ErrAgain)
}

// rest makes c idle.
func (c *conn) rest() {
	c.state = resting
	c.since = c.sh.l.Now()
	if cap(c.out) > 0 {
		c.sh.giveBuffer(c.out)
		c.out = nil
	}
	c.part = nil
	c.arm()
}

// Readable implements loop.Handler.
func (c *conn) Readable() {
	n, err := c.s.Read(c.sh.in)
	switch {
	case n > 0 && c.state == busy:
		c.since, c.heard = c.sh.l.Now(), true
		c.received(c.sh.in[:n])
	case n > 0 || c.state == resting && !errors.Is(err, loop.ErrAgain):
		c.close(false) // what nobody asked for, or the end
		return
	}
	switch {
	case err == nil || errors.Is(err, loop.ErrAgain):
	case errors.Is(err, io.EOF):
		c.ended()
	default:
		c.broken(err)
	}
}

// received takes p, which follows what is not whole yet.
func (c *conn) received(p []byte) {
	if len(c.part) > 0 {
		c.part = append(c.part, p...)
		p = c.part
	}
	n := c.read(p)
	if c.state != busy || c.call == nil {
		return
	}
	if p = p[n:]; len(c.part) > 0 {
		c.part = c.part[:copy(c.part, p)]
	} else if len(p) > 0 {
		c.part = append(c.part, p...)
	}
}

// read gives what is in p to the client, and returns how much of it that was. At the
// end of the answer the call has let go of c.
func (c *conn) read(p []byte) int {
	w, used := c.call, 0
	for c.call == w && w != nil {
		x := w.x
		e, data, n, err := c.codec.next(p[used:], &x.Response)
		used += n
		if err != nil {
			w.invalid(err)
			return used
		}
		switch e {
		case more:
			if n == 0 {
				return used
			}
		case interim:
			w.interim()
		case head:
			x.Response.Whole = x.Response.ContentLength >= 0 && int64(len(p)-used) >= x.Response.ContentLength
			w.head()
		case content:
			w.data(data)
		case note:
			c.sh.p.log.Warn("an upstream says", "upstream", w.peer.name, "text", string(bytes.TrimRight(data[:min(len(data), maxNote)], "\r\n")))
		case ended:
			w.finished(used == len(p))
			return used
		}
	}
	return used
}

// ended is called when the upstream has finished sending.
func (c *conn) ended() {
	if c.state != busy {
		c.close(false)
		return
	}
	c.eof = true
	c.wants()
	w := c.call
	switch e, err := c.codec.eof(); {
	case err != nil && c.unasked && errors.Is(err, errNoAnswer):
		w.lost(fmt.Errorf("%w, and no protocol by ALPN before: if it speaks HTTP/2 alone, write h2:// in place of https://", err))
	case err != nil:
		w.lost(err)
	case e == ended:
		w.finished(false)
	}
}

// broken is called when the connection has failed.
func (c *conn) broken(err error) {
	if c.state != busy {
		c.close(false)
		return
	}
	c.call.lost(err)
}

// Hup implements loop.Handler.
func (c *conn) Hup(err error) {
	switch {
	case c.state == connecting:
		c.refused(err)
	case c.state == busy && errors.Is(err, io.EOF) && !c.eof:
		// A Unix socket tells of its end while octets still wait for a client that is
		// slow. Hup comes again until they are read, and no more than those come.
		c.Readable()
	default:
		c.broken(err)
	}
}

// Writable implements loop.Handler.
func (c *conn) Writable() {
	if c.state == connecting {
		c.made()
		return
	}
	c.blocked = false
	c.flush()
	c.wants()
}

// wants tells the Stream which events to deliver.
func (c *conn) wants() {
	if c.state == busy || c.state == resting {
		c.s.Want(!c.paused && !c.eof, c.blocked)
	}
}

// Run implements exchange.Task: it writes what waits at the end of the turn.
func (c *conn) Run() {
	c.pending = false
	if c.state == busy && !c.blocked {
		c.flush()
		c.wants()
	}
}

// later has what waits written at the end of the turn, so that a head and its
// content leave together.
func (c *conn) later() {
	if !c.pending && !c.blocked {
		c.pending = true
		c.sh.l.Defer(c)
	}
}

// flush writes what waits.
func (c *conn) flush() {
	if len(c.out) == 0 || c.dead || c.state != busy {
		return
	}
	n, err := c.s.Write(c.out)
	c.wroteSome(n)
	c.out = c.out[:copy(c.out, c.out[n:])]
	c.outcome(err)
	if w := c.call; w != nil && len(c.out) == 0 {
		w.flushed()
	}
}

func (c *conn) wroteSome(n int) {
	if n > 0 {
		c.wrote = true
		c.since = c.sh.l.Now()
	}
}

// outcome looks at how a write went. Where it failed, the upstream may have answered
// before it closed: reading tells.
func (c *conn) outcome(err error) {
	switch {
	case err == nil:
	case errors.Is(err, loop.ErrAgain):
		c.blocked = true
		c.wants()
		c.arm()
	default:
		c.dead = true
		c.out = c.out[:0]
	}
}

// write writes the pieces now, or keeps what the kernel does not take.
func (c *conn) write(pieces [][]byte) {
	if c.dead {
		return
	}
	if len(c.out) > 0 || c.blocked {
		for _, p := range pieces {
			c.out = append(c.out, p...)
		}
		return
	}
	var n int
	var err error
	if len(pieces) == 1 {
		n, err = c.s.Write(pieces[0])
	} else {
		n, err = c.s.Writev(pieces)
	}
	c.wroteSome(n)
	for _, p := range pieces {
		k := min(n, len(p))
		n -= k
		if len(p) > k && (err == nil || errors.Is(err, loop.ErrAgain)) {
			c.keep(p[k:])
		}
	}
	c.outcome(err)
}

// keep has p written later.
func (c *conn) keep(p []byte) {
	if cap(c.out) == 0 {
		c.out = c.sh.takeBuffer()
	}
	c.out = append(c.out, p...)
}

// close ends the connection.
func (c *conn) close(reset bool) {
	if c.state == over {
		return
	}
	if c.state == resting {
		c.pool.remove(c)
	}
	c.state = over
	c.sh.l.StopTimer(&c.timer)
	c.sh.l.StopTimer(&c.retry)
	delete(c.sh.conns, c)
	if c.cancel != nil {
		c.cancel()
	}
	if c.s != nil {
		c.s.Close(reset)
	}
	if cap(c.out) > 0 {
		c.sh.giveBuffer(c.out)
		c.out = nil
	}
	c.pool.closed()
}

// deadline is when c will have waited too long, or 0.
func (c *conn) deadline() int64 {
	cfg := &c.sh.p.cfg
	switch c.state {
	case connecting:
		return c.begun + int64(cfg.ConnectTimeout)
	case resting:
		return c.since + int64(cfg.KeepaliveTimeout)
	case over:
		return 0
	}
	w := c.call
	switch {
	case w.tunnel:
		return c.since + int64(cfg.TunnelTimeout)
	case w.answering && c.paused:
		return 0 // it is the client that has to read
	case c.blocked:
		return c.since + int64(cfg.StallTimeout)
	case w.answering:
		return c.since + int64(cfg.StallTimeout)
	case w.contentEnded:
		return c.since + int64(cfg.AnswerTimeout)
	case w.expecting:
		return c.since + min(c.sh.p.expect, int64(cfg.AnswerTimeout))
	case c.dead:
		return c.since + int64(cfg.StallTimeout)
	}
	return 0 // it is the client that has to send
}

// arm has the timer come at the next deadline, or before.
func (c *conn) arm() { c.sh.l.Hasten(&c.timer, c.deadline()) }

// maxNote is how much of what an upstream says is logged, in octets.
const maxNote = 4 << 10

// expectTime is how long an upstream may take to ask for content that the client
// waits to send, in nanoseconds; one that does not know how to never will.
const expectTime = int64(time.Second)

func (c *conn) timedOut() {
	if at := c.deadline(); at == 0 || at > c.sh.l.Now() {
		c.arm()
		return
	}
	switch c.state {
	case connecting:
		c.refused(errConnectTimeout)
	case resting:
		c.close(false)
	default:
		c.call.late()
	}
}

var (
	errConnectTimeout = errors.New("no connection within connect_timeout")
	errAnswerTimeout  = errors.New("no answer within answer_timeout")
	errStalled        = errors.New("nothing came or went within stall_timeout")
	errTunnelTimeout  = errors.New("the tunnel was silent for tunnel_timeout")
)

// status is what an upstream's failure is answered with.
func status(err error) int {
	if errors.Is(err, errConnectTimeout) || errors.Is(err, errAnswerTimeout) || errors.Is(err, errStalled) || timeout(err) {
		return http.StatusGatewayTimeout
	}
	return http.StatusBadGateway
}

var _ exchange.Task = (*conn)(nil)
