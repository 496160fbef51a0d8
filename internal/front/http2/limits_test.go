package http2

import (
	"fmt"
	"strings"
	"testing"
	"time"

	x2 "golang.org/x/net/http2"

	"rickhouse/internal/exchange"
	"rickhouse/internal/front"
	"rickhouse/internal/testkit"
	wire "rickhouse/internal/wire/http2"
)

// Each test attacks one limit. That the server goes on serving others is part of
// it.
func (s *server) servesOn() {
	s.T.Helper()
	r := s.dial()
	r.get(1, "/after")
	if g := r.answer(1); g.fields[":status"] != "200" {
		s.T.Errorf("afterwards: got %+v", g)
	}
}

func TestStreamLimit(t *testing.T) {
	h := testkit.NewHeld()
	s := start(t, settings{own: Config{MaxStreams: 3}}, h)
	r := s.dial()
	for id := uint32(1); id <= 9; id += 2 {
		r.get(id, "/")
	}
	for _, id := range []uint32{7, 9} {
		if g := r.answer(id); !g.reset || g.code != wire.RefusedStream {
			t.Errorf("stream %d: got %+v", id, g)
		}
	}
	if n := len(h.Began); n != 3 {
		t.Errorf("%d are served", n)
	}
}

func TestHeadLimits(t *testing.T) {
	s := start(t, settings{}, hello)
	many := func(n int) (fields []string) {
		for i := range n {
			fields = append(fields, fmt.Sprintf("x-%d: 1", i))
		}
		return fields
	}
	for i, c := range []struct {
		name   string
		fields []string
		status string
	}{
		{"100 fields", simple("GET", "/", many(100)...), "200"},
		{"101 fields", simple("GET", "/", many(101)...), "431"},
		{"1000 fields", simple("GET", "/", many(1000)...), "431"},
		{"a long field", simple("GET", "/", "x: "+strings.Repeat("a", 9<<10)), "431"},
		{"a large head", simple("GET", "/", "a: "+strings.Repeat("a", 8<<10-1), "b: "+strings.Repeat("a", 8<<10-1), "c: "+strings.Repeat("a", 8<<10-1), "d: "+strings.Repeat("a", 8<<10-1)), "431"},
		{"a long path", simple("GET", "/"+strings.Repeat("a", 9<<10)), "414"},
		{"above the root", simple("GET", "/../"), "400"},
		{"an unknown expectation", simple("GET", "/", "expect: money"), "417"},
		{"no host", []string{":method: GET", ":scheme: http", ":path: /"}, "400"},
		{"another scheme", []string{":method: GET", ":scheme: ftp", ":path: /", ":authority: a"}, "400"},
	} {
		r := s.dial()
		block := r.encode(c.fields...)
		for first := true; first || len(block) > 0; first = false {
			n := min(len(block), wire.MaxFrame)
			if first {
				r.ok(r.WriteHeaders(x2.HeadersFrameParam{StreamID: 1, EndStream: true, EndHeaders: n == len(block), BlockFragment: block[:n]}))
			} else {
				r.ok(r.WriteContinuation(1, n == len(block), block[:n]))
			}
			block = block[n:]
		}
		if g := r.answer(1); g.fields[":status"] != c.status || g.reset {
			t.Errorf("%s: got %+v, want %s", c.name, g, c.status)
		}
		// The table of fields is as it should be.
		r.get(3, "/more")
		if g := r.answer(3); string(g.body) != "hello /more" {
			t.Errorf("after %s: got %+v", c.name, g)
		}
		if o := s.Seen(2 * (i + 1))[2*i]; fmt.Sprint(o.Status) != c.status || (o.Err == nil) != (c.status == "200") {
			t.Errorf("%s: observed %+v", c.name, o)
		}
	}
}

