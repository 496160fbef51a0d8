package http2

import (
	"bytes"
	"log/slog"
	"net/netip"
	"runtime"
	"testing"

	x2 "golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"rickhouse/internal/exchange"
	"rickhouse/internal/front"
	"rickhouse/internal/listen"
	"rickhouse/internal/testkit"
	"rickhouse/internal/testkit/onloop"
	wire "rickhouse/internal/wire/http2"
)

// fakeDoor is a Door on a Loop that does not run.
func fakeDoor(t testing.TB, cfg settings, h exchange.Handler) *Door {
	t.Helper()
	f := New(front.Parts{Handler: h, Log: slog.New(slog.DiscardHandler)})
	return f.Door(onloop.Idle(t), cfg.made(t))
}

// fakeConn serves a connection that has sent text.
func (d *Door) fakeConn(s *onloop.Stream, text []byte) *conn {
	d.Serve(front.Handoff{
		Stream: s, Read: text, Remote: netip.MustParseAddrPort("127.0.0.1:1234"),
		Origin: front.NewOrigin(listen.Addr{Host: "127.0.0.1", Port: 80}), Closed: func() {},
	})
	return s.Handler.(*conn)
}

// handshake is what a client begins with.
func handshake() []byte {
	b := wire.AppendSettings([]byte(wire.Preface), uint32(wire.InitialWindowSize), 1<<30)
	b = wire.AppendWindowUpdate(b, 0, 1<<30)
	return wire.AppendSettingsAck(b)
}

// static is a handler that answers without allocating.
type static struct{ name, value, body []byte }

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
	if !x.HasContent {
		s.static.Serve(x)
		return
	}
	x.Server = s
	x.Demand(1 << 20)
}
func (s *consumer) Content(*exchange.Exchange, []byte)       {}
func (s *consumer) ContentEnd(x *exchange.Exchange, _ error) { s.static.Serve(x) }
func (s *consumer) Drained(*exchange.Exchange, int)          {}
func (s *consumer) Gone(x *exchange.Exchange, err error)     { x.Abort(err) }

// load makes batches of requests, one after the other, as a client with its table
// of fields does.
type load struct {
	enc    *hpack.Encoder
	block  bytes.Buffer
	id     uint32
	batch  int
	fields []hpack.HeaderField
	body   []byte
	text   []byte
}

func newLoad(batch int, body string, more ...string) *load {
	l := &load{id: 1, batch: batch, body: []byte(body)}
	l.enc = hpack.NewEncoder(&l.block)
	method := "GET"
	if body != "" {
		method = "POST"
	}
	for _, f := range append([]string{":method", method, ":scheme", "http", ":path", "/shop/items/42?sort=price", ":authority", "www.example.org", "accept", "*/*"}, more...) {
		if n := len(l.fields); n > 0 && l.fields[n-1].Value == "\x00" {
			l.fields[n-1].Value = f
		} else {
			l.fields = append(l.fields, hpack.HeaderField{Name: f, Value: "\x00"})
		}
	}
	return l
}

// next returns the octets of another batch.
func (l *load) next() []byte {
	l.text = l.text[:0]
	for range l.batch {
		l.block.Reset()
		for _, f := range l.fields {
			_ = l.enc.WriteField(f)
		}
		flags := wire.EndHeaders
		if len(l.body) == 0 {
			flags |= wire.EndStream
		}
		l.text = wire.AppendHeader(l.text, l.block.Len(), wire.Headers, flags, l.id)
		l.text = append(l.text, l.block.Bytes()...)
		if len(l.body) > 0 {
			l.text = wire.AppendHeader(l.text, len(l.body), wire.Data, wire.EndStream, l.id)
			l.text = append(l.text, l.body...)
		}
		l.id += 2
	}
	return l.text
}

func browser() []string {
	return []string{
		"user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
		"accept-language", "en-GB,en;q=0.5", "accept-encoding", "gzip, deflate, br, zstd",
		"cookie", "session=8d6a2f0e4b1c4f7aa3f5", "cookie", "csrftoken=0123456789abcdef0123456789abcdef",
	}
}

