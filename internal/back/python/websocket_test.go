package python

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"rickhouse/internal/exchange"
	"rickhouse/internal/loop"
	"rickhouse/internal/websocket"
	rfc6455 "rickhouse/internal/wire/websocket"
)

// dial makes a client that asks for a WebSocket.
func (e *env) dial(l *loop.Loop, path string, fields ...exchange.Field) *client {
	c := e.ask(l, "GET", path, nil)
	c.held = true
	c.x.Request.Upgrade = []byte("websocket")
	for name, value := range map[string]string{
		"sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==", "sec-websocket-version": "13",
	} {
		c.x.Request.Fields = append(c.x.Request.Fields, exchange.Field{Name: []byte(name), Value: []byte(value)})
	}
	c.x.Request.Fields = append(c.x.Request.Fields, fields...)
	return c
}

// say sends one frame, as a client that has what it sends read.
func (c *client) say(op rfc6455.Opcode, p []byte) {
	h := rfc6455.Header{Opcode: op, Fin: true, Masked: true, Mask: [4]byte{1, 2, 3, 4}, Length: int64(len(p))}
	frame := append(rfc6455.AppendHeader(nil, h), p...)
	rfc6455.XOR(frame[len(frame)-len(p):], h.Mask, 0)
	c.loop.Post(exchange.TaskFunc(func() {
		c.content = append(c.content, frame...)
		if c.status == 101 {
			c.feed()
		}
	}))
}

// heard is what came on the WebSocket: its messages, and how it was closed.
func (e *env) heard(c *client) (list []string) {
	e.on(c.loop, func() {
		message := ""
		for p := c.body; ; {
			h, n, err := rfc6455.ParseHeader(p)
			if err != nil {
				e.t.Fatal(err)
			}
			if n == 0 || len(p)-n < int(h.Length) {
				return
			}
			payload := p[n : n+int(h.Length)]
			p = p[n+int(h.Length):]
			switch {
			case h.Opcode == rfc6455.ConnClose:
				code, reason, _ := rfc6455.ParseClose(payload)
				list = append(list, fmt.Sprintf("close %d %s", code, reason))
			case h.Opcode.Control():
			case !h.Fin:
				message += string(payload)
			default:
				list = append(list, message+string(payload))
				message = ""
			}
		}
	})
	return list
}

// wantHeard waits until so much came on the WebSocket.
func (e *env) wantHeard(c *client, want ...string) {
	e.t.Helper()
	poll(e.t, fmt.Sprintf("%s: %d messages", c.name, len(want)), func() bool { return len(e.heard(c)) >= len(want) })
	for i, m := range e.heard(c) {
		if i >= len(want) || m != want[i] {
			e.t.Fatalf("%s: message %d is %.80q, of %d", c.name, i, m, len(want))
		}
	}
}

// wantClosed waits for the close of the server, and answers it.
func (e *env) wantClosed(c *client, want ...string) {
	e.t.Helper()
	e.wantHeard(c, want...)
	c.say(rfc6455.ConnClose, []byte{3, 232})
	c.wait()
}

func TestWebSocket(t *testing.T) {
	both(t, func(t *testing.T, on func(*env) *loop.Loop) {
		e := start(t, asgi(Config{}))
		c := e.dial(on(e), "/ws/echo").serve(e.app)
		large := strings.Repeat("large ", 100<<10)
		var want []string
		for i := range 200 {
			want = append(want, strings.Repeat("x", i))
		}
		want = append(want, large)
		e.until("it is open", func() bool { return e.app.members[0].calm.n == 1 })
		for _, m := range want {
			c.say(rfc6455.Text, []byte(m))
		}
		e.wantHeard(c, want...)
		if c.status != 101 || !strings.Contains(c.fields, "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=") || !strings.Contains(c.fields, "x-one: two") {
			t.Errorf("answered %d, %s", c.status, c.fields)
		}
		c.say(rfc6455.ConnClose, append([]byte{3, 233}, "leaving"...))
		c.wait()
		e.wantNoted("closed 1001 leaving")
		e.until("its slot is free", func() bool { return e.app.members[0].load() == 0 })
	})
}

