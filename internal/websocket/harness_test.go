package websocket

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"rickhouse/internal/exchange"
	"rickhouse/internal/loop"
	wire "rickhouse/internal/wire/websocket"
)

// fakeLoop is a Loop whose time stands still until a test moves it.
type fakeLoop struct {
	now    int64
	posted []exchange.Task
	timers map[*loop.Timer]int64
}

func (l *fakeLoop) Post(t exchange.Task)             { l.posted = append(l.posted, t) }
func (l *fakeLoop) Now() int64                       { return l.now }
func (l *fakeLoop) SetTimer(t *loop.Timer, at int64) { l.timers[t] = at }
func (l *fakeLoop) StopTimer(t *loop.Timer)          { delete(l.timers, t) }
func (l *fakeLoop) run() {
	for len(l.posted) > 0 {
		t := l.posted[0]
		l.posted = l.posted[1:]
		t.Run()
	}
}

// pass lets time pass, with the timers that come due, one after the other.
func (l *fakeLoop) pass(d time.Duration) {
	end := l.now + int64(d)
	for {
		l.run()
		var next *loop.Timer
		for t, at := range l.timers {
			if at <= end && (next == nil || at < l.timers[next]) {
				next = t
			}
		}
		if next == nil {
			break
		}
		l.now = max(l.now, l.timers[next])
		delete(l.timers, next)
		next.Task.Run()
	}
	l.now = end
}

// peer is the front and the client behind it, and the Owner on the other side.
type peer struct {
	t *testing.T
	l *fakeLoop
	x *exchange.Exchange
	c *Conn

	head   string
	out    []byte // what was sent and not looked at
	kept   int    // octets of out that the front holds, if holding
	hold   bool   // the client takes nothing
	demand int
	end    string // how the Exchange was finished

	events    []string // what the owner was told
	drained   int
	onMessage func(p []byte, text, last bool)
}

func (p *peer) Demand(_ *exchange.Exchange, n int) { p.demand += n }

func (p *peer) Head(x *exchange.Exchange) {
	p.head = fmt.Sprint(x.Response.Status)
	for _, f := range x.Response.Fields {
		p.head += fmt.Sprintf("\n%s: %s", f.Name, f.Value)
	}
	x.HeadSent = true
}

func (p *peer) Data(_ *exchange.Exchange, b []byte) {
	p.out = append(p.out, b...)
	p.kept += len(b)
}

func (p *peer) File(*exchange.Exchange, *os.File, int64, int64) { p.t.Error("a file") }
func (p *peer) End(*exchange.Exchange)                          { p.finished("end") }
func (p *peer) Abort(_ *exchange.Exchange, cause error)         { p.finished("abort: " + cause.Error()) }

func (p *peer) finished(how string) {
	if p.end != "" {
		p.t.Errorf("finished twice: %s, %s", p.end, how)
	}
	p.end = how
}

func (p *peer) Message(b []byte, text, last bool) {
	if len(b) > maxPiece || len(b) == 0 && !last {
		p.t.Errorf("a piece of %d octets, last %v", len(b), last)
	}
	if p.onMessage != nil {
		p.onMessage(b, text, last)
		return
	}
	kind, end := "binary", ""
	if text {
		kind = "text"
	}
	if last {
		end = "."
	}
	p.events = append(p.events, fmt.Sprintf("%s %s%s", kind, short(string(b)), end))
}

func (p *peer) Drained(n int) { p.drained += n }

func (p *peer) Closed(code int, reason string) {
	p.events = append(p.events, fmt.Sprintf("closed %d %s", code, reason))
}

func short(s string) string {
	if len(s) > 40 {
		return fmt.Sprintf("%d×%.1s", len(s), s)
	}
	return s
}

