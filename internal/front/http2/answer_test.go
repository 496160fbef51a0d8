package http2

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	x2 "golang.org/x/net/http2"

	"rickhouse/internal/disk"
	"rickhouse/internal/exchange"
	"rickhouse/internal/front"
	"rickhouse/internal/spool"
	"rickhouse/internal/testkit"
	wire "rickhouse/internal/wire/http2"
)

func TestAnswers(t *testing.T) {
	send := func(status int, length int64, pieces ...string) func(*exchange.Exchange) {
		return func(x *exchange.Exchange) {
			x.Response.Status, x.Response.ContentLength = status, length
			x.Head()
			for _, p := range pieces {
				x.Data([]byte(p))
			}
			x.End()
		}
	}
	for _, c := range []struct {
		name, method, fields string
		serve                func(*exchange.Exchange)
		body                 string
		code                 wire.Code // of RST_STREAM, or NoError
		fails                bool
	}{
		{"length", "GET", "200/5", send(200, 5, "hel", "lo"), "hello", 0, false},
		{"no length", "GET", "200/", send(200, -1, "hel", "lo"), "hello", 0, false},
		{"empty", "GET", "200/0", send(200, 0), "", 0, false},
		{"empty, no length", "GET", "404/", send(404, -1), "", 0, false},
		{"HEAD", "HEAD", "200/5", send(200, 5, "hello"), "", 0, false},
		{"HEAD, no length", "HEAD", "200/", send(200, -1, "hello"), "", 0, false},
		{"204", "GET", "204/", send(204, 5, "hello"), "", 0, false},
		{"205", "GET", "205/0", send(205, 5, "hello"), "", 0, false},
		{"304", "GET", "304/5", send(304, 5, "hello"), "", 0, false},
		{"too short", "GET", "200/6", send(200, 6, "hello"), "hello", wire.InternalError, true},
		{"too long", "GET", "200/4", send(200, 4, "he", "llo"), "hell", 0, true},
		{"a status that is none", "GET", "500/26", send(1000, 0), "500 Internal Server Error\n", 0, true},
		{"101 unasked", "GET", "500/26", send(101, 0), "500 Internal Server Error\n", 0, true},
		{"no head", "GET", "500/26", func(x *exchange.Exchange) { x.End() }, "500 Internal Server Error\n", 0, true},
		{"two heads", "GET", "200/1", func(x *exchange.Exchange) {
			x.Response.Status, x.Response.ContentLength = 200, 1
			x.Head()
			x.Head()
			x.Data([]byte("a"))
			x.End()
		}, "a", 0, true},
		{"abort", "GET", "200/", func(x *exchange.Exchange) {
			x.Response.Status = 200
			x.Head()
			x.Data([]byte("a"))
			x.Abort(errors.New("x"))
		}, "a", wire.InternalError, true},
		{"abort before the head", "GET", "/", func(x *exchange.Exchange) { x.Abort(errors.New("x")) }, "", wire.InternalError, true},
		{"a value with a line feed", "GET", "500/26", func(x *exchange.Exchange) {
			x.Response.Status = 200
			x.Response.Add("X", "a\nb")
			x.Head()
			x.End()
		}, "500 Internal Server Error\n", 0, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := start(t, settings{}, handler(c.serve))
			r := s.dial()
			r.open(1, true, simple(c.method, "/")...)
			g := r.answer(1)
			if got := g.fields[":status"] + "/" + g.fields["content-length"]; got != c.fields || string(g.body) != c.body {
				t.Errorf("got %s and %q, want %s and %q", got, g.body, c.fields, c.body)
			}
			if g.code != c.code || g.reset != (c.code != 0) {
				t.Errorf("reset %v %v, want %v", g.reset, g.code, c.code)
			}
			if o := s.Seen(1); len(o) != 1 || (o[0].Err != nil) != c.fails || !o[0].Finished {
				t.Errorf("observed %+v", o)
			}
			s.servesOnSame(r)
		})
	}
}

// servesOnSame asks once more on a connection; any answer will do.
func (s *server) servesOnSame(r *raw) {
	s.T.Helper()
	r.get(3, "/")
	r.answer(3)
}

