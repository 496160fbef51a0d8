// Websocket is a server that echoes WebSocket messages: the rooms wire/websocket
// and websocket on front/http1 and front/http2, without an application. The
// tests beside it, and the Autobahn suite of test/conformance, are its clients.
package main

import (
	"flag"
	"fmt"
	"log/slog"
	"os"
	"strings"

	"rickhouse/internal/exchange"
	"rickhouse/internal/front"
	"rickhouse/internal/front/http1"
	"rickhouse/internal/front/http2"
	"rickhouse/internal/listen"
	"rickhouse/internal/loop"
	"rickhouse/internal/spool"
	"rickhouse/internal/websocket"
	wire "rickhouse/internal/wire/websocket"
)

// window is how much an echo lets come before it has left again.
const window = 256 << 10

func main() {
	bind := flag.String("b", "127.0.0.1:0", "where to listen")
	flag.Parse()
	s, err := start(*bind, websocket.Config{}, nil)
	if err == nil {
		fmt.Printf("ws://%s\n", s.ln.Addr())
		err = s.loop.Run()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// server is one loop that serves WebSockets.
type server struct {
	loop     *loop.Loop
	door     *http1.Door
	ln       *listen.Listener
	acceptor *websocket.Acceptor
	opened   func(*echo) // told, on the loop, of each WebSocket before it opens; nil for nobody
}

// start listens; the caller runs the loop.
func start(bind string, cfg websocket.Config, opened func(*echo)) (*server, error) {
	addr, err := listen.Parse(bind)
	if err != nil {
		return nil, err
	}
	s := &server{opened: opened}
	if s.acceptor, err = websocket.New(cfg); err != nil {
		return nil, err
	}
	log := slog.New(slog.DiscardHandler)
	common, err := front.NewSettings(front.Config{}, spool.Config{})
	if err != nil {
		return nil, err
	}
	own, err := http2.NewSettings(common, http2.Config{})
	if err != nil {
		return nil, err
	}
	parts := front.Parts{Handler: s, Log: log}
	var streams *http2.Door
	f := http1.New(http1.Parts{
		Parts: parts,
		HTTP2: func(_ *http1.Door, h http1.Handoff) { streams.Serve(h) },
	})
	if s.loop, err = loop.New(loop.Config{}); err != nil {
		return nil, err
	}
	if s.ln, err = listen.Listen(addr, listen.Config{}); err != nil {
		return nil, err
	}
	s.door = f.Door(s.loop, &http1.Settings{Settings: common, HTTP2: true})
	streams = http2.New(parts).Door(s.loop, own)
	return s, s.door.Serve(s.ln)
}

// Serve implements exchange.Handler. The query chooses what becomes of the
// WebSocket: refuse, or subprotocol=NAME.
func (s *server) Serve(x *exchange.Exchange) {
	query := string(x.Request.Query)
	subprotocol, chosen := strings.CutPrefix(query, "subprotocol=")
	switch {
	case !wire.Requested(&x.Request):
		x.Answer(200, "this is for WebSockets\n")
		return
	case query == "refuse":
		x.Answer(403, "no\n")
		return
	case !chosen:
		subprotocol = ""
	}
	h, err := wire.ParseHandshake(&x.Request)
	if err != nil {
		websocket.Refuse(x, err)
		return
	}
	e := &echo{}
	if s.opened != nil {
		s.opened(e)
	}
	fields := []exchange.Field{{Name: []byte("X-Echo"), Value: []byte("yes")}}
	if e.conn, err = s.acceptor.Accept(x, h, e, subprotocol, fields); err != nil {
		x.Fail(err)
		return
	}
	if !e.mute {
		e.conn.Demand(window)
	}
}

// echo sends back what comes, as fast as it is taken.
type echo struct {
	conn   *websocket.Conn
	mute   bool // take nothing
	closed func(code int, reason string)
}

// Message implements websocket.Owner.
func (e *echo) Message(p []byte, text, last bool) { e.conn.Send(p, text, last) }

// Drained implements websocket.Owner.
func (e *echo) Drained(n int) { e.conn.Demand(n) }

// Closed implements websocket.Owner.
func (e *echo) Closed(code int, reason string) {
	if e.closed != nil {
		e.closed(code, reason)
	}
}
