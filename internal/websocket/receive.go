package websocket

import (
	"math"

	"rickhouse/internal/exchange"
	wire "rickhouse/internal/wire/websocket"
)

// inbound is what a Conn knows of what it receives.
type inbound struct {
	reader wire.Reader
	text   wire.UTF8 // of the message
	size   int64     // octets of the message
	credit int64     // what the owner takes

	inFrame  bool // a header was read, and not all of its payload
	busy     bool // octets are being looked at
	paused   bool // nothing is looked at until the owner takes more
	resuming bool // resumed will be called

	held     []byte // came while paused
	inflater *wire.Inflater
	rest     []byte // compressed octets that were read and not decompressed
	ended    bool   // nothing follows rest in the message
	tailed   bool   // and its tail has been decompressed

	payload [wire.MaxControl]byte // of a control frame
	part    uint8                 // octets in payload
}

// reading is a walk over octets. Payload of a message is gathered in
// p[from:to], where it came, so that many small frames make one piece.
type reading struct {
	p        []byte
	at       int
	from, to int
}

// add gathers the payload q, which ends at at.
func (r *reading) add(q []byte) {
	if r.from == r.to {
		r.from = r.at - len(q)
		r.to = r.from
	}
	r.to += copy(r.p[r.to:], q)
}

func (r *reading) gathered() int { return r.to - r.from }

// Demand lets n more octets of messages come.
func (c *Conn) Demand(n int) {
	if c.state != open || n <= 0 {
		return
	}
	c.in.credit += int64(n)
	c.resume()
}

// resume has what is held looked at.
func (c *Conn) resume() {
	if c.in.paused && !c.in.resuming {
		c.in.resuming = true
		c.l.Post((*resumed)(c))
	}
}

// resumed is a Conn as the task that goes on with what is held.
type resumed Conn

// Run implements exchange.Task.
func (r *resumed) Run() {
	c := (*Conn)(r)
	in := &c.in
	in.resuming = false
	if c.state == over || !in.paused {
		return
	}
	in.paused = false
	c.heard = c.l.Now()
	in.held = c.receive(in.held)
}

// Content implements exchange.Server.
func (c *Conn) Content(_ *exchange.Exchange, p []byte) {
	c.heard, c.pinged, c.pingLeft = c.l.Now(), false, 0
	if c.in.paused {
		c.in.held = append(c.in.held, p...)
		return
	}
	if rest := c.receive(p); len(rest) > 0 {
		c.in.held = append([]byte(nil), rest...)
	}
}

// receive looks at p and at what waits from before, lets as much come as was
// looked at, and returns what was not.
func (c *Conn) receive(p []byte) []byte {
	in := &c.in
	r := reading{p: p}
	in.busy = true
	if in.inflater != nil && c.state == open {
		in.rest = c.inflate(in.rest)
	}
	for c.state != over && !in.paused && c.step(&r) {
	}
	if c.state == open && !in.paused {
		c.flush(&r)
	}
	in.busy = false
	if c.state != open {
		c.release()
	}
	if c.state == over {
		return nil
	}
	if r.at > 0 {
		c.x.Demand(r.at)
	}
	return p[r.at:]
}

// step goes on with a frame and reports whether there may be more to do.
func (c *Conn) step(r *reading) bool {
	in := &c.in
	if !in.inFrame {
		n, ok, err := in.reader.Header(r.p[r.at:])
		if err != nil {
			c.fail(err)
			return false
		}
		if r.at += n; !ok {
			return false
		}
		in.inFrame = true
		if !in.reader.Control() && c.state == open {
			c.begin()
			return true
		}
	}
	switch {
	case in.reader.Control():
		return c.controlFrame(r)
	case c.state != open:
		return c.skip(r)
	case in.credit <= int64(r.gathered()):
		return c.outOfCredit(r)
	case in.reader.Compressed():
		return c.compressed(r)
	}
	return c.plain(r)
}

