package http2

import (
	"errors"
	"io"

	"golang.org/x/net/http2/hpack"

	"rickhouse/internal/exchange"
	"rickhouse/internal/front"
	"rickhouse/internal/loop"
	wire "rickhouse/internal/wire/http2"
)

// state is where a connection is.
type state uint8

const (
	serving   state = iota
	leaving         // GOAWAY is on its way out; what comes is thrown away
	lingering       // our side is closed; what still comes is thrown away
	closed
)

// conn is one connection.
type conn struct {
	d       *Door
	o       *front.Origin
	handler exchange.Handler
	gate    *front.Gate
	s       loop.Stream
	tls     []byte
	own     *Config // those that it began with
	closed  func()
	link    front.Link[conn]
	peer    front.Peer

	state     state
	advancing bool // settle is running or will: Client methods leave the rest to it
	scheduled bool // Run will be called
	prefaced  bool // the preface has come
	settled   bool // the client's settings have come
	acked     bool // the client has taken our settings
	going     goingAway

	in       []byte // part of a frame
	block    block
	decoder  *hpack.Decoder
	adding   *front.Head // what decoded fields go to; nil for nowhere
	streams  map[uint32]*stream
	todo     []*stream // to be attended to
	doing    []*stream
	last     uint32 // the highest stream that the client has opened
	requests int
	orphans  int // streams that are reset whose Server still holds the Exchange
	recv     int64
	owed     int64 // octets consumed that the client may send again
	resets   budget
	controls budget
	cut      ring // streams that we have reset

	output
	deadlines
}

// block is a head that has come in part.
type block struct {
	stream    uint32    // 0 for none
	settings  *Settings // of when it began to come
	buf       []byte
	frames    int
	endStream bool
	err       *wire.Error
}

func (d *Door) newConn(h front.Handoff) *conn {
	c := &conn{d: d, o: h.Origin, s: h.Stream, peer: front.PeerAt(h.Remote), tls: h.TLS, own: &d.settings.own, gate: h.Gate, closed: h.Closed}
	if c.handler = h.Handler; c.handler == nil {
		c.handler = d.f.parts.Handler
	}
	c.link.Of(c)
	c.timer.Task = (*timeout)(c)
	c.streams = map[uint32]*stream{}
	c.decoder = hpack.NewDecoder(tableSize, c.add)
	c.recv = int64(c.own.Window)
	c.window, c.initial = wire.InitialWindow, wire.InitialWindow
	now := d.l.Now()
	c.resets.start(now, c.own.MaxResets)
	c.controls.start(now, c.own.MaxControls)
	c.handshakeBy = now + int64(d.settings.HeaderTimeout)
	return c
}

// tableSize is how much a client may have us remember of its fields.
const tableSize = 4096

// add is told of each decoded field.
func (c *conn) add(f hpack.HeaderField) {
	if c.adding != nil {
		c.adding.Add(f.Name, f.Value)
	}
}

// open sends our settings.
func (c *conn) open() {
	c.out = wire.AppendSettings(
		c.d.large.get(),
		uint32(wire.MaxConcurrentStreams), uint32(c.own.MaxStreams),
		uint32(wire.MaxHeaderListSize), uint32(c.d.settings.Limits.Head),
		uint32(wire.EnableConnectProtocol), 1,
		uint32(wire.NoPriorities), 1,
	)
	if more := c.recv - wire.InitialWindow; more > 0 {
		c.out = wire.AppendWindowUpdate(c.out, 0, more)
	}
}

// Readable implements loop.Handler.
func (c *conn) Readable() {
	if c.broken() {
		return
	}
	n, err := c.s.Read(c.d.scratch)
	c.d.counters.OctetsIn += uint64(n)
	if c.state == serving {
		c.advancing = true
		c.feed(c.d.scratch[:n])
		c.advancing = false
	} else if c.ignored += n; c.ignored > maxLinger {
		c.hangUp(false)
		return
	}
	switch {
	case err == nil || errors.Is(err, loop.ErrAgain):
	case errors.Is(err, io.EOF):
		// Half a connection is of no use: windows could not be opened any more.
		c.lost(exchange.ErrClientGone)
		return
	default:
		c.lost(front.ClientGone{Err: err})
		return
	}
	c.settle()
}