// A head of one octet a field: each refers to a large entry of the table.
func TestHPACKBomb(t *testing.T) {
	s := start(t, settings{}, hello)
	r := s.dial()
	first := r.encode(simple("GET", "/", "bomb: "+strings.Repeat("a", 3000))...)
	r.ok(r.WriteHeaders(x2.HeadersFrameParam{StreamID: 1, EndStream: true, EndHeaders: true, BlockFragment: first}))
	r.answer(1)
	block := append(r.encode(simple("GET", "/")...), []byte(strings.Repeat("\xbe", 10000))...)
	r.ok(r.WriteHeaders(x2.HeadersFrameParam{StreamID: 3, EndStream: true, EndHeaders: true, BlockFragment: block}))
	if g := r.answer(3); g.fields[":status"] != "431" {
		t.Errorf("got %+v", g)
	}
	s.Do(func() {
		for _, st := range s.door.spare {
			if n := len(st.x.Request.Fields); n > 110 {
				t.Errorf("%d fields were kept", n)
			}
		}
	})
}

func TestBlocksThatCannotBeDecoded(t *testing.T) {
	for name, block := range map[string]string{
		"an index that is none": "\xff\xff\xff\x07", "a string that does not end": "\x00\x7f\xff\xff\xff\x0f",
		"a table that is too large": "\x3f\xe1\xff\x03", "half a field": "\x40\x0a",
	} {
		s := start(t, settings{}, hello)
		r := s.dial()
		r.ok(r.WriteHeaders(x2.HeadersFrameParam{StreamID: 1, EndStream: true, EndHeaders: true, BlockFragment: []byte(block)}))
		t.Run(name, func(*testing.T) { r.goAway(wire.CompressionError) })
	}
}

func TestContinuationFlood(t *testing.T) {
	for name, piece := range map[string][]byte{"empty": nil, "small": []byte("\x00\x01a\x01b"), "large": make([]byte, wire.MaxFrame)} {
		t.Run(name, func(t *testing.T) {
			s := start(t, settings{}, hello)
			r := s.dial()
			r.ok(r.WriteHeaders(x2.HeadersFrameParam{StreamID: 1, EndStream: true, BlockFragment: r.encode(simple("GET", "/")...)}))
			for range 1000 {
				if r.WriteContinuation(1, false, piece) != nil {
					break
				}
			}
			r.goAway(wire.EnhanceYourCalm)
			s.servesOn()
		})
	}
}

// CVE-2023-44487: requests that are reset at once.
func TestRapidReset(t *testing.T) {
	h := testkit.NewHeld()
	s := start(t, settings{}, h)
	r := s.dial()
	for id := uint32(1); id < 10000; id += 2 {
		r.get(id, "/")
		if r.WriteRSTStream(id, x2.ErrCodeCancel) != nil {
			break
		}
	}
	r.goAway(wire.EnhanceYourCalm)
	if n := len(h.Began); n > 100 {
		t.Errorf("%d requests were served at a time", n)
	}
	for range len(h.Began) {
		x := <-h.Began
		testkit.Wait(t, h.Causes, "Gone")
		s.Do(func() { x.Abort(exchange.ErrClientGone) })
	}
}

// A stream that was reset takes its place as long as its Server is at it.
func TestResetStreamsCount(t *testing.T) {
	h := testkit.NewHeld()
	s := start(t, settings{own: Config{MaxStreams: 2}}, h)
	r := s.dial()
	for id := uint32(1); id <= 3; id += 2 {
		r.get(id, "/")
		r.ok(r.WriteRSTStream(id, x2.ErrCodeCancel))
	}
	r.get(5, "/")
	if g := r.answer(5); g.code != wire.RefusedStream {
		t.Errorf("got %+v", g)
	}
	x := testkit.Wait(t, h.Began, "a request")
	testkit.Wait(t, h.Causes, "Gone")
	s.Do(func() { x.Abort(exchange.ErrClientGone) })
	r.get(7, "/")
	testkit.Wait(t, h.Began, "the other request")
	y := testkit.Wait(t, h.Began, "there is room for one more")
	s.Do(func() { y.Answer(200, "") })
	if g := r.answer(7); g.fields[":status"] != "200" {
		t.Errorf("got %+v", g)
	}
}

