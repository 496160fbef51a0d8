package gateway

import (
	"bytes"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"testing"

	"rickhouse/internal/exchange"
	"rickhouse/internal/front"
	"rickhouse/internal/listen"
	"rickhouse/internal/testkit"
	"rickhouse/internal/testkit/onloop"
	wire "rickhouse/internal/wire/fastcgi"
)

// fakeDoor is a Door on a Loop that does not run.
func fakeDoor(t testing.TB, h exchange.Handler, observe func(x *exchange.Exchange)) *Door {
	t.Helper()
	f := New(front.Parts{Handler: h, Log: slog.New(slog.DiscardHandler), Observe: observe})
	return f.Door(onloop.Idle(t), settings{common: front.Config{MaxBody: 1000}}.made(t))
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
			x.Server = &testkit.Collector{Done: func(x *exchange.Exchange, _ []byte, err error) { x.Fail(err) }}
		default:
			echo(5).Serve(x)
		}
	})
}

// feed gives text to a connection in pieces of up to step octets, then the end.
func feed(t *testing.T, d *Door, protocol string, text []byte, step, room int) []byte {
	s := &onloop.Stream{Room: room}
	d.Serve(front.Handoff{
		Stream: s, Remote: netip.MustParseAddrPort("127.0.0.1:1234"),
		Origin: front.NewOrigin(listen.Addr{Host: "127.0.0.1", Port: 80, Gateway: protocol}), Closed: func() {},
	})
	c := s.Handler.(*conn)
	run := func() {
		for i := 0; (c.scheduled || c.w != nil && c.w.out.Blocked) && !s.Closed && i < 100000; i++ {
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
		for len(s.In) > 0 && !s.Closed && !s.Deaf {
			c.Readable()
			run()
		}
		if w := c.w; w != nil && (len(w.in) > 4*bulkRead || len(w.vars) > 2*bulkRead) {
			t.Fatalf("%d octets and %d of variables are held", len(w.in), len(w.vars))
		}
		if s.Deaf {
			break // nobody would read the rest
		}
	}
	s.In, s.End = nil, io.EOF
	for rounds := 0; !s.Closed && rounds < 10; rounds++ {
		c.Readable()
		run()
	}
	if !s.Closed {
		c.Hup(io.EOF) // an answer that is waited for
		run()
	}
	if c.scheduled {
		c.Run()
	}
	if !s.Closed || c.state != closed {
		t.Fatalf("closed %v, state %d", s.Closed, c.state)
	}
	return s.Out
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
