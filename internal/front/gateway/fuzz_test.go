package gateway

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"slices"
	"testing"

	"rickhouse/internal/exchange"
	"rickhouse/internal/front"
	"rickhouse/internal/listen"
	"rickhouse/internal/loop"
	wire "rickhouse/internal/wire/fastcgi"
)

// fakeStream is a Stream whose peer has sent in, and then end, and takes room octets
// at a time; 0 for any number.
type fakeStream struct {
	in     []byte
	end    error
	out    []byte
	room   int
	closed bool
	deaf   bool // reading is not wanted
	h      loop.Handler
}

func (f *fakeStream) Read(p []byte) (int, error) {
	switch {
	case len(f.in) > 0:
		n := copy(p, f.in)
		f.in = f.in[n:]
		return n, nil
	case f.end != nil:
		return 0, f.end
	}
	return 0, loop.ErrAgain
}

func (f *fakeStream) Write(p []byte) (int, error) {
	n := len(p)
	if f.room > 0 {
		n = min(n, f.room)
	}
	f.out = append(f.out, p[:n]...)
	if n < len(p) {
		return n, loop.ErrAgain
	}
	return n, nil
}

func (f *fakeStream) SendFile(file *os.File, offset, length int64) (int64, error) {
	b := make([]byte, length)
	n, err := file.ReadAt(b, offset)
	if err != nil {
		return 0, err
	}
	n, err = f.Write(b[:n])
	return int64(n), err
}

func (f *fakeStream) WriteMore(p []byte) (int, error)     { return f.Write(p) }
func (f *fakeStream) Writev(pieces [][]byte) (int, error) { return f.Write(slices.Concat(pieces...)) }

func (f *fakeStream) ReadMsg([]byte) (int, []*os.File, error) { return 0, nil, errors.ErrUnsupported }
func (f *fakeStream) WriteMsg([]byte, *os.File) (int, error)  { return 0, errors.ErrUnsupported }
func (f *fakeStream) Want(read, _ bool)                       { f.deaf = !read }
func (f *fakeStream) CloseWrite() error                       { return nil }
func (f *fakeStream) Close(bool)                              { f.closed = true }
func (f *fakeStream) SetHandler(h loop.Handler)               { f.h = h }

// fakeDoor is a Door on a Loop that does not run.
func fakeDoor(t testing.TB, h exchange.Handler, observe func(x *exchange.Exchange)) *Door {
	t.Helper()
	f := New(Parts{Handler: h, Log: slog.New(slog.DiscardHandler), Observe: observe})
	l, err := loop.New(loop.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		l.Stop()
		_ = l.Run()
	})
	return f.Door(l, settings{common: front.Config{MaxBody: 1000}}.made(t))
}

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
			x.Data([]byte("after"))
			x.End()
		case "/abort":
			x.Response.Status = 200
			x.Head()
			x.Data([]byte("part"))
			x.Abort(nil)
		case "/hold":
			x.Server = &collector{done: func(x *exchange.Exchange, _ []byte, err error) { x.Fail(err) }}
		default:
			echo(5).Serve(x)
		}
	})
}

// feed gives text to a connection in pieces of up to step octets, then the end.
func feed(t *testing.T, d *Door, protocol string, text []byte, step, room int) []byte {
	s := &fakeStream{room: room}
	d.Serve(front.Handoff{
		Stream: s, Remote: netip.MustParseAddrPort("127.0.0.1:1234"),
		Origin: front.NewOrigin(listen.Addr{Host: "127.0.0.1", Port: 80, Gateway: protocol}), Closed: func() {},
	})
	c := s.h.(*conn)
	run := func() {
		for i := 0; (c.scheduled || c.w != nil && c.w.out.Blocked) && !s.closed && i < 100000; i++ {
			if c.scheduled {
				c.Run()
			} else {
				c.Writable()
			}
		}
	}
	for len(text) > 0 && !s.closed {
		n := min(step, len(text))
		s.in, text = text[:n], text[n:]
		for len(s.in) > 0 && !s.closed && !s.deaf {
			c.Readable()
			run()
		}
		if w := c.w; w != nil && (len(w.in) > 4*bulkRead || len(w.vars) > 2*bulkRead) {
			t.Fatalf("%d octets and %d of variables are held", len(w.in), len(w.vars))
		}
		if s.deaf {
			break // nobody would read the rest
		}
	}
	s.in, s.end = nil, io.EOF
	for rounds := 0; !s.closed && rounds < 10; rounds++ {
		c.Readable()
		run()
	}
	if !s.closed {
		c.Hup(io.EOF) // an answer that is waited for
		run()
	}
	if c.scheduled {
		c.Run()
	}
	if !s.closed || c.state != closed {
		t.Fatalf("closed %v, state %d", s.closed, c.state)
	}
	return s.out
}

// FuzzConnection: whatever comes, in whatever pieces, the connection ends, every
// Exchange is finished once, and what goes out over FastCGI are records.
func FuzzConnection(f *testing.F) {
	abort := wire.AppendHeader(nil, wire.AbortRequest, 1, 0)
	for i, protocol := range protocols {
		var all []byte
		for _, path := range []string{"/", "/early", "/large", "/file", "/abort", "/hold"} {
			one := frame(protocol, "hello", 5, "REQUEST_METHOD=POST", "PATH_INFO="+path, "HTTP_HOST=h")
			f.Add(uint8(i), one, uint16(3), uint16(0))
			all = append(all, one...)
		}
		f.Add(uint8(i), all, uint16(9), uint16(7))
	}
	hold := fastcgi(1, wire.KeepConn, "hello", -1, "REQUEST_METHOD=POST", "PATH_INFO=/hold", "HTTP_HOST=h")
	f.Add(uint8(2), append(append(hold, abort...), hold...), uint16(100), uint16(1))
	f.Add(uint8(2), append(wire.AppendHeader(wire.AppendBegin(nil, 7, 2, 0), 99, 0, 0), hold...), uint16(1), uint16(0))
	file := f.TempDir() + "/f"
	if err := os.WriteFile(file, make([]byte, 50000), 0o600); err != nil {
		f.Fatal(err)
	}
	served, observed := 0, 0
	inner := variety(file)
	d := fakeDoor(f, handler(func(x *exchange.Exchange) {
		served++
		inner.Serve(x)
	}), func(*exchange.Exchange) { observed++ })
	f.Fuzz(func(t *testing.T, kind uint8, text []byte, step, room uint16) {
		if len(text) > 1<<16 {
			return
		}
		protocol := protocols[int(kind)%len(protocols)]
		for _, out := range [][]byte{feed(t, d, protocol, text, 1<<20, 0), feed(t, d, protocol, text, int(step)+1, int(room)+1)} {
			var r wire.Reader
			for protocol == "fastcgi" && len(out) > 0 {
				_, _, n, err := r.Next(out, 1<<20)
				if err != nil {
					t.Fatalf("a record that is none: %v in %q", err, out)
				}
				if n == 0 {
					break
				}
				out = out[n:]
			}
		}
		if n := d.counters; n.Open != 0 || observed < served {
			t.Fatalf("%d served, %d observed, counters %+v", served, observed, n)
		}
	})
}