func TestWebSocketRefused(t *testing.T) {
	both(t, func(t *testing.T, on func(*env) *loop.Loop) {
		e := start(t, asgi(Config{RequestTimeout: patience}))
		e.dial(on(e), "/ws/refused").serve(e.app).want(403, "go away")
		bad := e.dial(on(e), "/ws/echo")
		bad.x.Request.Fields = bad.x.Request.Fields[:0]
		if bad.serve(e.app).want(426, "426 "); string(get(bad, "Sec-WebSocket-Version")) != "13" {
			t.Errorf("fields %q", bad.fields)
		}
		e.dial(on(e), "/ws/protocol/chat").serve(e.app).want(500, "500 ")
		e.wantNoted("closed 1006 ")
		late := e.dial(on(e), "/ws/hang").serve(e.app)
		e.overdue(late)
		late.want(504, "504 ")
		offered := exchange.Field{Name: []byte("sec-websocket-protocol"), Value: []byte("talk, chat")}
		c := e.dial(on(e), "/ws/protocol/chat", offered).serve(e.app)
		c.say(rfc6455.Text, []byte("bye"))
		e.wantClosed(c, "close 4001 ciao")
		if !strings.Contains(c.fields, "Sec-WebSocket-Protocol: chat") {
			t.Errorf("fields %q", c.fields)
		}
		e.wantNoted("closed 1000 ")
	})
}

// How a WebSocket ends that its client does not end.
func TestWebSocketEnds(t *testing.T) {
	for message, want := range map[string]string{
		"bye": "close 4001 ciao", "raise": "close 1011 ", "return": "close 1000 ", "die": "close 1012 ",
	} {
		t.Run(message, func(t *testing.T) {
			both(t, func(t *testing.T, on func(*env) *loop.Loop) {
				e := start(t, asgi(Config{}))
				c := e.dial(on(e), "/ws/echo").serve(e.app)
				c.say(rfc6455.Text, []byte("one"))
				c.say(rfc6455.Text, []byte(message))
				e.wantClosed(c, "one", want)
				e.ask(on(e), "GET", "/ok", nil).serve(e.app).want(200, "ok")
				e.until("its slot is free", func() bool { return e.app.members[0].load() == 0 })
			})
		})
	}
}

func TestWebSocketClientGone(t *testing.T) {
	both(t, func(t *testing.T, on func(*env) *loop.Loop) {
		e := start(t, asgi(Config{}))
		c := e.dial(on(e), "/ws/echo").serve(e.app)
		c.say(rfc6455.Text, []byte("one"))
		e.wantHeard(c, "one")
		c.gone()
		c.wait()
		e.wantNoted("closed 1006 ")
		// One that goes before it is open is no more than a request.
		early := e.dial(on(e), "/ws/hang").serve(e.app)
		early.gone()
		early.wantGone()
		e.ask(on(e), "GET", "/ok", nil).serve(e.app).want(200, "ok")
	})
}

// The death of a worker closes its WebSockets with 1012, and they can come again.
func TestManyWebSocketsAndACrash(t *testing.T) {
	both(t, func(t *testing.T, on func(*env) *loop.Loop) {
		e := start(t, asgi(Config{}))
		var all []*client
		for range 50 {
			c := e.dial(on(e), "/ws/echo").serve(e.app)
			c.say(rfc6455.Text, []byte("here"))
			all = append(all, c)
		}
		for _, c := range all {
			e.wantHeard(c, "here")
		}
		e.ask(on(e), "POST", "/die", nil).serve(e.app).want(502, "502 ")
		for _, c := range all {
			e.wantClosed(c, "here", "close 1012 ")
		}
		again := e.dial(on(e), "/ws/echo").serve(e.app)
		again.say(rfc6455.Text, []byte("again"))
		e.wantHeard(again, "again")
	})
}

