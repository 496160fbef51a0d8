package websocket

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"rickhouse/internal/units"
	wire "rickhouse/internal/wire/websocket"
)

// hear gives octets to a WebSocket in pieces of step, with an owner that takes
// little at a time, and returns what came of it: the messages, the pongs and the
// end. It checks what holds whatever a client sends.
func hear(t *testing.T, text string, step, credit int) string {
	const limit = 100 << 10
	p := accepted(t, Config{MaxSize: limit * units.Size(1)}, true)
	p.c.in.credit = 0
	var all, message strings.Builder
	p.onMessage = func(b []byte, text, last bool) {
		if message.Write(b); message.Len() > limit {
			t.Fatalf("a message of %d octets", message.Len())
		}
		if !last {
			return
		}
		if text && !utf8.ValidString(message.String()) {
			t.Fatalf("%q is text", message.String())
		}
		fmt.Fprintf(&all, "%v %q\n", text, message.String())
		message.Reset()
	}
	for quiet := 0; quiet < 2; {
		p.c.Demand(credit)
		p.settle()
		rest := p.give(text, step)
		if n := len(p.c.in.held) + len(p.c.in.rest); n > rawWindow {
			t.Fatalf("%d octets wait", n)
		}
		if p.c.in.credit < -Overhead {
			t.Fatalf("the account is at %d", p.c.in.credit)
		}
		if len(rest) == len(text) && !p.c.in.paused {
			quiet++
		}
		if text = rest; p.end != "" {
			break
		}
	}
	if len(p.events) > 1 || (len(p.events) == 1) != (p.end != "") {
		t.Fatalf("told %q, ended %q", p.events, p.end)
	}
	if p.end == "" {
		return all.String() + message.String() + p.sent()
	}
	// Of two faults close to each other either may be found first, and more or
	// less of the message before.
	told := p.told()
	for _, code := range []int{wire.CodeProtocolError, wire.CodeInvalid, wire.CodeTooBig} {
		if reason, ok := strings.CutPrefix(told, fmt.Sprintf("closed %d ", code)); ok && reason != "" && strings.Contains(p.sent(), reason) {
			return all.String() + "a fault"
		}
	}
	return all.String() + told + p.sent() + p.end
}

// FuzzConn: any octets give messages within bounds or one end, and the same
// however they are cut and however fast they are taken.
func FuzzConn(f *testing.F) {
	f.Add([]byte(frame(0x81, "Hello")+frame(0x01, "a")+frame(0x89, "x")+frame(0x80, "b")+frame(0x88, "\x03\xe8")), uint(3), uint(1))
	f.Add([]byte(frame(0xc1, squeeze(strings.Repeat("abc", 10000)))), uint(7), uint(1000))
	f.Add([]byte(frame(0x42, squeeze("abc"))+frame(0x80, "\x00")), uint(1), uint(20))
	f.Add([]byte("\x82\xff\x00\x00\x00\x00\x00\x01\x00\x00abcdefgh"), uint(5), uint(70000))
	f.Fuzz(func(t *testing.T, text []byte, step, credit uint) {
		whole := hear(t, string(text), 1<<20, 1<<20)
		fed := hear(t, string(text), int(step%1000)+1, int(credit%100_000)+1)
		if whole != fed {
			t.Fatalf("at once %.300q\nin pieces %.300q", whole, fed)
		}
	})
}