// CVE-2025-8671: requests that the client makes the server reset.
func TestMadeYouReset(t *testing.T) {
	for name, provoke := range map[string]func(r *raw, id uint32) error{
		"an empty window update": func(r *raw, id uint32) error { return r.WriteWindowUpdate(id, 0) },
		"a window too large":     func(r *raw, id uint32) error { return r.WriteWindowUpdate(id, wire.MaxWindow) },
		"content after the end":  func(r *raw, id uint32) error { return r.WriteData(id, false, []byte("a")) },
		"a priority of a wrong size": func(r *raw, id uint32) error {
			return r.WriteRawFrame(x2.FramePriority, 0, id, []byte("abcd"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := testkit.NewHeld()
			s := start(t, settings{}, h)
			r := s.dial()
			for id := uint32(1); id < 2000; id += 2 {
				r.get(id, "/")
				if provoke(r, id) != nil {
					break
				}
			}
			r.goAway(wire.EnhanceYourCalm)
			if n := len(h.Began); n > 100 {
				t.Errorf("%d requests were served at a time", n)
			}
		})
	}
}

func TestControlFloods(t *testing.T) {
	for name, send := range map[string]func(r *raw) error{
		"PING":          func(r *raw) error { return r.WritePing(false, [8]byte{}) },
		"PING ack":      func(r *raw) error { return r.WritePing(true, [8]byte{}) },
		"SETTINGS":      func(r *raw) error { return r.WriteSettings() },
		"PRIORITY":      func(r *raw) error { return r.WritePriority(1, x2.PriorityParam{StreamDep: 3}) },
		"WINDOW_UPDATE": func(r *raw) error { return r.WriteWindowUpdate(0, 1) },
		"empty DATA":    func(r *raw) error { return r.WriteData(1, false, nil) },
		"padding":       func(r *raw) error { return r.WriteDataPadded(1, false, nil, make([]byte, 10)) },
		"unknown":       func(r *raw) error { return r.WriteRawFrame(0x42, 0, 0, nil) },
		"RST_STREAM":    func(r *raw) error { return r.WriteRSTStream(1, x2.ErrCodeCancel) },
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, settings{}, testkit.NewHeld())
			r := s.dial()
			r.open(1, false, simple("POST", "/")...)
			for range 5000 {
				if send(r) != nil {
					break
				}
			}
			r.goAway(wire.EnhanceYourCalm)
		})
	}
}

// A client that makes the server answer and does not listen is not listened to.
func TestDeafClient(t *testing.T) {
	cfg := settings{common: front.Config{MinRate: 1 << 30, MinRateGrace: 200 * time.Millisecond}, own: Config{MaxControls: 1000000}}
	s := start(t, cfg, hello)
	r := s.dial()
	var frames strings.Builder
	for range 10000 {
		frames.Write(wire.AppendPing(nil, 0, []byte("12345678")))
	}
	sent := 0
	for range 1000 {
		n, err := r.Conn.Write([]byte(frames.String()))
		if sent += n; err != nil {
			break
		}
	}
	s.Until("it is closed", func() bool { return s.open.Load() == 0 })
	if sent > 64<<20 {
		t.Errorf("%d octets were taken in", sent)
	}
}

func TestHandshakeTimeout(t *testing.T) {
	cfg := settings{common: front.Config{HeaderTimeout: 50 * time.Millisecond}}
	for name, text := range map[string]string{
		"nothing": "", "half the preface": wire.Preface[:10], "no settings": wire.Preface,
		"no acknowledgement": wire.Preface + string(wire.AppendSettings(nil)),
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, cfg, hello)
			r := s.connect()
			r.send(text)
			r.goAway(wire.SettingsTimeout)
		})
	}
}