// A stop closes them at once, and those that open while it lasts.
func TestWebSocketsAtTheStop(t *testing.T) {
	both(t, func(t *testing.T, on func(*env) *loop.Loop) {
		e := start(t, asgi(Config{}))
		c := e.dial(on(e), "/ws/echo").serve(e.app)
		c.say(rfc6455.Text, []byte("one"))
		e.wantHeard(c, "one")
		e.on(e.home, e.app.Drain)
		e.wantClosed(c, "one", "close 1001 ")
		late := e.dial(on(e), "/ws/echo").serve(e.app)
		e.wantClosed(late, "close 1001 ")
		e.wantLost(e.stop(patience), 0)
	})
}

// A stuck worker's WebSockets are let go at once.
func TestWebSocketsOfAStuckWorker(t *testing.T) {
	e := start(t, asgi(Config{RequestTimeout: patience, RequestGrace: 300 * time.Millisecond}))
	c := e.dial(e.home, "/ws/echo").serve(e.app)
	c.say(rfc6455.Text, []byte("one"))
	e.wantHeard(c, "one")
	stuck := e.get("/cancelled/stays")
	e.overdue(stuck)
	stuck.want(504, "504 ")
	e.wantClosed(c, "one", "close 1012 ")
}

// An application that takes no messages holds its client up, be they empty or
// not.
func TestWebSocketBackpressure(t *testing.T) {
	for _, n := range []int{0, 1000} {
		both(t, func(t *testing.T, on func(*env) *loop.Loop) {
			e := start(t, asgi(Config{}))
			c := e.dial(on(e), "/ws/deaf").serve(e.app)
			e.until("it is open", func() bool { return e.app.members[0].calm.n == 1 })
			for range (200 << 10) / (n + websocket.Overhead) {
				c.say(rfc6455.Binary, make([]byte, n))
			}
			e.on(c.loop, func() {})
			e.on(e.home, func() {
				if got := e.app.members[0].calm.first.unread; got < contentCredit-n || got > contentCredit+websocket.Overhead {
					t.Errorf("the worker was sent %d octets", got)
				}
			})
		})
	}
}

// A client that takes nothing holds the application up.
func TestWebSocketOfASlowClient(t *testing.T) {
	slow := func(e *env, on *loop.Loop, path string) *client {
		c := e.dial(on, path)
		c.slow = true
		c.serve(e.app)
		e.wantNoted("flooded")
		return c
	}
	t.Run("honest", func(t *testing.T) {
		both(t, func(t *testing.T, on func(*env) *loop.Loop) {
			e := start(t, asgi(Config{}))
			c := slow(e, on(e), "/ws/flood")
			n := (256 << 10) / websocket.Overhead
			poll(t, "all messages came", func() bool { return len(e.heard(c)) == n })
			if strings.Contains(e.log.String(), "worker ended") {
				t.Error("the worker was ended")
			}
		})
	})
	t.Run("past its window", func(t *testing.T) {
		both(t, func(t *testing.T, on func(*env) *loop.Loop) {
			e := start(t, asgi(Config{}))
			slow(e, on(e), "/ws/flood/lie")
			e.wantLogged("past the window")
		})
	})
}

// What must not come on a WebSocket ends the worker.
func TestWebSocketLies(t *testing.T) {
	for lie, reason := range map[string]string{
		"two-heads": "a second HEAD", "file": "a file out of place", "trailers": "trailers out of place",
		"credit": "a WINDOW of 1", "close": "a CLOSE out of place",
	} {
		t.Run(lie, func(t *testing.T) {
			both(t, func(t *testing.T, on func(*env) *loop.Loop) {
				e := start(t, asgi(Config{}))
				e.dial(on(e), "/ws/"+lie).serve(e.app)
				e.wantLogged(reason)
				e.ask(on(e), "GET", "/ok", nil).serve(e.app).want(200, "ok")
			})
		})
	}
}

// A WSGI application sees an Upgrade as it sees any other field.
func TestUpgradeOfWSGI(t *testing.T) {
	both(t, func(t *testing.T, on func(*env) *loop.Loop) {
		e := start(t, Config{})
		e.dial(on(e), "/ok").serve(e.app).want(200, "ok")
		if body := e.dial(on(e), "/upgrade").serve(e.app).want(500, "500 ").body; bytes.Contains(body, []byte("101")) {
			t.Errorf("answered %q", body)
		}
	})
}