func TestFields(t *testing.T) {
	s := start(t, settings{}, handler(func(x *exchange.Exchange) {
		for _, f := range []string{"X-Upper: a", "Set-Cookie: a=1", "Connection: close", "Keep-Alive: 5", "Transfer-Encoding: chunked", "Upgrade: x", "Content-Length: 7", "Date: then", "Server:  me "} {
			name, value, _ := strings.Cut(f, ": ")
			x.Response.Add(name, value)
		}
		x.Response.Status, x.Response.ContentLength = 103, -1
		x.Head()
		x.Response.Status = 299
		x.Head()
		x.End()
	}))
	r := s.dial()
	r.get(1, "/")
	g := r.answer(1)
	if want := fmt.Sprint(map[string]string{":status": "299", "x-upper": "a", "set-cookie": "a=1", "date": "then", "server": "me"}); fmt.Sprint(g.fields) != want {
		t.Errorf("got %v", g.fields)
	}
	if fmt.Sprint(g.interim) != "[103]" {
		t.Errorf("got %v", g.interim)
	}
}

// What every answer of an address gets.
func TestExtraFields(t *testing.T) {
	s := start(t, settings{}, handler(func(x *exchange.Exchange) {
		if string(x.Request.Path) == "/own" {
			x.Response.Add("strict-transport-security", "own")
		}
		x.Response.Status = 103
		x.Head()
		x.Answer(200, "")
	}))
	s.Do(func() {
		s.secure = true
		s.gate.Extra = []exchange.Field{{Name: []byte("Strict-Transport-Security"), Value: []byte("max-age=1")}}
	})
	r := s.dial()
	r.get(1, "/")
	r.get(3, "/own")
	if a, b := r.answer(1).fields["strict-transport-security"], r.answer(3).fields["strict-transport-security"]; a != "max-age=1" || b != "own" {
		t.Errorf("got %q, %q", a, b)
	}
}

// A head may need several frames, and a client may want no table.
func TestLargeHead(t *testing.T) {
	s := start(t, settings{}, handler(func(x *exchange.Exchange) {
		for i := range 5 {
			x.Response.Add(fmt.Sprintf("X-%d", i), strings.Repeat("a", 9000))
		}
		x.Answer(200, "a")
	}))
	r := s.dial(x2.Setting{ID: x2.SettingHeaderTableSize, Val: 0})
	r.dec.SetAllowedMaxDynamicTableSize(0)
	r.ReadMetaHeaders = r.dec
	r.get(1, "/")
	for {
		f, err := r.ReadFrame()
		if err != nil {
			t.Fatal(err)
		}
		if h, ok := f.(*x2.MetaHeadersFrame); ok {
			if n := len(h.RegularFields()); n != 9 {
				t.Errorf("got %d fields", n)
			}
			return
		}
	}
}

func TestFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	want := bytes.Repeat([]byte("0123456789abcdef"), 20000)
	if err := os.WriteFile(path, want, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name          string
		offset, claim int64
		code          wire.Code
		cold          bool
	}{
		{"whole", 0, int64(len(want)), 0, false},
		{"part", 100000, 150000, 0, false},
		{"shorter than it was", 0, int64(len(want)) + 1, wire.InternalError, false},
		{"from the disk", 0, int64(len(want)), 0, true},
		{"shorter, from the disk", 0, int64(len(want)) + 1, wire.InternalError, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := testkit.NewHeld()
			drained := 0
			h.OnDrained = func(_ *exchange.Exchange, n int) { drained += n }
			pool := disk.NewPool()
			t.Cleanup(pool.Close)
			reads := 0
			pool.Resident = func(*os.File, int64, int64) bool {
				reads++
				return !c.cold
			}
			s := start(t, settings{}, h, func(p *front.Parts) { p.Disk = pool })
			r := s.dial()
			r.get(1, "/")
			x := testkit.Wait(t, h.Began, "a request")
			s.Do(func() {
				f, err := os.Open(path)
				if err != nil {
					t.Error(err)
				}
				x.Response.Status = 200
				x.Head()
				x.Data([]byte("before "))
				x.File(f, c.offset, c.claim)
				x.Data([]byte(" after"))
			})
			if c.code == 0 {
				s.Until("all is drained", func() bool {
					r.pinged()
					n := 0
					s.Do(func() { n = drained })
					return n == 13+exchange.FileCost
				})
				s.Do(func() { x.End() })
			} else {
				g := r.answer(1)
				testkit.Wait(t, h.Causes, "Gone")
				s.Do(func() { x.Abort(nil) })
				if g.code != c.code {
					t.Errorf("got %v", g.code)
				}
				return
			}
			if g := r.answer(1); string(g.body) != "before "+string(want[c.offset:c.offset+c.claim])+" after" {
				t.Errorf("got %d octets, %v", len(g.body), g.code)
			}
			if s.Do(func() {}); reads != 1 {
				t.Errorf("looked %d times for a file of one chunk", reads)
			}
		})
	}
}

