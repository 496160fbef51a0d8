package http1

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"strings"
	"testing"

	"rickhouse/internal/exchange"
	"rickhouse/internal/testkit/onloop"
)

const (
	lineOfFour = "PROXY TCP4 10.1.2.3 192.0.2.1 4660 443\r\n"
	lineOfSix  = "PROXY TCP6 2001:db8::1 ::1 4660 443\r\n"
	two        = "\r\n\r\n\x00\r\nQUIT\n"
	binaryFour = two + "\x21\x11\x00\x0c\x0a\x01\x02\x03\xc0\x00\x02\x01\x12\x34\x01\xbb"
	binaryTLV  = two + "\x21\x11\x00\x12\x0a\x01\x02\x03\xc0\x00\x02\x01\x12\x34\x01\xbb\x04\x00\x03abc"
	binaryOwn  = two + "\x20\x00\x00\x00"
)

var binaryUnix = two + "\x21\x31\x00\xd8" + strings.Repeat("\x00", 216)

// ends answers with who talks to whom.
func ends(x *exchange.Exchange) {
	r := &x.Request
	x.Answer(200, fmt.Sprintf("%s %s:%d > %s:%d", r.Scheme, r.ClientAddr, r.ClientPort, r.ServerAddr, r.ServerPort))
}

func announcing(networks ...string) Config { return Config{ProxyProtocol: networks} }

// own is what is said of a connection for which nothing is announced.
func (s *server) own(scheme string, c *client) string {
	return fmt.Sprintf("%s %s > 127.0.0.1:%d", scheme, c.LocalAddr(), s.Listener.Addr().Port)
}

func TestAnnouncedClients(t *testing.T) {
	s := start(t, announcing("127.0.0.1"), handler(ends))
	for name, test := range map[string]struct{ header, want string }{
		"1, IPv4":    {lineOfFour, "http 10.1.2.3:4660 > 192.0.2.1:443"},
		"1, IPv6":    {lineOfSix, "http 2001:db8::1:4660 > ::1:443"},
		"1, unknown": {"PROXY UNKNOWN\r\n", ""},
		"2, IPv4":    {binaryFour, "http 10.1.2.3:4660 > 192.0.2.1:443"},
		"2, TLVs":    {binaryTLV, "http 10.1.2.3:4660 > 192.0.2.1:443"},
		"2, local":   {binaryOwn, ""},
		"2, unix":    {binaryUnix, "http :0 > :0"},
	} {
		for _, inPieces := range []bool{false, true} {
			c := s.dial()
			want := test.want
			if want == "" {
				want = s.own("http", c)
			}
			if inPieces {
				for i := range len(test.header) {
					c.send(test.header[i : i+1])
				}
			} else {
				c.send(test.header)
			}
			for range 2 {
				if res := c.get(get("/")); res.body != want {
					t.Errorf("%s: got %q, want %q", name, res.body, want)
				}
			}
			_ = c.Close()
		}
		// The request comes along.
		if c := s.dial(); c.send(test.header+get("/")).read("GET").StatusCode != 200 {
			t.Errorf("%s: a request that comes along is not answered", name)
		}
	}
}

// The header stands before TLS, and is told apart from that of HTTP within.
func TestAnnouncedClientsOfTLS(t *testing.T) {
	s, cfg := startTLS(t, announcing("127.0.0.0/8"), handler(ends))
	for name, test := range map[string]struct{ header, want string }{
		"1": {lineOfFour, "https 10.1.2.3:4660 > 192.0.2.1:443"},
		"2": {binaryTLV, "https 10.1.2.3:4660 > 192.0.2.1:443"},
		"3": {binaryOwn, ""},
	} {
		c := s.dial()
		want := test.want
		if want == "" {
			want = s.own("https", c)
		}
		// The header and the first record come together.
		hello := &held1{client: c, first: test.header}
		secure := tls.Client(hello, cfg)
		if err := secure.Handshake(); err != nil {
			t.Fatal(err)
		}
		if res := (&client{t, secure, bufio.NewReader(secure)}).get(get("/")); res.body != want {
			t.Errorf("%s: got %q, want %q", name, res.body, want)
		}
	}
	// Who speaks HTTP behind it is told so.
	if res := s.dial().send(lineOfFour).get(get("/")); res.StatusCode != 400 || !strings.Contains(res.body, "https") {
		t.Errorf("cleartext gets %d %q", res.StatusCode, res.body)
	}
}

// held1 is a connection that sends something before its first octets, with these.
type held1 struct {
	*client
	first string
}