// A batch of requests costs one write and no allocation.
func TestHotPath(t *testing.T) {
	for _, c := range []struct {
		name string
		l    *load
		h    exchange.Handler
	}{
		{"short", newLoad(32, ""), newStatic()},
		{"browser", newLoad(32, "", browser()...), newStatic()},
		{"content", newLoad(32, "hello, world"), &consumer{*newStatic()}},
	} {
		s := &onloop.Stream{}
		conn := fakeDoor(t, settings{}, c.h).fakeConn(s, handshake())
		serve := func() {
			s.In, s.Out, s.Writes = c.l.next(), s.Out[:0], 0
			conn.Readable()
		}
		serve()
		own := testing.AllocsPerRun(100, func() { c.l.next() })
		// Streams were skipped: that is allowed.
		if n := testing.AllocsPerRun(100, serve) - own; n != 0 {
			t.Errorf("%s: %v allocations for 32 requests", c.name, n)
		}
		if s.Writes != 1 || s.Closed || len(conn.streams) != 0 || conn.d.counters.Requests != 102*32 {
			t.Errorf("%s: %d writes, closed %v, %d streams, %+v", c.name, s.Writes, s.Closed, len(conn.streams), conn.d.counters)
		}
	}
}

// An idle connection holds little.
func TestIdleIsSmall(t *testing.T) {
	d := fakeDoor(t, settings{}, newStatic())
	const n = 5000
	streams := make([]onloop.Stream, n)
	text := append(handshake(), newLoad(1, "", browser()...).next()...)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range streams {
		d.fakeConn(&streams[i], text)
		streams[i].Out = nil
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	each := (int64(after.HeapAlloc) - int64(before.HeapAlloc)) / n
	t.Logf("an idle connection takes %d octets", each)
	if each > 8000 {
		t.Errorf("an idle connection takes %d octets", each)
	}
	if d.counters.Open != n || d.counters.Requests != n {
		t.Errorf("counters %+v", d.counters)
	}
}

func benchmarkServe(b *testing.B, l *load, h exchange.Handler) {
	s := &onloop.Stream{}
	conn := fakeDoor(b, settings{}, h).fakeConn(s, handshake())
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		s.In, s.Out = l.next(), s.Out[:0]
		b.StartTimer()
		conn.Readable()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*l.batch), "ns/request")
	if conn.state != serving || s.Closed {
		b.Fatal("the connection is closed")
	}
}

func BenchmarkServeShort(b *testing.B) { benchmarkServe(b, newLoad(32, ""), newStatic()) }
func BenchmarkServeBrowser(b *testing.B) {
	benchmarkServe(b, newLoad(32, "", browser()...), newStatic())
}

func BenchmarkServeContent(b *testing.B) {
	benchmarkServe(b, newLoad(32, "hello, world"), &consumer{*newStatic()})
}

// The end of a stream is told, wherever the kernel stopped taking what came before.
func TestEndOfPartlyWritten(t *testing.T) {
	for room := 1; room < 300; room++ {
		h := testkit.NewHeld()
		d := fakeDoor(t, settings{}, h)
		s := &onloop.Stream{Room: room}
		c := d.fakeConn(s, handshake())
		s.In = newLoad(1, "").next()
		c.Readable()
		x := <-h.Began
		x.Response.Status = 200
		x.Head()
		x.Data([]byte("hello"))
		c.Run()
		x.End()
		for c.scheduled || c.pending() > 0 {
			c.Run()
			c.Writable()
		}
		content, ended := lastOf(t, s.Out)
		if content != "hello" || !ended {
			t.Fatalf("%d octets at a time: got %q, ended %v", room, content, ended)
		}
		checkFrames(t, s.Out)
	}
}

// lastOf returns the content of stream 1 and whether it has ended.
func lastOf(t *testing.T, out []byte) (content string, ended bool) {
	t.Helper()
	r := x2.NewFramer(nil, bytes.NewReader(out))
	for {
		f, err := r.ReadFrame()
		if err != nil {
			return content, ended
		}
		switch f := f.(type) {
		case *x2.DataFrame:
			content += string(f.Data())
			ended = f.StreamEnded()
		case *x2.HeadersFrame:
			ended = f.StreamEnded()
		}
	}
}