// flood is a Server that sends total octets, as far ahead of Drained as window.
type flood struct {
	total, window, sent, out int
	piece                    []byte
}

func (f *flood) Serve(x *exchange.Exchange) {
	g := &flood{total: f.total, window: f.window, piece: f.piece}
	x.Server = g
	x.Response.Status = 200
	x.Head()
	g.more(x)
}

func (f *flood) more(x *exchange.Exchange) {
	for f.out < f.window {
		n := min(len(f.piece), f.total-f.sent)
		if n == 0 {
			x.End()
			return
		}
		f.sent += n
		f.out += n
		x.Data(f.piece[:n])
	}
}

func (f *flood) Drained(x *exchange.Exchange, n int) {
	if f.out -= n; f.out < 0 {
		panic("more was drained than was sent")
	}
	f.more(x)
}
func (f *flood) Content(*exchange.Exchange, []byte)     {}
func (f *flood) ContentEnd(*exchange.Exchange, error)   {}
func (f *flood) Gone(x *exchange.Exchange, cause error) { x.Abort(cause) }

// A Server waits for its client, whose window is full.
func TestBackpressure(t *testing.T) {
	f := &flood{total: 4 << 20, window: 250000, piece: bytes.Repeat([]byte("a"), 1000)}
	s := start(t, settings{}, f)
	r := s.dial()
	r.deaf = true
	r.get(1, "/")
	r.until("the window is full", func() bool { return len(r.of(1).body) == wire.InitialWindow })
	s.Do(func() {
		for _, st := range s.door.conns.Oldest().streams {
			if n := st.queue.memory; n > 260000 {
				t.Errorf("%d octets wait in memory", n)
			}
		}
	})
	r.deaf = false
	r.ok(r.WriteWindowUpdate(0, 8<<20))
	r.ok(r.WriteWindowUpdate(1, 8<<20))
	if g := r.answer(1); len(g.body) != f.total {
		t.Errorf("got %d octets, %v", len(g.body), g.code)
	}
}

