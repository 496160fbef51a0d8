package http1

import (
	"bytes"
	"errors"
	"io"
	"math/rand"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rickhouse/internal/exchange"
	"rickhouse/internal/front"
	"rickhouse/internal/spool"
	"rickhouse/internal/testkit"
	"rickhouse/internal/units"
)

// flood is a Server that sends total octets, as far ahead of Drained as window.
type flood struct {
	total, window  int
	sent, out, cap int
	piece          []byte
	gone           chan error
}

func (f *flood) Serve(x *exchange.Exchange) {
	x.Server = f
	x.Response.Status = 200
	if f.total > 0 {
		x.Response.ContentLength = int64(f.total)
	}
	x.Head()
	f.more(x)
}

func (f *flood) more(x *exchange.Exchange) {
	for f.out < f.window {
		if f.sent == f.total {
			x.End()
			return
		}
		at := f.sent % len(f.piece)
		n := min(len(f.piece)-at, f.total-f.sent, f.window-f.out)
		f.sent += n
		f.out += n
		x.Data(f.piece[at : at+n])
	}
}

func (f *flood) Drained(x *exchange.Exchange, n int) {
	if f.out -= n; f.out < 0 {
		panic("more was drained than was sent")
	}
	if w := x.Client.(*conn).w; w != nil {
		f.cap = max(f.cap, cap(w.out.Buf))
	}
	f.more(x)
}
func (f *flood) Content(*exchange.Exchange, []byte)   {}
func (f *flood) ContentEnd(*exchange.Exchange, error) {}
func (f *flood) Gone(x *exchange.Exchange, cause error) {
	x.Abort(cause)
	f.gone <- cause
}

func newFlood(total, window, piece int) *flood {
	f := &flood{total: total, window: window, piece: make([]byte, piece), gone: make(chan error, 1)}
	_, _ = rand.New(rand.NewSource(2)).Read(f.piece)
	return f
}

// check reads the content and compares it to what was sent.
func (f *flood) check(t *testing.T, body io.Reader) {
	t.Helper()
	var want bytes.Buffer
	for want.Len() < f.total {
		n := min(len(f.piece), f.total-want.Len())
		want.Write(f.piece[:n])
	}
	got, err := io.ReadAll(body)
	if err != nil || !bytes.Equal(got, want.Bytes()) {
		t.Errorf("got %d octets, %v; want %d", len(got), err, f.total)
	}
}

// Without a spool a Server waits for its client.
func TestBackpressure(t *testing.T) {
	for _, piece := range []int{1000, 40000} {
		f := newFlood(32<<20, 250000/piece*piece, piece)
		s := start(t, Config{}, f)
		c := s.dial().send(get("/"))
		res, err := http.ReadResponse(c.r, nil)
		if err != nil {
			t.Fatal(err)
		}
		s.Until("the server waits", func() bool {
			before, after := 0, 0
			s.Do(func() { before = f.sent })
			time.Sleep(20 * time.Millisecond)
			s.Do(func() { after = f.sent })
			return before == after
		})
		s.Do(func() {
			if f.sent == f.total {
				t.Error("the server did not wait")
			}
		})
		if piece == 1000 { // 32 MiB in small pieces take their time
			f.checkSome(t, res.Body)
			continue
		}
		f.check(t, res.Body)
		s.Do(func() {
			if f.cap > 1<<20 {
				t.Errorf("the buffer grew to %d octets", f.cap)
			}
		})
	}
}

// checkSome reads some of the content.
func (f *flood) checkSome(t *testing.T, body io.Reader) {
	t.Helper()
	buf := make([]byte, 100*len(f.piece))
	if _, err := io.ReadFull(body, buf); err != nil || !bytes.Equal(buf, bytes.Repeat(f.piece, 100)) {
		t.Errorf("got something else: %v", err)
	}
}

func withSpool(t *testing.T, cfg spool.Config) func(*setup) {
	t.Helper()
	cfg.Directory = t.TempDir()
	store, err := spool.NewStore(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for deadline := time.Now().Add(patience); store.Used() != 0; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%d octets of the spool are still taken", store.Used())
			}
		}
		_ = store.Close()
	})
	return func(p *setup) { p.Store, p.spool = store, cfg }
}

