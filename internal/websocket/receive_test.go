package websocket

import (
	"bytes"
	"compress/flate"
	"fmt"
	"strings"
	"testing"

	wire "rickhouse/internal/wire/websocket"
)

// squeeze compresses as a client does.
func squeeze(text string) string {
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, flate.BestCompression)
	_, _ = w.Write([]byte(text))
	_ = w.Flush()
	return strings.TrimSuffix(b.String(), string(wire.Tail()))
}

func TestReceive(t *testing.T) {
	k := strings.Repeat("k", 1000)
	z := squeeze(k)
	for name, c := range map[string]struct {
		in         string
		told, sent string
		end        string
	}{
		"a message":            {frame(0x81, "Hello"), "text Hello.", "", ""},
		"an empty message":     {frame(0x82, ""), "binary .", "", ""},
		"small fragments":      {frame(0x01, "Hel") + frame(0x00, "") + frame(0x00, "l") + frame(0x80, "o"), "text Hello.", "", ""},
		"a ping in a message":  {frame(0x02, "a") + frame(0x89, "b") + frame(0x80, "c"), "binary ac.", "pong b", ""},
		"two messages":         {frame(0x81, "a") + frame(0x82, "b"), "text a., binary b.", "", ""},
		"part of a message":    {frame(0x01, "Hel"), "text Hel", "", ""},
		"a pong":               {frame(0x8a, "x") + frame(0x81, "a"), "text a.", "", ""},
		"pings":                {strings.Repeat(frame(0x89, "x"), 3), "", "pong x, pong x, pong x", ""},
		"compressed":           {frame(0xc1, z), "text 1000×k.", "", ""},
		"compressed fragments": {frame(0x41, z[:5]) + frame(0x89, "") + frame(0x00, z[5:8]) + frame(0x80, z[8:]) + frame(0x81, k), "text 1000×k., text 1000×k.", "pong ", ""},
		"compressed nothing":   {frame(0xc2, "\x00"), "binary .", "", ""},
		"compressed, no fin":   {frame(0x41, z+"\x00\x00\xff\xff"), "text 1000×k", "", ""},
		"no context is kept":   {frame(0xc1, z) + frame(0xc1, z), "text 1000×k., text 1000×k.", "", ""},
		"a close":              {frame(0x88, "\x03\xe8bye"), "closed 1000 bye", "close 1000 ", "end"},
		"a close without code": {frame(0x88, ""), "closed 1005 ", "close 1005 ", "end"},
		"a close in a message": {frame(0x01, "a") + frame(0x88, "\x0f\xa0"), "text a, closed 4000 ", "close 4000 ", "end"},
		"after a close":        {frame(0x88, "\x03\xe8") + frame(0x81, "a"), "closed 1000 ", "close 1000 ", "end"},
		"text cut in a character": {
			frame(0x01, "a\xe2") + frame(0x80, "\x82\xac"), "text a€.", "", "",
		},
		"not UTF-8":                 {frame(0x81, "a\xff"), "closed 1007 a text message is not UTF-8", "close 1007 a text message is not UTF-8", "end"},
		"not UTF-8, before its end": {frame(0x01, "\xed\xa0"), "closed 1007 a text message is not UTF-8", "close 1007 a text message is not UTF-8", "end"},
		"ends within a character":   {frame(0x81, "\xe2\x82"), "closed 1007 a text message is not UTF-8", "close 1007 a text message is not UTF-8", "end"},
		"compressed, not UTF-8":     {frame(0xc1, squeeze("\xff")), "closed 1007 a text message is not UTF-8", "close 1007 a text message is not UTF-8", "end"},
		"binary need not be UTF-8":  {frame(0x82, "\xff"), "binary \xff.", "", ""},
		"no DEFLATE":                {frame(0xc2, "\xff\xff"), "closed 1007 compressed data is not DEFLATE", "close 1007 compressed data is not DEFLATE", "end"},
		"DEFLATE that ends early":   {frame(0xc2, z[:6]), "closed 1007 compressed data ends early", "close 1007 compressed data ends early", "end"},
		"not masked":                {"\x81\x00", "closed 1002 a frame is not masked", "close 1002 a frame is not masked", "end"},
		"continues nothing":         {frame(0x80, ""), "closed 1002 a continuation continues nothing", "close 1002 a continuation continues nothing", "end"},
		"a message, then a fault":   {frame(0x81, "a") + frame(0x83, ""), "text a., closed 1002 a frame has the reserved opcode 0x3", "close 1002 a frame has the reserved opcode 0x3", "end"},
		"a code that is none":       {frame(0x88, "\x03\xec"), "closed 1002 a close frame has the code 1004", "close 1002 a close frame has the code 1004", "end"},
		"a reason not UTF-8":        {frame(0x88, "\x03\xe8\xff"), "closed 1007 the reason of a close frame is not UTF-8", "close 1007 the reason of a close frame is not UTF-8", "end"},
	} {
		t.Run(name, func(t *testing.T) {
			p := accepted(t, Config{}, true).send(c.in, len(c.in))
			p.wants("told", p.told(), c.told)
			p.wants("sent", p.sent(), c.sent)
			p.wants("end", p.end, c.end)
			// Octet by octet the same comes, in other pieces.
			p = accepted(t, Config{}, true)
			var got strings.Builder
			open := ""
			p.onMessage = func(b []byte, text, last bool) {
				if got.WriteString(open + string(b)); last {
					got.WriteString(".")
				}
			}
			p.send(c.in, 1)
			p.wants("sent", p.sent(), c.sent)
			p.wants("end", p.end, c.end)
			if strings.Contains(c.told, "closed") != strings.Contains(p.told(), "closed") {
				t.Error("octet by octet it ends differently")
			}
		})
	}
}

