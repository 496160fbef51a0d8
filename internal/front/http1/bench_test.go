package http1

import (
	"log/slog"
	"net/netip"
	"runtime"
	"testing"
	"unsafe"

	"rickhouse/internal/exchange"
	"rickhouse/internal/front"
	"rickhouse/internal/listen"
	"rickhouse/internal/loop"
	"rickhouse/internal/spool"
	"rickhouse/internal/testkit/onloop"
)

// fakeDoor is a Door on a Loop that does not run.
func fakeDoor(t testing.TB, cfg Config, h exchange.Handler) *Door {
	t.Helper()
	f := New(Parts{Parts: front.Parts{Handler: h, Log: slog.New(slog.DiscardHandler)}})
	return f.Door(onloop.Idle(t), Settings{}.made(t, cfg, spool.Config{}))
}

func (d *Door) fakeGate() *gate {
	return d.newGate(nil, listen.Addr{Host: "127.0.0.1", Port: 80}, d.f.parts.Handler)
}

func (d *Door) fakeConn(s loop.Stream) *conn { return d.fakeConnBy(d.fakeGate(), s) }

func (d *Door) fakeConnBy(g *gate, s loop.Stream) *conn {
	c := d.newConn(g.entrance, netip.MustParseAddrPort("127.0.0.1:1234"))
	c.opened(s)
	return c
}

const wrkRequest = "GET / HTTP/1.1\r\nHost: 127.0.0.1:8000\r\n\r\n"

const browserRequest = "GET /shop/items/42?sort=price HTTP/1.1\r\nHost: www.example.org\r\n" +
	"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n" +
	"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n" +
	"Accept-Language: en-GB,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n" +
	"Cookie: session=8d6a2f0e4b1c4f7aa3f5; csrftoken=0123456789abcdef0123456789abcdef\r\n" +
	"Connection: keep-alive\r\n\r\n"

// static is a handler that answers without allocating.
type static struct {
	name, value, body []byte
}

func newStatic() *static {
	return &static{[]byte("Content-Type"), []byte("text/plain"), []byte("Hello, world!")}
}

func (s *static) Serve(x *exchange.Exchange) {
	x.Response.Status = 200
	x.Response.ContentLength = int64(len(s.body))
	x.Response.Fields = append(x.Response.Fields, exchange.Field{Name: s.name, Value: s.value})
	x.Head()
	x.Data(s.body)
	x.End()
}

// consumer demands content and answers at its end, without allocating.
type consumer struct{ static }

func (s *consumer) Serve(x *exchange.Exchange) {
	x.Server = s
	x.Demand(1 << 20)
}
func (s *consumer) Content(*exchange.Exchange, []byte)       {}
func (s *consumer) ContentEnd(x *exchange.Exchange, _ error) { s.static.Serve(x) }
func (s *consumer) Drained(*exchange.Exchange, int)          {}
func (s *consumer) Gone(x *exchange.Exchange, err error)     { x.Abort(err) }

// A request costs no allocation and one write.
func TestHotPath(t *testing.T) {
	for _, c := range []struct {
		name, text string
		h          exchange.Handler
	}{
		{"short", wrkRequest, newStatic()},
		{"browser", browserRequest, newStatic()},
		{"content", post("hello, world"), &consumer{*newStatic()}},
		{"chunked", chunked("hello, world", 5, "A: b\r\n"), &consumer{*newStatic()}},
	} {
		s := &onloop.Stream{}
		conn := fakeDoor(t, Config{}, c.h).fakeConn(s)
		text := []byte(c.text)
		serve := func() {
			s.In, s.Out, s.Writes = text, s.Out[:0], 0
			conn.Readable()
		}
		serve()
		if n := testing.AllocsPerRun(100, serve); n != 0 {
			t.Errorf("%s: %v allocations", c.name, n)
		}
		if s.Writes != 1 || conn.state != idle || conn.w != nil {
			t.Errorf("%s: %d writes, then state %d", c.name, s.Writes, conn.state)
		}
	}
}

// An idle connection holds nothing but its struct, which is small.
func TestIdleIsSmall(t *testing.T) {
	if size := unsafe.Sizeof(conn{}); size > 256 {
		t.Errorf("a connection takes %d octets", size)
	}
	d := fakeDoor(t, Config{}, newStatic())
	const n = 10000
	streams := make([]onloop.Stream, n)
	head := []byte("GET / HTTP/1.1\r\nHost: a\r\nX: " + longValue() + "\r\n\r\n")
	var before, after runtime.MemStats
	g := d.fakeGate()
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range streams {
		s := &streams[i]
		s.In = head
		d.fakeConnBy(g, s).Readable()
		s.Out = nil
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if each := (int64(after.HeapAlloc) - int64(before.HeapAlloc)) / n; each > 640 {
		t.Errorf("an idle connection takes %d octets", each)
	}
	if d.counters.Idle != n {
		t.Errorf("counters %+v", d.counters)
	}
}

func longValue() string {
	b := make([]byte, 1000)
	for i := range b {
		b[i] = 'x'
	}
	return string(b)
}

func benchmarkServe(b *testing.B, text string, h exchange.Handler) {
	s := &onloop.Stream{}
	conn := fakeDoor(b, Config{}, h).fakeConn(s)
	request := []byte(text)
	b.ReportAllocs()
	for b.Loop() {
		s.In, s.Out = request, s.Out[:0]
		conn.Readable()
	}
}

func BenchmarkServeShort(b *testing.B)   { benchmarkServe(b, wrkRequest, newStatic()) }
func BenchmarkServeBrowser(b *testing.B) { benchmarkServe(b, browserRequest, newStatic()) }
func BenchmarkServeContent(b *testing.B) {
	benchmarkServe(b, post("hello, world"), &consumer{*newStatic()})
}
