package http2

import (
	"strings"
	"testing"

	x2 "golang.org/x/net/http2"

	"rickhouse/internal/exchange"
	"rickhouse/internal/testkit"
	wire "rickhouse/internal/wire/http2"
)

// mirror accepts a tunnel and sends back what comes.
type mirror struct{ window int }

func (m *mirror) Serve(x *exchange.Exchange) {
	if string(x.Request.Upgrade) != "websocket" && x.Request.Form != exchange.AuthorityForm {
		x.Answer(400, "no upgrade")
		return
	}
	x.Server = m
	x.Response.Status = 101
	if x.Request.Form == exchange.AuthorityForm {
		x.Response.Status = 200
	}
	x.Response.Add("Sec-WebSocket-Protocol", "chat")
	x.Head()
	x.Data([]byte(string(x.Request.Method) + " " + string(x.Request.Path) + ";"))
	x.Demand(m.window)
}

func (m *mirror) Content(x *exchange.Exchange, p []byte) {
	x.Data(p)
	x.Demand(len(p))
}
func (m *mirror) ContentEnd(x *exchange.Exchange, _ error) { x.End() }
func (m *mirror) Drained(*exchange.Exchange, int)          {}
func (m *mirror) Gone(x *exchange.Exchange, err error)     { x.Abort(err) }

func connect(path string, more ...string) []string {
	return append([]string{":method: CONNECT", ":protocol: websocket", ":scheme: http", ":path: " + path, ":authority: a"}, more...)
}

func TestExtendedConnect(t *testing.T) {
	s := start(t, settings{}, &mirror{window: 3})
	r := s.dial()
	f, err := r.ReadFrame()
	if err != nil {
		t.Fatal(err)
	}
	if v, ok := f.(*x2.SettingsFrame).Value(x2.SettingEnableConnectProtocol); !ok || v != 1 {
		t.Error("the client is not told that there is extended CONNECT")
	}
	r.open(1, false, connect("/chat?x", "sec-websocket-version: 13")...)
	r.ok(r.WriteData(1, false, []byte("early ")))
	g := r.of(1)
	r.until("an echo", func() bool { return strings.HasSuffix(string(g.body), "early ") })
	if g.fields[":status"] != "200" || g.fields["content-length"] != "" || g.fields["sec-websocket-protocol"] != "chat" {
		t.Errorf("got %+v", g)
	}
	long := strings.Repeat("0123456789", 20000)
	for rest := long; rest != ""; {
		n := min(len(rest), 10000)
		r.ok(r.WriteData(1, false, []byte(rest[:n])))
		rest = rest[n:]
		want := len("GET /chat;early ") + len(long) - len(rest)
		r.until("the echo of it", func() bool { return len(g.body) == want })
	}
	r.ok(r.WriteData(1, true, []byte(" end")))
	if g := r.answer(1); string(g.body) != "GET /chat;early "+long+" end" || g.reset {
		t.Errorf("got %d octets, reset %v", len(g.body), g.reset)
	}
	if o := s.Seen(1)[0]; o.Err != nil || o.Status != 101 || o.Method != "GET" {
		t.Errorf("observed %+v", o)
	}
}

func TestConnectRefused(t *testing.T) {
	s := start(t, settings{}, &mirror{window: 3})
	r := s.dial()
	fields := connect("/")
	fields[1] = ":protocol: other"
	r.open(1, false, fields...)
	r.ok(r.WriteData(1, false, []byte("nobody reads this")))
	if g := r.answer(1); g.fields[":status"] != "400" || string(g.body) != "no upgrade" {
		t.Errorf("got %+v", g)
	}
	r.open(3, false, ":method: CONNECT", ":authority: example.org:443")
	r.ok(r.WriteData(3, true, []byte("hello")))
	if g := r.answer(3); g.fields[":status"] != "200" || string(g.body) != "CONNECT ;hello" {
		t.Errorf("got %+v", g)
	}
	for i, bad := range [][]string{
		{":method: GET", ":protocol: websocket", ":scheme: http", ":path: /", ":authority: a"},
		{":method: CONNECT", ":protocol: websocket", ":authority: a"},
		{":method: CONNECT", ":protocol: websocket", ":scheme: http", ":path: /"},
		{":method: CONNECT", ":scheme: http", ":path: /", ":authority: a:1"},
		connect("/", "content-length: 3"),
	} {
		id := uint32(5 + 2*i)
		r.open(id, false, bad...)
		if g := r.answer(id); !g.reset || g.code != wire.ProtocolError {
			t.Errorf("%q: got %+v", bad, g)
		}
	}
}

// An aborted tunnel is cut, which its client can tell.
func TestTunnelAbort(t *testing.T) {
	h := testkit.NewHeld()
	s := start(t, settings{}, h)
	r := s.dial()
	r.open(1, false, connect("/")...)
	x := testkit.Wait(t, h.Began, "a request")
	s.Do(func() {
		x.Response.Status = 101
		x.Head()
		x.Abort(nil)
	})
	if g := r.answer(1); !g.reset || g.code != wire.Cancel {
		t.Errorf("got %+v", g)
	}
}