func TestHeadTimeout(t *testing.T) {
	for name, f := range map[string]func(r *raw){
		"half a head": func(r *raw) {
			r.ok(r.WriteHeaders(x2.HeadersFrameParam{StreamID: 1, BlockFragment: r.encode(simple("GET", "/")...)}))
		},
		"half a frame":  func(r *raw) { r.send("\x00\x00\x10\x01\x05\x00\x00\x00\x01\x82") },
		"half a header": func(r *raw) { r.send("\x00\x00\x10\x01") },
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, settings{}, hello)
			r := s.dial()
			r.pinged()
			s.use(settings{common: front.Config{HeaderTimeout: 50 * time.Millisecond}})
			f(r)
			r.goAway(wire.EnhanceYourCalm)
		})
	}
}

func TestIdleTimeout(t *testing.T) {
	s := start(t, settings{}, hello)
	r := s.dial()
	r.get(1, "/")
	r.answer(1)
	s.use(settings{common: front.Config{IdleTimeout: 50 * time.Millisecond}})
	r.get(3, "/")
	r.answer(3)
	r.goAway(wire.NoError)
	_ = r.Close()
	s.Until("it is closed", func() bool { return s.open.Load() == 0 })
}

func TestSlowContent(t *testing.T) {
	s := start(t, settings{common: front.Config{MinRateGrace: 50 * time.Millisecond}}, testkit.Echo(100))
	r := s.dial()
	r.open(1, false, simple("POST", "/")...)
	r.ok(r.WriteData(1, false, []byte("a")))
	if g := r.answer(1); g.fields[":status"] != "408" {
		t.Errorf("got %+v", g)
	}
	r.get(3, "/")
	if g := r.answer(3); g.fields[":status"] != "200" {
		t.Errorf("another stream: got %+v", g)
	}
}

// TestPauses: where a route lets the client pause, that is what bounds its content.
func TestPauses(t *testing.T) {
	answer := testkit.Echo(100)
	s := start(t, settings{common: front.Config{MinRateGrace: time.Hour}}, exchange.HandlerFunc(func(x *exchange.Exchange) {
		x.Route.MaxPause = int64(50 * time.Millisecond)
		answer.Serve(x)
	}))
	r := s.dial()
	r.open(1, false, simple("POST", "/")...)
	r.ok(r.WriteData(1, false, []byte("a")))
	if g := r.answer(1); g.fields[":status"] != "408" {
		t.Errorf("got %+v", g)
	}
}

// A client that opens no window cannot hold an answer for ever: not by a stream's
// window, nor by that of the connection.
func TestStalledWindows(t *testing.T) {
	cfg := settings{common: front.Config{MinRate: 1 << 30, MinRateGrace: 50 * time.Millisecond}}
	big := handler(func(x *exchange.Exchange) { x.Answer(200, strings.Repeat("a", 100000)) })
	t.Run("stream", func(t *testing.T) {
		s := start(t, cfg, big)
		r := s.dial(x2.Setting{ID: x2.SettingInitialWindowSize, Val: 0})
		r.get(1, "/")
		if g := r.answer(1); !g.reset || g.code != wire.Cancel || len(g.body) != 0 {
			t.Errorf("got %+v", g)
		}
		if o := s.Seen(1)[0]; o.Err != front.ErrSlowReader {
			t.Errorf("observed %+v", o)
		}
	})
	t.Run("connection", func(t *testing.T) {
		s := start(t, cfg, big)
		r := s.dial(x2.Setting{ID: x2.SettingInitialWindowSize, Val: 1 << 20})
		r.deaf = true
		r.get(1, "/")
		r.ended()
		if g := r.of(1); len(g.body) != wire.InitialWindow {
			t.Errorf("got %d octets", len(g.body))
		}
		if o := s.Seen(1)[0]; o.Err != front.ErrSlowReader {
			t.Errorf("observed %+v", o)
		}
	})
}