// begin looks at the head of a frame of a message.
func (c *Conn) begin() {
	in := &c.in
	if in.reader.Opcode() != wire.Continuation {
		in.size, in.text = 0, wire.UTF8{}
		in.ended, in.tailed = false, false
		if in.reader.Compressed() {
			in.inflater = c.a.inflaters.Get().(*wire.Inflater)
			in.inflater.Reset()
		}
	}
	if !in.reader.Compressed() {
		c.grow(in.reader.Left())
	}
}

// grow counts n more octets of a message and reports whether it may have them.
func (c *Conn) grow(n int64) bool {
	limit := int64(c.a.cfg.MaxSize)
	if n > limit-c.in.size {
		c.fail(&wire.ProtocolError{Code: wire.CodeTooBig, Reason: "a message is larger than " + c.a.cfg.MaxSize.String()})
		return false
	}
	c.in.size += n
	return true
}

// outOfCredit delivers what there is, and then waits for the owner.
func (c *Conn) outOfCredit(r *reading) bool {
	if r.gathered() > 0 {
		c.deliver(r, false)
		return true
	}
	c.in.paused = true
	return false
}

// plain takes payload of a message that is not compressed.
func (c *Conn) plain(r *reading) bool {
	in := &c.in
	limit := min(maxPiece, in.credit) - int64(r.gathered())
	if limit <= 0 {
		c.deliver(r, false)
		return true
	}
	q, ended := in.reader.Payload(r.p[r.at:], int(limit))
	r.at += len(q)
	if in.reader.Text() && !in.text.Check(q) {
		c.fail(notUTF8())
		return false
	}
	r.add(q)
	if !ended {
		return r.at < len(r.p)
	}
	in.inFrame = false
	if in.reader.Last() {
		if in.reader.Text() && !in.text.Whole() {
			c.fail(notUTF8())
			return false
		}
		c.deliver(r, true)
	}
	return true
}

func notUTF8() *wire.ProtocolError {
	return &wire.ProtocolError{Code: wire.CodeInvalid, Reason: "a text message is not UTF-8"}
}

// deliver gives the owner what was gathered.
func (c *Conn) deliver(r *reading, last bool) {
	p := r.p[r.from:r.to]
	r.from = r.to
	c.message(p, last)
}

func (c *Conn) message(p []byte, last bool) {
	c.in.credit -= int64(len(p)) + Overhead
	c.o.Message(p, c.in.reader.Text(), last)
}

// flush delivers what came of a message that is not whole.
func (c *Conn) flush(r *reading) {
	if r.gathered() > 0 {
		c.deliver(r, false)
	} else if c.in.inflater != nil {
		c.drain(false)
	}
}

// skip throws payload away.
func (c *Conn) skip(r *reading) bool {
	q, ended := c.in.reader.Payload(r.p[r.at:], math.MaxInt)
	r.at += len(q)
	c.in.inFrame = !ended
	return ended
}

// controlFrame gathers a control frame and does what it asks for.
func (c *Conn) controlFrame(r *reading) bool {
	in := &c.in
	q, ended := in.reader.Payload(r.p[r.at:], wire.MaxControl)
	r.at += len(q)
	in.part += uint8(copy(in.payload[in.part:], q))
	if !ended {
		return false
	}
	p := in.payload[:in.part]
	in.part, in.inFrame = 0, false
	switch in.reader.Opcode() {
	case wire.Ping:
		c.answerPing(p)
	case wire.ConnClose:
		c.peerClosed(r, p)
		return false
	}
	return true
}

// peerClosed ends the closing handshake, or answers the one the client began
// (RFC 6455 §5.5.1).
func (c *Conn) peerClosed(r *reading, p []byte) {
	code, reason, err := wire.ParseClose(p)
	if err != nil {
		c.fail(err)
		return
	}
	if c.state == open {
		c.flush(r)
	}
	if c.state == open {
		c.sendClose(code, "")
	}
	c.finish(code, reason, nil)
}
