package websocket

import (
	"errors"
	"strings"
	"testing"
	"time"

	"rickhouse/internal/exchange"
	"rickhouse/internal/loop"
	wire "rickhouse/internal/wire/websocket"
)

func TestAccept(t *testing.T) {
	p := accepted(t, Config{}, true)
	p.wants("head", p.head, "101\nUpgrade: websocket\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\nSec-WebSocket-Protocol: b\n"+
		"Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover\nSet-Cookie: a=b")
	p = accepted(t, Config{NoCompression: true}, true)
	if strings.Contains(p.head, "Extensions") {
		t.Errorf("compression is off, and answered: %q", p.head)
	}
	p.send(frame(0xc1, "a"), 10)
	p.wants("told", p.told(), "closed 1002 a frame has a reserved bit")
}

// noTimers is an Executor that is no Loop.
type noTimers struct{ exchange.Executor }

func TestAcceptRefuses(t *testing.T) {
	a, _ := New(Config{})
	l := &fakeLoop{timers: map[*loop.Timer]int64{}}
	p := &peer{t: t, l: l}
	for name, c := range map[string]struct {
		executor    exchange.Executor
		subprotocol string
	}{"a subprotocol nobody offered": {l, "c"}, "an executor without timers": {noTimers{l}, ""}} {
		x := &exchange.Exchange{Executor: c.executor, Client: p}
		_, err := a.Accept(x, &wire.Handshake{Subprotocols: []string{"a", "b"}}, p, c.subprotocol, nil)
		if err == nil || exchange.AsError(err).Status != 500 || p.head != "" || x.Server != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRefuse(t *testing.T) {
	for status, want := range map[int]string{
		426: "426\nUpgrade: websocket\nSec-WebSocket-Version: 13\nContent-Type: text/plain; charset=utf-8",
		400: "400\nContent-Type: text/plain; charset=utf-8",
	} {
		p := &peer{t: t}
		x := &exchange.Exchange{Client: p}
		Refuse(x, &exchange.Error{Status: status, Reason: "r"})
		p.wants("head", p.head, want)
		p.wants("end", p.end, "end")
		if x.Stats.Err == nil {
			t.Error("the log is told nothing")
		}
	}
}

func TestConfig(t *testing.T) {
	if _, err := New(Config{MaxSize: -1, PingInterval: -1, PingTimeout: -1, CloseTimeout: -1}); err == nil || strings.Count(err.Error(), "less than 0") != 4 {
		t.Error(err)
	}
}

func TestSend(t *testing.T) {
	long := strings.Repeat("abcdefgh", 100)
	for name, c := range map[string]struct {
		deflate bool
		do      func(c *Conn)
		want    string
	}{
		"a message":            {false, func(c *Conn) { c.Send([]byte("a"), true, true) }, "text a."},
		"an empty message":     {false, func(c *Conn) { c.Send(nil, false, true) }, "binary ."},
		"pieces":               {false, func(c *Conn) { send(c, "a", false); send(c, "", false); send(c, "b", false); send(c, "c", true) }, "binary a, continuation b, continuation c."},
		"an empty last piece":  {false, func(c *Conn) { send(c, "a", false); send(c, "", true) }, "binary a, continuation ."},
		"long, not compressed": {false, func(c *Conn) { send(c, long, true) }, "binary 800×a."},
		"short":                {true, func(c *Conn) { send(c, long[:minSqueezed-1], true) }, "binary 511×a."},
		"does not get smaller": {true, func(c *Conn) { send(c, noise(600), true) }, "binary " + short(noise(600)) + "."},
		"after Close":          {false, func(c *Conn) { c.Close(1000, ""); send(c, "a", true); c.Close(1001, "") }, "close 1000 "},
		"no code":              {false, func(c *Conn) { c.Close(wire.CodeNoStatus, "") }, "close 1005 "},
	} {
		p := accepted(t, Config{}, c.deflate)
		c.do(p.c)
		p.settle()
		p.wants(name, p.sent(), c.want)
	}
	for _, pieces := range []int{1, 3} {
		p := accepted(t, Config{}, true)
		for i := range pieces {
			send(p.c, long, i == pieces-1)
		}
		h, _, _ := wire.ParseHeader(p.out)
		if !h.Compressed || len(p.out) > 150 {
			t.Errorf("%d octets, compressed %v", len(p.out), h.Compressed)
		}
		var text []byte
		for z := (&wire.Inflater{}); len(p.out) > 0; {
			h, n, _ := wire.ParseHeader(p.out)
			body := p.out[n:][:h.Length]
			if p.out = p.out[n+int(h.Length):]; len(p.out) == 0 {
				body = append(body, wire.Tail()...)
			}
			if _, err := z.Write(body); err != nil {
				t.Fatal(err)
			}
			text = append(text, z.Take(z.Pending())...)
		}
		if string(text) != strings.Repeat(long, pieces) {
			t.Errorf("%d pieces: got %d octets", pieces, len(text))
		}
	}
}

func send(c *Conn, p string, last bool) { c.Send([]byte(p), false, last) }

// noise is text that cannot be compressed.
func noise(n int) string {
	b := make([]byte, n)
	for i, x := 0, uint32(1); i < n; i++ {
		x = x*1664525 + 1013904223
		b[i] = byte(x >> 24)
	}
	return string(b)
}

func TestDrained(t *testing.T) {
	for _, deflate := range []bool{false, true} {
		p := accepted(t, Config{}, deflate)
		p.hold = true
		for range 10 {
			send(p.c, strings.Repeat("a", 1000), false)
		}
		send(p.c, "", false)
		send(p.c, "", true)
		want := 10*(1000+Overhead) + 2*Overhead
		p.settle()
		p.wants("drained early", "", strings.Repeat("x", p.drained))
		for p.kept > 0 {
			k := min(p.kept, 7)
			p.kept -= k
			p.x.Server.Drained(p.x, k)
			if p.drained > want || p.kept > 0 && p.drained == want {
				t.Fatalf("drained %d of %d with %d to go", p.drained, want, p.kept)
			}
		}
		if p.drained != want {
			t.Errorf("drained %d, want %d", p.drained, want)
		}
	}
	// What sends nothing is drained as well.
	p := accepted(t, Config{}, false)
	send(p.c, "", false)
	p.settle()
	if p.drained != Overhead {
		t.Errorf("drained %d", p.drained)
	}
}

// While the client takes nothing a flood of pings costs one pong.
func TestPingFlood(t *testing.T) {
	p := accepted(t, Config{}, false)
	p.hold = true
	flood := strings.Repeat(frame(0x89, strings.Repeat("p", 125)), 500) + frame(0x89, "last")
	for range 20 {
		p.send(flood, 64<<10)
	}
	if len(p.out) > pongRoom+wire.MaxControl+2 {
		t.Errorf("%d octets wait", len(p.out))
	}
	p.hold = false
	p.settle()
	if got := p.sent(); !strings.HasSuffix(got, "pong 125×p, pong last") {
		t.Errorf("sent …%s", got[max(0, len(got)-60):])
	}
}

func TestPing(t *testing.T) {
	cfg := Config{PingInterval: 20 * time.Second, PingTimeout: 10 * time.Second}
	p := accepted(t, cfg, false)
	p.l.pass(19 * time.Second)
	p.wants("early", p.sent(), "")
	p.l.pass(time.Second)
	p.settle()
	p.wants("silent", p.sent(), "ping ")
	p.l.pass(9 * time.Second)
	p.send(frame(0x8a, ""), 1)
	p.l.pass(19 * time.Second)
	p.wants("answered", p.told()+p.sent(), "")
	p.send(frame(0x81, "a"), 100)
	p.l.pass(19 * time.Second)
	p.wants("any octet is a sign of life", p.told()+p.sent(), "text a.")
	p.l.pass(2 * time.Second)
	p.settle()
	p.wants("silent again", p.sent(), "ping ")
	p.l.pass(10 * time.Second)
	p.wants("told", p.told(), "closed 1011 keepalive ping timeout")
	p.wants("sent", p.sent(), "close 1011 keepalive ping timeout")
	p.wants("end", p.end, "end")
	if len(p.l.timers) != 0 {
		t.Error("a timer is left")
	}
}

// A ping that has not left the server asks nobody.
func TestPingBehindData(t *testing.T) {
	p := accepted(t, Config{}, false)
	p.hold = true
	send(p.c, strings.Repeat("a", 100000), true)
	p.l.pass(5 * time.Minute)
	p.wants("told", p.told(), "")
	p.kept -= 100
	p.x.Server.Drained(p.x, 100)
	p.l.pass(5 * time.Minute)
	p.wants("told", p.told(), "")
	p.hold = false
	p.settle()
	p.l.pass(41 * time.Second)
	p.wants("told", p.told(), "closed 1011 keepalive ping timeout")
}

func TestClosing(t *testing.T) {
	for name, c := range map[string]struct {
		do        func(p *peer)
		told, end string
	}{
		"answered":       {func(p *peer) { p.send(frame(0x88, "\x0f\xa0"), 100) }, "closed 4000 ", "end"},
		"with no code":   {func(p *peer) { p.send(frame(0x88, ""), 100) }, "closed 1005 ", "end"},
		"after messages": {func(p *peer) { p.send(frame(0x81, "lost")+frame(0x02, "lost")+frame(0x88, "\x0f\xa0"), 3) }, "closed 4000 ", "end"},
		"after pings":    {func(p *peer) { p.send(frame(0x89, "a")+frame(0x88, "\x0f\xa0"), 3) }, "closed 4000 ", "end"},
		"never":          {func(p *peer) { p.l.pass(10 * time.Second) }, "closed 1006 ", "abort: " + errCloseTimeout.Error()},
		"by a fault":     {func(p *peer) { p.send("\x81\x00", 100) }, "closed 1002 a frame is not masked", "end"},
		"by FIN":         {func(p *peer) { p.x.Server.ContentEnd(p.x, nil) }, "closed 1006 ", "end"},
		"by RST":         {func(p *peer) { p.x.Server.Gone(p.x, errors.New("reset")) }, "closed 1006 ", "abort: reset"},
		"by Abort":       {func(p *peer) { p.c.Abort(errors.New("enough")) }, "", "abort: enough"},
	} {
		for _, state := range []string{"open", "in a message", "in a compressed message", "paused", "paused in a compressed message"} {
			p := accepted(t, Config{}, true)
			big := strings.Repeat("x", 100<<10)
			switch state {
			case "in a message":
				p.send(frame(0x01, "part"), 100)
			case "in a compressed message":
				p.send(frame(0x41, squeeze("part")), 100)
			case "paused":
				p.c.in.credit = 1
				p.send(frame(0x81, "a")+frame(0x82, big[:20000]), 100000)
			case "paused in a compressed message":
				p.c.in.credit = 1
				p.send(frame(0xc1, squeeze(big)), 100000)
			}
			if strings.HasPrefix(state, "paused") && !p.c.in.paused {
				t.Fatalf("%s: not paused", state)
			}
			p.told()
			p.c.Close(1001, "going away")
			p.settle()
			p.wants(state+" sent", p.sent(), "close 1001 going away")
			if state == "in a message" {
				p.send(frame(0x80, "rest"), 100)
			}
			if state == "in a compressed message" {
				p.send(frame(0x80, squeeze("rest")), 100)
			}
			c.do(p)
			p.settle()
			if name == "after messages" && strings.HasPrefix(state, "in ") {
				continue
			}
			p.wants(name+", "+state+": told", p.told(), c.told)
			p.wants(name+", "+state+": end", p.end, c.end)
			p.wants("sent", p.sent(), "")
			if len(p.l.timers) != 0 || p.c.in.inflater != nil || p.c.in.held != nil || p.c.in.rest != nil {
				t.Errorf("%s, %s: something is left", name, state)
			}
			p.c.Send([]byte("late"), true, true)
			p.c.Close(1000, "")
			p.c.Demand(1)
			p.c.Abort(errors.New("late"))
			p.settle()
			p.wants("late", p.told()+p.sent(), "")
		}
	}
}

func TestVanishes(t *testing.T) {
	p := accepted(t, Config{}, false)
	p.x.Server.ContentEnd(p.x, nil)
	p.wants("FIN", p.told(), "closed 1006 ")
	p.wants("FIN", p.end, "end")
	if p.x.Stats.Err == nil {
		t.Error("the log is told nothing")
	}
	p = accepted(t, Config{}, false)
	p.x.Server.Gone(p.x, exchange.ErrShutdown)
	p.wants("shutdown", p.told(), "closed 1006 ")
	p.wants("shutdown", p.end, "abort: "+exchange.ErrShutdown.Error())
}