// accepted opens a WebSocket and lets messages come.
func accepted(t *testing.T, cfg Config, deflate bool) *peer {
	t.Helper()
	p := &peer{t: t, l: &fakeLoop{now: 1, timers: map[*loop.Timer]int64{}}}
	p.x = &exchange.Exchange{Executor: p.l, Client: p}
	p.x.Request = exchange.Request{Method: []byte("GET"), Version: exchange.HTTP11, Upgrade: []byte("websocket")}
	for name, value := range map[string]string{
		"sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==", "sec-websocket-version": "13", "sec-websocket-protocol": "a, b",
		"sec-websocket-extensions": "permessage-deflate",
	} {
		if deflate || name != "sec-websocket-extensions" {
			p.x.Request.Fields = append(p.x.Request.Fields, exchange.Field{Name: []byte(name), Value: []byte(value)})
		}
	}
	a, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	h, err := wire.ParseHandshake(&p.x.Request)
	if err != nil {
		t.Fatal(err)
	}
	fields := []exchange.Field{
		{Name: []byte("Set-Cookie"), Value: []byte("a=b")},
		{Name: []byte("sec-websocket-accept"), Value: []byte("no")},
		{Name: []byte("Upgrade"), Value: []byte("no")},
	}
	if p.c, err = a.Accept(p.x, h, p, "b", fields); err != nil {
		t.Fatal(err)
	}
	p.c.Demand(1 << 20)
	return p
}

// frame is a frame of a client.
func frame(first byte, payload string) string {
	h := wire.Header{Masked: true, Mask: [4]byte{9, 8, 7, 6}, Length: int64(len(payload))}
	b := wire.AppendHeader(nil, h)
	b[0] = first
	body := []byte(payload)
	wire.XOR(body, h.Mask, 0)
	return string(b) + string(body)
}

// send delivers octets of the client, at most step at a time and never more than
// was demanded, and lets the client take what comes.
func (p *peer) send(text string, step int) *peer {
	p.t.Helper()
	p.give(text, step)
	return p
}

// give is send that returns what was not demanded.
func (p *peer) give(text string, step int) string {
	for len(text) > 0 && p.end == "" && p.demand > 0 {
		n := min(step, len(text), p.demand)
		p.demand -= n
		p.x.Server.Content(p.x, []byte(text[:n]))
		text = text[n:]
		p.settle()
	}
	return text
}

// settle is the end of a turn.
func (p *peer) settle() {
	for n := 0; (p.kept > 0 && !p.hold || len(p.l.posted) > 0) && n < 1000; n++ {
		p.l.run()
		if k := p.kept; k > 0 && !p.hold && p.end == "" {
			p.kept = 0
			p.x.Server.Drained(p.x, k)
		} else if p.end != "" {
			p.kept = 0
		}
	}
}

// sent is what the client got since last time, frame by frame.
func (p *peer) sent() string {
	p.t.Helper()
	var all []string
	for len(p.out) > 0 {
		h, n, err := wire.ParseHeader(p.out)
		if err != nil || n == 0 || int64(len(p.out)-n) < h.Length || h.Masked {
			p.t.Fatalf("% x is no frame: %v", p.out, err)
		}
		body := string(p.out[n:][:h.Length])
		p.out = p.out[n+int(h.Length):]
		name := map[wire.Opcode]string{0: "continuation", 1: "text", 2: "binary", 8: "close", 9: "ping", 10: "pong"}[h.Opcode]
		if h.Compressed {
			name += " compressed"
		}
		switch {
		case h.Opcode == wire.ConnClose:
			code, reason, _ := wire.ParseClose([]byte(body))
			body = fmt.Sprintf("%d %s", code, reason)
		case h.Fin && !h.Opcode.Control():
			body = short(body) + "."
		default:
			body = short(body)
		}
		all = append(all, name+" "+body)
	}
	return strings.Join(all, ", ")
}

// told is what the owner was told since last time.
func (p *peer) told() string {
	all := strings.Join(p.events, ", ")
	p.events = nil
	return all
}

func (p *peer) wants(what, got, want string) {
	p.t.Helper()
	if got != want {
		p.t.Errorf("%s: %q, want %q", what, got, want)
	}
}