// With a spool a Server is done long before its client, in little memory.
func TestSpool(t *testing.T) {
	cfg := spool.Config{Directory: t.TempDir()}
	store, err := spool.NewStore(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	f := testkit.NewHeld()
	s := start(t, settings{spool: cfg}, f, func(p *front.Parts) { p.Store = store })
	drained := 0
	f.OnDrained = func(_ *exchange.Exchange, n int) { drained += n }
	r := s.dial()
	r.get(1, "/")
	x := testkit.Wait(t, f.Began, "a request")
	piece := bytes.Repeat([]byte("0123456789abcdef"), 4000)
	const pieces = 100
	s.Do(func() {
		x.Response.Status = 200
		x.Head()
		for range pieces {
			x.Data(piece)
		}
	})
	s.Until("nearly all is drained", func() bool {
		n := 0
		s.Do(func() { n = drained })
		return n >= pieces*len(piece)-200000
	})
	s.Do(func() { x.End() })
	r.ok(r.WriteWindowUpdate(0, 1<<30))
	r.ok(r.WriteWindowUpdate(1, 1<<30))
	if g := r.answer(1); !bytes.Equal(g.body, bytes.Repeat(piece, pieces)) {
		t.Errorf("got %d octets, %v", len(g.body), g.code)
	}
	s.Until("the spool is empty", func() bool { return store.Used() == 0 })
	if o := s.Seen(1)[0]; o.Err != nil || o.Out != int64(pieces*len(piece)) {
		t.Errorf("observed %+v", o)
	}
}

// Streams take turns: a small answer does not wait for the end of a large one.
func TestFairness(t *testing.T) {
	big := strings.Repeat("a", 8<<20)
	s := start(t, settings{}, handler(func(x *exchange.Exchange) {
		if string(x.Request.Path) == "/big" {
			x.Answer(200, big)
			return
		}
		x.Answer(200, strings.Repeat("b", 100000))
	}))
	r := s.dial(x2.Setting{ID: x2.SettingInitialWindowSize, Val: 1 << 30})
	r.deaf = true
	r.ok(r.WriteWindowUpdate(0, 1<<30))
	r.get(1, "/big")
	r.get(3, "/small")
	r.answer(3)
	if r.of(1).ended {
		t.Error("the small answer came after the large one")
	}
	if g := r.answer(1); len(g.body) != len(big) {
		t.Errorf("got %d octets", len(g.body))
	}
}

// A client that resets a stream is gone for its Server, and only there.
func TestClientReset(t *testing.T) {
	h := testkit.NewHeld()
	s := start(t, settings{}, h)
	r := s.dial()
	r.get(1, "/1")
	r.get(3, "/3")
	one, three := testkit.Wait(t, h.Began, "a request"), testkit.Wait(t, h.Began, "another")
	r.ok(r.WriteRSTStream(1, x2.ErrCodeCancel))
	if cause := testkit.Wait(t, h.Causes, "Gone"); !errors.Is(cause, exchange.ErrClientGone) {
		t.Errorf("got %v", cause)
	}
	s.Do(func() {
		if !one.Canceled || three.Canceled {
			t.Error("the wrong one is canceled")
		}
		one.Answer(200, "late")
		three.Answer(200, "in time")
	})
	if g := r.answer(3); string(g.body) != "in time" {
		t.Errorf("got %+v", g)
	}
	r.pinged()
	if g := r.of(1); g.fields != nil {
		t.Errorf("got %+v", g)
	}
	for _, o := range s.Seen(2) {
		if (o.Err != nil) != (o.Path == "/1") {
			t.Errorf("observed %+v", o)
		}
	}
}

// Whoever closes the connection is gone for every Server.
func TestClientGone(t *testing.T) {
	h := testkit.NewHeld()
	s := start(t, settings{}, h)
	r := s.dial()
	for id := uint32(1); id < 10; id += 2 {
		r.get(id, "/")
	}
	for range 5 {
		testkit.Wait(t, h.Began, "a request")
	}
	_ = r.Close()
	for range 5 {
		if cause := testkit.Wait(t, h.Causes, "Gone"); !errors.Is(cause, exchange.ErrClientGone) {
			t.Errorf("got %v", cause)
		}
	}
	s.Until("it is closed", func() bool { return s.open.Load() == 0 })
}

// What is left of an answer goes out before the connection is idle.
func TestSlowClientGetsAll(t *testing.T) {
	s := start(t, settings{common: front.Config{MinRateGrace: patience}}, handler(func(x *exchange.Exchange) { x.Answer(200, strings.Repeat("a", 1<<20)) }))
	r := s.dial()
	r.get(1, "/")
	g := r.of(1)
	r.deaf = true
	for first := true; !g.ended; first = false {
		if _, err := r.read(); err != nil {
			t.Fatal(err)
		}
		if first {
			s.use(settings{common: front.Config{MinRateGrace: patience, IdleTimeout: 10 * time.Millisecond}})
		}
		if len(g.body)%wire.InitialWindow == 0 {
			r.ok(r.WriteWindowUpdate(0, wire.InitialWindow))
			r.ok(r.WriteWindowUpdate(1, wire.InitialWindow))
		}
	}
	if len(g.body) != 1<<20 {
		t.Errorf("got %d octets", len(g.body))
	}
}