func (h *held1) Write(p []byte) (int, error) {
	text := h.first + string(p)
	h.first = ""
	if _, err := h.Conn.Write([]byte(text)); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Read reads what the client's reader would.
func (h *held1) Read(p []byte) (int, error) { return h.Conn.Read(p) }

func TestAnnouncedAtAUnixSocket(t *testing.T) {
	s := startUnix(t, announcing("unix"), handler(ends))
	if res := s.dial().send(lineOfFour).get(get("/")); res.body != "http 10.1.2.3:4660 > 192.0.2.1:443" {
		t.Errorf("got %q", res.body)
	}
}

// A peer that has to announce its clients, and does not, gets nothing.
func TestWhoDoesNotAnnounce(t *testing.T) {
	for name, text := range map[string]string{
		"a request":        get("/"),
		"the preface":      preface,
		"garbage":          "PROXY TCP4 10.1.2.3\r\n" + get("/"),
		"a wrong address":  "PROXY TCP4 ::1 ::1 1 1\r\n" + get("/"),
		"a line too long":  "PROXY UNKNOWN " + strings.Repeat("x", 200) + "\r\n" + get("/"),
		"too long":         two + "\x21\x11\xff\xff" + strings.Repeat("x", 5000),
		"another version":  two + "\x31\x11\x00\x0c" + strings.Repeat("x", 12),
		"half of 1":        lineOfFour[:20],
		"half of 2":        binaryFour[:20],
		"one octet":        "P",
		"twice":            lineOfFour + lineOfFour + get("/"),
		"twice, in either": binaryFour + lineOfFour + get("/"),
	} {
		s := start(t, announcing("127.0.0.1"), handler(ends))
		c := s.dial().send(text)
		if strings.HasPrefix(name, "half") || name == "one octet" {
			c.finishSending()
		}
		b, err := io.ReadAll(c.r) // what is not read resets the connection
		if got := string(b); onloop.IsTimeout(err) || strings.Contains(got, "200") || got != "" && !strings.HasPrefix(name, "twice") {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
		if !strings.HasPrefix(name, "twice") && !strings.Contains(s.Log.String(), "sent no right header") {
			t.Errorf("%s: the log has\n%s", name, s.Log.String())
		}
		_ = c.Close()
		s.Until(name+": the connection is gone", func() bool { return s.counters().Open == 0 })
		if n := s.counters(); n.Requests != 0 || n.Idle != 0 {
			t.Errorf("%s: counters %+v", name, n)
		}
	}
	// Who only looks whether somebody listens is not worth a line.
	s := start(t, announcing("127.0.0.1"), handler(ends))
	c := s.dial()
	c.finishSending()
	if got := c.all(); got != "" || s.Log.String() != "" {
		t.Errorf("got %q, the log has\n%s", got, s.Log.String())
	}
}

// A header that does not come whole is not waited for longer than a head.
func TestAnAnnouncementIsBoundedInTime(t *testing.T) {
	s := start(t, announcing("127.0.0.1"), handler(ends))
	c := s.dial().send(lineOfFour[:10])
	s.hasten("the header is waited for", func(c *conn) bool { return c.announcement != nil && len(c.announcement.in) == 10 })
	c.ended()
}

// Who is not trusted cannot announce anybody.
func TestStrangersDoNotAnnounce(t *testing.T) {
	s := start(t, announcing("10.0.0.0/8", "unix"), handler(ends))
	if res := s.dial().send(lineOfFour).read("GET"); res.StatusCode != 400 {
		t.Errorf("got %d", res.StatusCode)
	}
	c := s.dial()
	if res := c.get(get("/")); res.body != s.own("http", c) {
		t.Errorf("got %q", res.body)
	}
}

// X-Forwarded-For counts where the announced client is a trusted proxy.
func TestAnnouncedProxies(t *testing.T) {
	cfg := announcing("127.0.0.1")
	cfg.TrustedProxies = []string{"10.0.0.0/8"}
	s := start(t, cfg, handler(ends))
	const request = "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n"
	if res := s.dial().send(lineOfFour).get(request); res.body != "http 1.2.3.4:0 > 192.0.2.1:443" {
		t.Errorf("got %q", res.body)
	}
	if res := s.dial().send(lineOfSix).get(request); res.body != "http 2001:db8::1:4660 > ::1:443" {
		t.Errorf("got %q", res.body)
	}
}

// A connection that is handed over takes along what was announced.
func TestHandoffOfTheAnnounced(t *testing.T) {
	d := fakeDoor(t, announcing("127.0.0.1"), newStatic())
	var got Handoff
	d.f.parts.HTTP2 = func(_ *Door, h Handoff) { got = h }
	d.settings.HTTP2 = true
	s := &onloop.Stream{In: []byte(lineOfFour)}
	c := d.fakeConn(s)
	c.announcement = &announcement{}
	for text := preface; got.Stream == nil && text != ""; text = "" {
		c.Readable()
		s.In = []byte(text)
		c.Readable()
	}
	var req exchange.Request
	got.Origin.Identify(&req)
	if got.Remote.String() != "10.1.2.3:4660" || string(req.ServerAddr) != "192.0.2.1" || req.ServerPort != 443 {
		t.Errorf("got %+v, %+v", got, req)
	}
}