// received takes in octets that others have read.
func (c *conn) received(p []byte) {
	c.advancing = true
	c.feed(p)
	c.advancing = false
	c.settle()
}

// Writable implements loop.Handler.
func (c *conn) Writable() {
	if c.broken() {
		return
	}
	c.blocked, c.yielded = false, false
	c.settle()
}

// Hup implements loop.Handler.
func (c *conn) Hup(err error) {
	c.advancing = false // it may be a panic that ended settle
	c.lost(front.WhyHungUp(err))
}

// Run implements exchange.Task: it does what Client methods have left to do.
func (c *conn) Run() {
	c.scheduled = false
	if !c.broken() {
		c.settle()
	}
}

var errPanicked = errors.New("a handler panicked")

// broken finds out whether settle has panicked, for only the loop calls it, and
// ends the connection then.
func (c *conn) broken() bool {
	if !c.advancing {
		return false
	}
	c.advancing = false
	c.lost(errPanicked)
	return true
}

// list has s attended to: by settle if it runs, else at the end of this turn.
func (c *conn) list(s *stream) {
	if !s.listed {
		s.listed = true
		c.todo = append(c.todo, s)
	}
	c.touch()
}

// touch has what is left to do done.
func (c *conn) touch() {
	if !c.advancing && !c.scheduled {
		c.scheduled = true
		c.d.l.Defer(c)
	}
}

// feed takes the frames in p, and keeps what is left of the last one.
func (c *conn) feed(p []byte) {
	if c.out == nil {
		c.out = c.d.large.get()
	}
	for len(c.in) > 0 && len(p) > 0 && c.state == serving {
		n := min(c.whole(c.in)-len(c.in), len(p))
		c.in = append(c.in, p[:n]...)
		p = p[n:]
		if len(c.in) == c.whole(c.in) {
			frame := c.in
			c.in = nil
			c.frame(frame)
			c.d.small.put(frame)
		}
	}
	for len(p) > 0 && c.state == serving {
		n := c.whole(p)
		if n > len(p) {
			c.in = append(c.d.small.get(), p...)
			break
		}
		c.frame(p[:n])
		p = p[n:]
	}
	c.watchHead()
}

// whole is how many octets are needed to go on with what begins like p.
func (c *conn) whole(p []byte) int {
	switch {
	case !c.prefaced:
		return len(wire.Preface)
	case len(p) < wire.HeaderSize:
		return wire.HeaderSize
	}
	h := wire.ParseHeader(p)
	if h.Check() != nil {
		return wire.HeaderSize // what is wrong shows without the rest
	}
	return wire.HeaderSize + h.Length
}

// settle does all there is to do: Servers are told, answers go out, and the loop
// learns what c waits for.
func (c *conn) settle() {
	c.advancing = true
	for round := 0; round < rounds && c.state != closed; round++ {
		c.attend()
		c.write()
		if len(c.todo) == 0 {
			break
		}
	}
	c.advancing = false
	if c.state == closed {
		c.attendLast()
		return
	}
	if len(c.todo) > 0 {
		c.touch()
	}
	c.proceed()
	if c.state == closed {
		return
	}
	c.s.Want(c.pending() < maxPending, c.blocked || c.yielded)
	c.arm()
}

// rounds is how often settle goes round before others have their turn.
const rounds = 16

// attend tells Servers what there is to be told.
func (c *conn) attend() {
	c.todo, c.doing = c.doing[:0], c.todo
	for i, s := range c.doing {
		c.doing[i] = nil
		s.listed = false
		s.attend()
	}
}

// attendLast tells Servers that the connection is gone.
func (c *conn) attendLast() {
	c.advancing = true
	c.attend()
	c.advancing = false
}