// Content that goes nowhere holds no Server up: it is drained at once.
func TestSwallowedContentIsDrained(t *testing.T) {
	const total = 2 << 20
	for _, c := range []struct {
		name, method string
		status       int
	}{{"HEAD", "HEAD", 200}, {"no content", "GET", 205}, {"a head that cannot be sent", "GET", 42}} {
		t.Run(c.name, func(t *testing.T) {
			f := newFlood(total, 256<<10, 30000)
			s := start(t, Config{}, answers(func(x *exchange.Exchange) {
				x.Server = f
				x.Response.Status = c.status
				x.Head()
				f.more(x)
			}))
			s.dial().send(c.method + " / HTTP/1.1\r\nHost: a\r\n\r\n").read(c.method)
			s.Seen(1)
			s.Do(func() {
				if f.sent != total {
					t.Errorf("%d octets were sent", f.sent)
				}
			})
		})
	}
}

// A File is drained once it is closed, whatever becomes of it: a Server can send
// one after the other.
func TestFilesAreDrained(t *testing.T) {
	const files = 300
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, []byte("octets"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, method string
		length       int64
	}{{"by length", "GET", 6 * files}, {"in chunks", "GET", -1}, {"to HEAD", "HEAD", -1}} {
		t.Run(c.name, func(t *testing.T) {
			h, sent := testkit.NewHeld(), 0
			more := func(x *exchange.Exchange) {
				f, err := os.Open(name)
				if err != nil {
					t.Error(err)
				}
				sent++
				x.File(f, 0, 6)
			}
			h.OnDrained = func(x *exchange.Exchange, n int) {
				switch {
				case n != exchange.FileCost:
					t.Errorf("a file counts as %d octets", n)
					x.Abort(errors.New("the test ends"))
				case sent == files:
					x.End()
				default:
					more(x)
				}
			}
			s := start(t, Config{}, answers(func(x *exchange.Exchange) {
				x.Server = h
				x.Response.Status, x.Response.ContentLength = 200, c.length
				x.Head()
				more(x)
			}))
			r := s.dial().send(c.method + " / HTTP/1.1\r\nHost: a\r\n\r\n").read(c.method)
			if want := strings.Repeat("octets", files); c.method == "GET" && r.body != want {
				t.Errorf("%d octets came, want %d", len(r.body), len(want))
			}
		})
	}
}

// In a tunnel a Server waits for its client, spool or not.
func TestTunnelIsNotSpooled(t *testing.T) {
	f := newFlood(32<<20, 256<<10, 30000)
	s := start(t, Config{}, answers(func(x *exchange.Exchange) {
		x.Server = f
		x.Response.Status = 101
		x.Response.Add("Upgrade", "rot")
		x.Head()
		f.more(x)
	}), withSpool(t, spool.Config{Memory: 1 << 10}))
	c := s.dial().send("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: rot\r\n\r\n")
	if _, err := http.ReadResponse(c.r, nil); err != nil {
		t.Fatal(err)
	}
	s.Until("the server waits", func() bool {
		before, after := 0, 0
		s.Do(func() { before = f.sent })
		time.Sleep(20 * time.Millisecond)
		s.Do(func() { after = f.sent })
		return before == after
	})
	s.Do(func() {
		if f.sent == f.total {
			t.Error("the server did not wait")
		}
		if used := s.front.parts.Store.Used(); used != 0 {
			t.Errorf("%d octets are spooled", used)
		}
	})
	f.check(t, c.r)
}

