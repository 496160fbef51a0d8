package http2

import (
	"bytes"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	x2 "golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	wire "rickhouse/internal/wire/http2"
)

// raw is a client that sends what it is told, frame by frame.
type raw struct {
	t *testing.T
	net.Conn
	*x2.Framer
	enc     *hpack.Encoder
	dec     *hpack.Decoder
	block   bytes.Buffer
	got     map[uint32]*got
	deaf    bool // it opens no windows again
	goAways []uint32
}

// got is what has come of an answer.
type got struct {
	interim  []string
	fields   map[string]string
	trailers map[string]string
	body     []byte
	ended    bool
	reset    bool
	code     wire.Code
}

// connect opens a connection and sends nothing.
func (s *server) connect() *raw {
	s.T.Helper()
	c, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		s.T.Fatal(err)
	}
	s.T.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	r := &raw{t: s.T, Conn: c, Framer: x2.NewFramer(c, c), got: map[uint32]*got{}}
	r.AllowIllegalWrites = true
	r.enc = hpack.NewEncoder(&r.block)
	r.dec = hpack.NewDecoder(4096, nil)
	return r
}

// dial opens a connection and shakes hands.
func (s *server) dial(settings ...x2.Setting) *raw {
	s.T.Helper()
	r := s.connect()
	r.send(wire.Preface)
	r.ok(r.WriteSettings(settings...))
	r.ok(r.WriteSettingsAck())
	return r
}

func (r *raw) ok(err error) {
	r.t.Helper()
	if err != nil && !strings.Contains(err.Error(), "reset") && !strings.Contains(err.Error(), "broken pipe") {
		r.t.Fatal(err)
	}
}

// send sends octets; an error is left to whoever reads.
func (r *raw) send(text string) { _, _ = io.WriteString(r.Conn, text) }

// encode encodes fields, "name: value" each.
func (r *raw) encode(fields ...string) []byte {
	r.block.Reset()
	for _, f := range fields {
		i := strings.Index(f[1:], ":") + 1
		r.ok(r.enc.WriteField(hpack.HeaderField{Name: f[:i], Value: strings.TrimPrefix(f[i+1:], " ")}))
	}
	return bytes.Clone(r.block.Bytes())
}

// simple are the fields of a request.
func simple(method, path string, more ...string) []string {
	return append([]string{":method: " + method, ":scheme: http", ":path: " + path, ":authority: a"}, more...)
}

// open sends a head.
func (r *raw) open(id uint32, end bool, fields ...string) {
	r.t.Helper()
	r.ok(r.WriteHeaders(x2.HeadersFrameParam{StreamID: id, EndStream: end, EndHeaders: true, BlockFragment: r.encode(fields...)}))
}

// get sends a whole request.
func (r *raw) get(id uint32, path string) { r.open(id, true, simple("GET", path)...) }

func (r *raw) of(id uint32) *got {
	g := r.got[id]
	if g == nil {
		g = &got{}
		r.got[id] = g
	}
	return g
}

// read takes a frame in and returns it, or the error that ended the connection.
func (r *raw) read() (x2.Frame, error) {
	f, err := r.ReadFrame()
	if err != nil {
		return nil, err
	}
	g := r.of(f.Header().StreamID)
	switch f := f.(type) {
	case *x2.HeadersFrame:
		fields := map[string]string{}
		r.dec.SetEmitFunc(func(h hpack.HeaderField) { fields[h.Name] = h.Value })
		if _, err := r.dec.Write(f.HeaderBlockFragment()); err != nil {
			r.t.Fatal(err)
		}
		switch status := fields[":status"]; {
		case strings.HasPrefix(status, "1"):
			g.interim = append(g.interim, status)
		case g.fields == nil:
			g.fields = fields
		default:
			g.trailers = fields
		}
		g.ended = f.StreamEnded()
	case *x2.DataFrame:
		g.body = append(g.body, f.Data()...)
		g.ended = f.StreamEnded()
		if n := uint32(len(f.Data())); n > 0 && !r.deaf {
			r.ok(r.WriteWindowUpdate(0, n))
			if !g.ended {
				r.ok(r.WriteWindowUpdate(f.StreamID, n))
			}
		}
	case *x2.RSTStreamFrame:
		g.reset, g.code = true, wire.Code(f.ErrCode)
	case *x2.GoAwayFrame:
		r.goAways = append(r.goAways, f.LastStreamID)
	}
	return f, nil
}

// until reads until done.
func (r *raw) until(what string, done func() bool) {
	r.t.Helper()
	for !done() {
		if _, err := r.read(); err != nil {
			r.t.Fatalf("%v before this: %s; got %+v", err, what, r.got)
		}
	}
}

// answer reads until the stream is over, one way or the other.
func (r *raw) answer(id uint32) *got {
	r.t.Helper()
	g := r.of(id)
	r.until("the end of a stream", func() bool { return g.ended || g.reset })
	return g
}

// goAway reads until the connection ends by GOAWAY with that code.
func (r *raw) goAway(code wire.Code) {
	r.t.Helper()
	for {
		f, err := r.read()
		if err != nil {
			r.t.Fatalf("%v, want GOAWAY %v", err, code)
		}
		if g, ok := f.(*x2.GoAwayFrame); ok {
			if wire.Code(g.ErrCode) != code {
				r.t.Errorf("got %v %q, want %v", wire.Code(g.ErrCode), g.DebugData(), code)
			}
			break
		}
	}
	r.ended()
}

// ended reads to the end.
func (r *raw) ended() {
	r.t.Helper()
	for {
		if _, err := r.read(); err != nil {
			if ne, ok := err.(net.Error); ok && ne.Timeout() {
				r.t.Errorf("the connection was not closed: %v", err)
			}
			return
		}
	}
}

// pinged waits until the server has come to what was sent before.
func (r *raw) pinged() {
	r.t.Helper()
	r.ok(r.WritePing(false, [8]byte{1}))
	for {
		f, err := r.read()
		if err != nil {
			r.t.Fatal(err)
		}
		if p, ok := f.(*x2.PingFrame); ok && p.IsAck() {
			return
		}
	}
}
