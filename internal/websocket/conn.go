package websocket

import (
	"errors"

	"rickhouse/internal/exchange"
	"rickhouse/internal/loop"
	wire "rickhouse/internal/wire/websocket"
)

const (
	// Overhead is what a piece of a message counts besides its octets.
	Overhead = 16
	// maxPiece is the most octets a piece may have.
	maxPiece = 64 << 10
	// rawWindow is how many octets of the tunnel may come, or wait here.
	rawWindow = 64 << 10
)

// Ways for a WebSocket to end that logs are told of.
var (
	errCloseTimeout = errors.New("the client did not answer the close of its WebSocket (websocket_close_timeout)")
	errNoClose      = errors.New("the client ended the connection without closing its WebSocket")
)

type state uint8

const (
	open    state = iota
	closing       // our Close is out, the client's is not in
	over          // the Exchange is the front's again
)

// Conn is one WebSocket. See the package comment for who may call it, and when.
type Conn struct {
	a     *Acceptor
	x     *exchange.Exchange
	o     Owner
	l     Loop
	timer loop.Timer
	in    inbound
	out   outbound
	state state

	heard    int64 // when the client last sent anything
	pinged   bool  // a ping is out that nothing has answered
	pingLeft int64 // octets to leave before that ping has left; 0 when it has
	pingAt   int64 // when it left
}

var _ exchange.Server = (*Conn)(nil)

// Close begins the closing handshake; messages of the client are thrown away
// from then on. CodeNoStatus sends no code; a code that may not be sent is
// replaced by 1011, a reason above 123 octets is cut.
func (c *Conn) Close(code int, reason string) {
	if c.state != open {
		return
	}
	c.sendClose(code, reason)
	c.state = closing
	c.setTimer(c.l.Now() + int64(c.a.cfg.CloseTimeout))
	c.resume()
}

// Abort cuts the connection at once, without a Close frame. Closed is not
// called.
func (c *Conn) Abort(cause error) {
	if x := c.end(); x != nil {
		x.Abort(cause)
	}
}

// fail ends a WebSocket whose client did wrong: what it still sends is not
// looked at (RFC 6455 §7.1.7).
func (c *Conn) fail(err *wire.ProtocolError) {
	if c.state == open {
		c.sendClose(err.Code, err.Reason)
	}
	c.finish(err.Code, err.Reason, err)
}

// finish ends the Exchange and tells the owner.
func (c *Conn) finish(code int, reason string, cause error) {
	x := c.end()
	if x == nil {
		return
	}
	if x.Stats.Err == nil {
		x.Stats.Err = cause
	}
	x.End()
	c.o.Closed(code, reason)
}

// end leaves everything and returns the Exchange to finish, or nil if that has
// happened.
func (c *Conn) end() *exchange.Exchange {
	if c.state == over {
		return nil
	}
	c.state = over
	c.l.StopTimer(&c.timer)
	x := c.x
	c.x = nil
	c.in.held, c.in.rest, c.out.pong = nil, nil, nil
	c.release()
	return x
}

// ContentEnd implements exchange.Server: the client has sent FIN.
func (c *Conn) ContentEnd(_ *exchange.Exchange, err error) {
	if err == nil {
		err = errNoClose
	}
	c.finish(wire.CodeAbnormal, "", err)
}

// Gone implements exchange.Server.
func (c *Conn) Gone(_ *exchange.Exchange, cause error) {
	if x := c.end(); x != nil {
		x.Abort(cause)
		c.o.Closed(wire.CodeAbnormal, "")
	}
}

// alarm is a Conn as the task of its timer.
type alarm Conn

// Run implements exchange.Task.
func (a *alarm) Run() { (*Conn)(a).timedOut() }

func (c *Conn) setTimer(at int64) { c.l.SetTimer(&c.timer, at) }

// timedOut is called by the timer. What is heard does not move the timer, which
// would cost more than to look again when it comes.
func (c *Conn) timedOut() {
	now := c.l.Now()
	interval, timeout := int64(c.a.cfg.PingInterval), int64(c.a.cfg.PingTimeout)
	switch {
	case c.state == over:
	case c.state == closing:
		if x := c.end(); x != nil {
			x.Abort(errCloseTimeout)
			c.o.Closed(wire.CodeAbnormal, "")
		}
	case c.in.paused:
		// Its answer may be among the octets that the owner does not take.
		c.heard, c.pinged = now, false
		c.setTimer(now + interval)
	case c.pinged && c.pingLeft > 0:
		c.setTimer(now + timeout)
	case c.pinged && now >= c.pingAt+timeout:
		c.fail(&wire.ProtocolError{Code: wire.CodeInternal, Reason: "keepalive ping timeout"})
	case c.pinged:
		c.setTimer(c.pingAt + timeout)
	case now >= c.heard+interval:
		c.ping(now)
		c.setTimer(now + timeout)
	default:
		c.setTimer(c.heard + interval)
	}
}

// ping asks the client for a sign of life.
func (c *Conn) ping(now int64) {
	c.control(wire.Ping, nil)
	c.pinged, c.pingAt, c.pingLeft = true, now, c.out.unsent
}