func TestMaxSize(t *testing.T) {
	cfg := Config{MaxSize: 1000}
	const reason = "a message is larger than 1000B"
	z := squeeze(strings.Repeat("z", 1001))
	for name, c := range map[string]struct{ in, told string }{
		"as large as it may be":  {frame(0x82, strings.Repeat("a", 1000)), "binary 1000×a."},
		"one octet more":         {frame(0x82, strings.Repeat("a", 1001)), "closed 1009 " + reason},
		"seen by its head":       {"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x01\x02\x03\x04", "closed 1009 " + reason},
		"in fragments":           {frame(0x02, strings.Repeat("a", 500)) + frame(0x80, strings.Repeat("b", 501)), "closed 1009 " + reason},
		"compressed":             {frame(0xc2, squeeze(strings.Repeat("z", 1000))), "binary 1000×z."},
		"compressed, more":       {frame(0xc2, z), "closed 1009 " + reason},
		"each message by itself": {frame(0x82, strings.Repeat("a", 900)) + frame(0x82, strings.Repeat("b", 900)), "binary 900×a., binary 900×b."},
	} {
		p := accepted(t, cfg, true).send(c.in, len(c.in))
		p.wants(name, p.told(), c.told)
	}
}

// What a bomb becomes is never held: it comes in pieces, as it is taken.
func TestBomb(t *testing.T) {
	p := accepted(t, Config{MaxSize: 1 << 30}, true)
	total, pieces := 0, 0
	p.onMessage = func(b []byte, _, last bool) {
		total += len(b)
		pieces++
		p.c.Demand(len(b) + Overhead)
	}
	bomb := squeeze(strings.Repeat("\x00", 16<<20))
	p.send(frame(0xc2, bomb), 64<<10)
	if total != 16<<20 || pieces < total/maxPiece {
		t.Errorf("%d octets in %d pieces", total, pieces)
	}
	if len(p.c.in.held)+len(p.c.in.rest) != 0 {
		t.Error("something is held")
	}
}

func TestBackpressure(t *testing.T) {
	for _, compressed := range []bool{false, true} {
		t.Run(fmt.Sprint("compressed ", compressed), func(t *testing.T) {
			p := accepted(t, Config{}, compressed)
			p.c.in.credit = 0
			text := strings.Repeat("0123456789abcdef", 8<<10) // 128 KiB
			in := frame(0x81, text) + frame(0x82, "")
			if compressed {
				in = frame(0xc1, squeeze(text)) + frame(0x82, "")
			}
			var got []byte
			lasts, largest := 0, 0
			p.onMessage = func(b []byte, _, last bool) {
				got = append(got, b...)
				if largest = max(largest, len(b)); last {
					lasts++
				}
			}
			in = p.give(in, 10<<10)
			if len(got) > 0 {
				t.Fatalf("%d octets came without demand", len(got))
			}
			if n := len(p.c.in.held) + len(p.c.in.rest); n > rawWindow {
				t.Fatalf("%d octets wait", n)
			}
			for n := 1; lasts < 2 && n < 1000; n++ {
				p.c.Demand(1000)
				p.settle()
				in = p.give(in, 5000)
				if len(got) > 1000*n {
					t.Fatalf("%d octets came of %d", len(got), 1000*n)
				}
			}
			if string(got) != text || lasts != 2 || largest > 1000 {
				t.Errorf("%d octets, %d messages, pieces of up to %d", len(got), lasts, largest)
			}
		})
	}
}

// Empty messages count: a flood of them ends with the account.
func TestEmptyMessagesCount(t *testing.T) {
	p := accepted(t, Config{}, false)
	p.c.in.credit = 100
	messages := 0
	p.onMessage = func([]byte, bool, bool) { messages++ }
	p.send(strings.Repeat(frame(0x82, ""), 5000), 1000)
	if want := 100/Overhead + 1; messages != want {
		t.Errorf("%d messages, want %d", messages, want)
	}
	// What is behind them waits, a control frame too, but the peer is not ended for it.
	p.l.pass(10 * Config{}.WithDefaults().PingTimeout)
	p.wants("told", p.told(), "")
}

func TestFromWithinMessage(t *testing.T) {
	for name, c := range map[string]struct {
		do         func(p *peer)
		told, sent string
		end        string
	}{
		"Send":  {func(p *peer) { p.c.Send([]byte("x"), true, true) }, "", "text x., text x.", ""},
		"Close": {func(p *peer) { p.c.Close(4000, "r") }, "", "close 4000 r", ""},
		"Abort": {func(p *peer) { p.c.Abort(errNoClose) }, "", "", "abort: " + errNoClose.Error()},
	} {
		for _, first := range []byte{0x81, 0xc1} {
			body := "abc"
			if first == 0xc1 {
				body = squeeze(body)
			}
			p := accepted(t, Config{}, true)
			p.onMessage = func([]byte, bool, bool) { c.do(p) }
			p.send(frame(first, body)+frame(first, body), 1000)
			p.wants(name+" told", p.told(), c.told)
			p.wants(name+" sent", p.sent(), c.sent)
			p.wants(name+" end", p.end, c.end)
		}
	}
}
