package http2

import (
	"bytes"
	"io"
	"os"
	"testing"

	x2 "golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"rickhouse/internal/exchange"
	"rickhouse/internal/testkit"
	"rickhouse/internal/testkit/onloop"
	wire "rickhouse/internal/wire/http2"
)

// variety answers in a way that the path chooses.
func variety(file string) exchange.Handler {
	large := bytes.Repeat([]byte("a"), 100000)
	return handler(func(x *exchange.Exchange) {
		switch string(x.Request.Path) {
		case "/early":
			x.Answer(200, "early")
		case "/large":
			x.Answer(200, string(large))
		case "/file":
			f, err := os.Open(file)
			if err != nil {
				x.Fail(err)
				return
			}
			x.Response.Status = 200
			x.Head()
			x.File(f, 0, 50000)
			x.End()
		case "/abort":
			x.Abort(nil)
		case "/hold":
			x.Server = &mirror{}
		case "/tunnel":
			(&mirror{window: 3}).Serve(x)
		default:
			testkit.Echo(5).Serve(x)
		}
	})
}

// frames are the seeds: what a client may send after its settings.
func seeds() [][]byte {
	var block bytes.Buffer
	enc := hpack.NewEncoder(&block)
	var all []byte
	id := uint32(1)
	var each [][]byte
	for _, path := range []string{"/", "/early", "/large", "/file", "/abort", "/hold", "/tunnel"} {
		block.Reset()
		fields := simple("POST", path, "cookie: a=1", "cookie: b=2")
		if path == "/tunnel" {
			fields = connect(path)
		}
		for _, f := range fields {
			i := bytes.IndexByte([]byte(f[1:]), ':') + 1
			_ = enc.WriteField(hpack.HeaderField{Name: f[:i], Value: f[i+2:]})
		}
		one := wire.AppendHeader(nil, block.Len(), wire.Headers, wire.EndHeaders, id)
		one = append(one, block.Bytes()...)
		one = append(wire.AppendHeader(one, 5, wire.Data, 0, id), "hello"...)
		one = append(wire.AppendHeader(one, 5, wire.Data, wire.EndStream|wire.Padded, id), "\x02ab\x00\x00"...)
		one = wire.AppendWindowUpdate(one, id, 1000)
		all = append(all, one...)
		each = append(each, one)
		id += 2
	}
	tail := wire.AppendPing(wire.AppendReset(wire.AppendSettings(all, 4, 100), 11, wire.Cancel), 0, []byte("12345678"))
	return append(each, all, tail, wire.AppendGoAway(tail, 0, wire.NoError, ""))
}

// feedConn gives text to a connection in pieces of up to step octets, whose client
// takes room octets at a time, then the end. It checks what is bounded.
func feedConn(t *testing.T, d *Door, text []byte, step, room int) []byte {
	s := &onloop.Stream{Room: room}
	c := d.fakeConn(s, handshake())
	run := func() {
		for i := 0; (c.scheduled || c.blocked || c.yielded) && !s.Closed && i < 100000; i++ {
			if c.scheduled {
				c.Run()
			} else {
				c.Writable()
			}
		}
	}
	for len(text) > 0 && !s.Closed {
		n := min(step, len(text))
		s.In, text = text[:n], text[n:]
		for len(s.In) > 0 && !s.Closed {
			c.Readable()
			run()
		}
		held := 0
		for _, st := range c.streams {
			held += st.buffered()
		}
		if len(c.in) > wire.HeaderSize+wire.MaxFrame || len(c.block.buf) > d.settings.maxBlock() || len(c.streams)+c.orphans > c.own.MaxStreams || int64(held) > int64(c.own.Window) || c.recv < 0 && c.state == serving {
			t.Fatalf("%d octets of a frame, %d of a head, %d streams, %d of content, a window of %d", len(c.in), len(c.block.buf), len(c.streams), held, c.recv)
		}
	}
	s.End = io.EOF
	for rounds := 0; !s.Closed && rounds < 10; rounds++ {
		c.Readable()
		run()
	}
	if c.scheduled {
		c.Run()
	}
	if !s.Closed || c.orphans != 0 || len(c.streams) != 0 {
		t.Fatalf("closed %v, %d streams, %d orphans", s.Closed, len(c.streams), c.orphans)
	}
	return s.Out
}

// FuzzConnection: whatever comes, in whatever pieces, the connection ends, what is
// held is bounded, and what goes out is HTTP/2.
func FuzzConnection(f *testing.F) {
	for _, seed := range seeds() {
		f.Add(seed, uint16(3), uint16(0))
	}
	file := f.TempDir() + "/f"
	if err := os.WriteFile(file, make([]byte, 50000), 0o600); err != nil {
		f.Fatal(err)
	}
	d := fakeDoor(f, settings{own: Config{MaxStreams: 5}}, variety(file))
	f.Fuzz(func(t *testing.T, text []byte, step, room uint16) {
		if len(text) > 1<<16 {
			return
		}
		whole := feedConn(t, d, text, 1<<20, 0)
		pieces := feedConn(t, d, text, int(step)+1, int(room)+1000)
		if n := d.counters; n.Open != 0 {
			t.Fatalf("counters %+v", n)
		}
		checkFrames(t, whole)
		checkFrames(t, pieces)
	})
}

// checkFrames reads what was sent as a client does. The last frame may be cut.
func checkFrames(t *testing.T, out []byte) {
	r := x2.NewFramer(nil, bytes.NewReader(out))
	r.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	ended := map[uint32]bool{}
	for {
		f, err := r.ReadFrame()
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return
		}
		if err != nil {
			t.Fatalf("a frame that is none: %v in %q", err, out)
		}
		id, end := f.Header().StreamID, false
		switch f := f.(type) {
		case *x2.MetaHeadersFrame:
			end = f.StreamEnded()
		case *x2.DataFrame:
			end = f.StreamEnded()
		case *x2.RSTStreamFrame:
			ended[id] = true
			continue
		default:
			continue
		}
		if ended[id] {
			t.Fatalf("stream %d goes on after its end: %q", id, out)
		}
		ended[id] = end
	}
}
