package websocket

import (
	"rickhouse/internal/exchange"
	wire "rickhouse/internal/wire/websocket"
)

const (
	// minSqueezed is the fewest octets of a message worth compressing: a shorter
	// one hardly gets smaller without a context, and takes as long as a long one.
	minSqueezed = 512
	// pongRoom is how much may wait for the client before pongs are put off.
	pongRoom = 4 << 10
	// maxKept is the largest buffer that is pooled.
	maxKept = 128 << 10
)

// outbound is what a Conn knows of what it sends.
type outbound struct {
	deflate   wire.Deflate
	inMessage bool // a message has begun and not ended
	squeezed  bool // it is compressed
	ponging   bool // pong is to be sent
	pong      []byte
	unsent    int64 // octets given to the front that have not left
	owed      int64 // what the owner is to be told to have left

	head [wire.MaxHeader]byte // of the frame that is being sent
}

// Send sends a piece of a message as one frame; last ends the message. All
// pieces of a message are of one kind. p is the caller's again. An empty piece
// that is not the last sends nothing, but counts.
func (c *Conn) Send(p []byte, text, last bool) {
	if c.state != open {
		return
	}
	c.out.owed += int64(len(p)) + Overhead
	if len(p) == 0 && !last {
		if c.out.unsent == 0 {
			c.l.Post((*idler)(c))
		}
		return
	}
	o := &c.out
	h := wire.Header{Opcode: wire.Binary, Fin: last}
	switch {
	case o.inMessage:
		h.Opcode = wire.Continuation
	case text:
		h.Opcode = wire.Text
	}
	if !o.inMessage {
		o.squeezed = o.deflate.On && !(last && len(p) < minSqueezed)
		h.Compressed = o.squeezed
	}
	whole := !o.inMessage && last
	o.inMessage = !last
	if o.squeezed {
		c.sendSqueezed(p, h, whole)
	} else {
		c.frame(h, p)
	}
}

// sendSqueezed compresses p. A whole message that does not get smaller is sent
// as it is.
func (c *Conn) sendSqueezed(p []byte, h wire.Header, whole bool) {
	z := c.a.deflaters.Get().(*wire.Deflater)
	buf := c.a.buffers.Get().(*[]byte)
	out, err := z.Append((*buf)[:0], p, c.out.deflate, h.Fin)
	c.a.deflaters.Put(z)
	switch {
	case err != nil:
		c.Close(wire.CodeInternal, "")
	case whole && len(out) >= len(p):
		h.Compressed = false
		c.frame(h, p)
	default:
		c.frame(h, out)
	}
	if cap(out) <= maxKept {
		*buf = out
		c.a.buffers.Put(buf)
	}
}

// frame gives a frame to the front.
func (c *Conn) frame(h wire.Header, p []byte) {
	h.Length = int64(len(p))
	c.data(wire.AppendHeader(c.out.head[:0], h))
	c.data(p)
}

func (c *Conn) data(p []byte) {
	c.out.unsent += int64(len(p))
	c.x.Data(p)
}

// control sends a control frame.
func (c *Conn) control(o wire.Opcode, p []byte) { c.frame(wire.Header{Opcode: o, Fin: true}, p) }

func (c *Conn) sendClose(code int, reason string) {
	var frame [2 + wire.MaxControl]byte
	c.data(wire.AppendClose(frame[:0], code, reason))
}

// answerPing answers a ping. While the client takes nothing only the last ping
// is remembered (RFC 6455 §5.5.3).
func (c *Conn) answerPing(p []byte) {
	if c.state != open {
		return
	}
	if c.out.unsent < pongRoom {
		c.control(wire.Pong, p)
		return
	}
	c.out.ponging = true
	c.out.pong = append(c.out.pong[:0], p...)
}

// Drained implements exchange.Server.
func (c *Conn) Drained(_ *exchange.Exchange, n int) {
	o := &c.out
	was := o.unsent
	o.unsent = max(0, o.unsent-int64(n))
	if c.pingLeft > 0 {
		if c.pingLeft = max(0, c.pingLeft-int64(n)); c.pingLeft == 0 {
			c.pingAt = c.l.Now()
		}
	}
	if o.ponging && o.unsent < pongRoom && c.state == open {
		pong := o.pong
		o.ponging, o.pong = false, nil
		c.control(wire.Pong, pong)
	}
	told := o.owed
	if o.unsent > 0 && was > 0 {
		told = o.owed * min(int64(n), was) / was
	}
	c.tell(told)
}

func (c *Conn) tell(n int64) {
	if n > 0 && c.state != over {
		c.out.owed -= n
		c.o.Drained(int(n))
	}
}

// idler tells the owner what is owed when nothing is on its way.
type idler Conn

// Run implements exchange.Task.
func (i *idler) Run() {
	if c := (*Conn)(i); c.out.unsent == 0 {
		c.tell(c.out.owed)
	}
}
