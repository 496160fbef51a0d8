package websocket

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"rickhouse/internal/exchange"
	"rickhouse/internal/loop"
	wire "rickhouse/internal/wire/websocket"
)

// Owner is who a WebSocket is for. See the package comment for who calls it,
// and when.
type Owner interface {
	// Message delivers a piece of a message, at most 64 KiB, in order; last ends
	// the message. A text message is UTF-8 as a whole, a piece may end within a
	// character. p is valid during the call only, and must not be changed: what
	// was compressed may refer to it. It is empty only in the last piece.
	Message(p []byte, text, last bool)
	// Drained says that of what Send was given n octets, Overhead for each call
	// included, have left. Where compression makes it inexact it errs in
	// between, not in the sum.
	Drained(n int)
	// Closed says that the WebSocket is over. Nothing follows.
	Closed(code int, reason string)
}

// Loop is what a Conn needs of an Executor; *loop.Loop is one.
type Loop interface {
	exchange.Executor
	SetTimer(t *loop.Timer, at int64)
	StopTimer(t *loop.Timer)
}

// Acceptor accepts WebSockets. It is safe for concurrent use.
type Acceptor struct {
	cfg       Config
	deflaters sync.Pool // of *wire.Deflater
	inflaters sync.Pool // of *wire.Inflater
	buffers   sync.Pool // of *[]byte: compressed messages
}

// New makes an Acceptor, or says what is wrong with cfg.
func New(cfg Config) (*Acceptor, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	a := &Acceptor{cfg: cfg.WithDefaults()}
	a.deflaters.New = func() any { return &wire.Deflater{} }
	a.inflaters.New = func() any { return &wire.Inflater{} }
	a.buffers.New = func() any { return new([]byte) }
	return a, nil
}

// Refuse answers a handshake with the error of wire/websocket.ParseHandshake and
// finishes the Exchange.
func Refuse(x *exchange.Exchange, err error) {
	e := exchange.AsError(err)
	if e.Status != http.StatusUpgradeRequired {
		x.Fail(err)
		return
	}
	x.Stats.Err = err
	x.Response.Reset()
	x.Response.Add("Upgrade", "websocket")
	x.Response.Add("Sec-WebSocket-Version", wire.Version)
	x.Refuse(e.Status)
}

// Accept answers x, whose handshake h is, with 101. subprotocol is one that the
// client offers, or empty. fields are sent along, but for those that are the
// handshake's own (Sec-WebSocket-*, Upgrade, Connection). If there is an error,
// which is an *exchange.Error, nothing was sent and x is still the caller's.
func (a *Acceptor) Accept(x *exchange.Exchange, h *wire.Handshake, o Owner, subprotocol string, fields []exchange.Field) (*Conn, error) {
	l, ok := x.Executor.(Loop)
	switch {
	case !ok:
		return nil, impossible("this protocol has no WebSockets: its executor has no timers")
	case subprotocol != "" && !h.Offers(subprotocol):
		return nil, impossible("the application chose the subprotocol %.60q, which the client does not offer", subprotocol)
	}
	c := &Conn{a: a, x: x, o: o, l: l, heard: l.Now()}
	if h.Deflate.On && !a.cfg.NoCompression {
		c.out.deflate = h.Deflate
		c.in.reader.Deflate = true
	}
	a.answer(x, h, c, subprotocol, fields)
	c.timer.Task = (*alarm)(c)
	c.setTimer(c.heard + int64(a.cfg.PingInterval))
	x.Server = c
	x.Demand(rawWindow)
	return c, nil
}

func (a *Acceptor) answer(x *exchange.Exchange, h *wire.Handshake, c *Conn, subprotocol string, fields []exchange.Field) {
	r := &x.Response
	r.Reset()
	r.Status = http.StatusSwitchingProtocols
	if h.Accept != "" {
		r.Add("Upgrade", "websocket")
		r.Add("Sec-WebSocket-Accept", h.Accept)
	}
	if subprotocol != "" {
		r.Add("Sec-WebSocket-Protocol", subprotocol)
	}
	if c.out.deflate.On {
		r.Add("Sec-WebSocket-Extensions", h.Deflate.Response())
	}
	for _, f := range fields {
		name := strings.ToLower(string(bytes.TrimSpace(f.Name)))
		if name != "upgrade" && name != "connection" && !strings.HasPrefix(name, "sec-websocket-") {
			r.Fields = append(r.Fields, f)
		}
	}
	x.Head()
	clear(r.Fields) // a WebSocket may be there for days
	r.Fields = r.Fields[:0]
}

func impossible(format string, args ...any) error {
	return &exchange.Error{Status: http.StatusInternalServerError, Reason: "WebSocket: " + fmt.Sprintf(format, args...)}
}