// With a spool a Server is done long before its client, in little memory.
func TestSpool(t *testing.T) {
	const total = 16 << 20
	for _, chunks := range []bool{false, true} {
		f := newFlood(total, 256<<10, 30000)
		h := exchange.Handler(f)
		if chunks {
			h = answers(func(x *exchange.Exchange) {
				x.Server = f
				x.Response.Status = 200
				x.Head()
				f.more(x)
			})
		}
		s := start(t, Config{}, h, withSpool(t, spool.Config{}))
		c := s.dial().send(get("/"))
		s.Until("the server has sent everything", func() bool {
			sent := 0
			s.Do(func() { sent = f.sent })
			return sent == total
		})
		s.Do(func() {
			if len(s.Seen(0)) != 0 {
				t.Error("it is over before the client has it")
			}
		})
		res, err := http.ReadResponse(c.r, nil)
		if err != nil {
			t.Fatal(err)
		}
		f.check(t, res.Body)
		s.Do(func() { f.sent, f.out = 0, 0 })
		if res := c.send(get("/")).read("GET"); len(res.body) != total {
			t.Errorf("the next got %d octets", len(res.body))
		}
		_ = c.Close()
		s.Until("it is over", func() bool { return s.counters().Open == 0 })
	}
}

// At spool_max the Server waits, and goes on when the client has taken it all.
func TestSpoolIsBounded(t *testing.T) {
	const total = 30 << 20
	f := newFlood(total, 256<<10, 64<<10)
	s := start(t, Config{}, f, withSpool(t, spool.Config{MaxAnswer: 4 * units.MiB}))
	c := s.dial().send(get("/"))
	s.Until("the server waits", func() bool {
		full := false
		s.Do(func() { full = s.front.parts.Store.Used() > int64(4*units.MiB) })
		return full
	})
	s.Do(func() {
		if f.sent > 20<<20 {
			t.Errorf("the server has sent %d octets", f.sent)
		}
	})
	res, err := http.ReadResponse(c.r, nil)
	if err != nil {
		t.Fatal(err)
	}
	f.check(t, res.Body)
}

// A spool that fails ends that exchange alone.
func TestSpoolFails(t *testing.T) {
	f := newFlood(40<<20, 256<<10, 30000)
	s := start(t, Config{}, answers(func(x *exchange.Exchange) {
		if string(x.Request.Path) == "/" {
			x.Answer(200, "fine")
			return
		}
		f.Serve(x)
	}), withSpool(t, spool.Config{Quota: units.MiB}))
	c := s.dial().send(get("/flood"))
	var full *exchange.Error
	if cause := testkit.Wait(t, f.gone, "Gone"); !errors.As(cause, &full) || full.Status != 507 {
		t.Errorf("got %v", cause)
	}
	if res := c.read("GET"); !errors.Is(res.err, io.ErrUnexpectedEOF) {
		t.Errorf("the client cannot tell: %v", res.err)
	}
	if res := s.dial().get(get("/")); res.body != "fine" {
		t.Errorf("got %+v", res)
	}
	if o := s.Seen(2)[0]; !errors.As(o.Err, &full) {
		t.Errorf("observed %+v", o)
	}
}

// A client that does not take its answer is cut, and its Server told.
func TestSlowReader(t *testing.T) {
	cfg := Config{MinRate: 1 << 30, MinRateGrace: 100 * time.Millisecond, IdleTimeout: 100 * time.Millisecond}
	f := newFlood(32<<20, 256<<10, 30000)
	s := start(t, cfg, f)
	s.dial().send(get("/"))
	if cause := testkit.Wait(t, f.gone, "Gone"); !errors.Is(cause, front.ErrSlowReader) {
		t.Errorf("got %v", cause)
	}
	// The same after End.
	f = newFlood(30<<20, 40<<20, 30000)
	s = start(t, cfg, f)
	s.dial().send(get("/"))
	if o := s.Seen(1)[0]; !errors.Is(o.Err, front.ErrSlowReader) {
		t.Errorf("observed %+v", o)
	}
}

// A client that is slow and steady gets everything, long after the grace.
func TestSteadyReader(t *testing.T) {
	cfg := Config{MinRate: 1000, MinRateGrace: 100 * time.Millisecond}
	f := newFlood(16<<20, 256<<10, 30000)
	s := start(t, cfg, f)
	c := s.dial().send(get("/"))
	for n := 0; n < 16<<20; n += 2 << 20 {
		time.Sleep(60 * time.Millisecond)
		if _, err := io.CopyN(io.Discard, c.r, 2<<20); err != nil {
			t.Fatalf("after %d octets: %v", n, err)
		}
	}
}
