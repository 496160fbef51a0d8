package gateway

import (
	"encoding/binary"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"rickhouse/internal/exchange"
	"rickhouse/internal/front"
	"rickhouse/internal/testkit"
	"rickhouse/internal/units"
	wire "rickhouse/internal/wire/fastcgi"
)

func TestRefused(t *testing.T) {
	each(t, func(t *testing.T, protocol string) {
		s := start(t, protocol, settings{common: front.Config{MaxBody: 1000, MaxFields: 5}}, echo(1000))
		for _, c := range []struct {
			name, content, want string
			variables           []string
		}{
			{"a dangerous variable", "", "403 Forbidden", []string{"UWSGI_FILE=/tmp/evil.py"}},
			{"another", "", "403 Forbidden", []string{"UWSGI_PYHOME=/tmp"}},
			{"above the root", "", "400 Bad Request", []string{"PATH_INFO=/../x"}},
			{"a field that is none", "", "400 Bad Request", []string{"HTTP_A=b\nc"}},
			{"many fields", "", "431 Request Header Fields Too Large", strings.Split("HTTP_A= HTTP_B= HTTP_C= HTTP_D= HTTP_E= HTTP_F=", " ")},
			{"a long field", "", "431 Request Header Fields Too Large", []string{"HTTP_A=" + strings.Repeat("a", 9000)}},
			{"large variables", "", "431 Request Header Fields Too Large", []string{"A=" + strings.Repeat("a", 60000)}},
			{"large content", strings.Repeat("a", 1001), "413 Request Entity Too Large", nil},
			{"CONNECT", "", "501 Not Implemented", []string{"REQUEST_METHOD=CONNECT"}},
			{"a length that is none", "", "400 Bad Request", []string{"CONTENT_LENGTH=5x"}},
		} {
			if protocol == "scgi" && c.name == "a length that is none" {
				continue // frame writes the only one that counts
			}
			client := s.dial().send(request(protocol, c.content, c.variables...))
			if got := client.read(); got.status != c.want {
				t.Errorf("%s: got %+v", c.name, got)
			} else if c.want == "403 Forbidden" && !strings.Contains(got.body, "the gateway sent UWSGI_") {
				t.Errorf("%s: it is not said why: %q", c.name, got.body)
			}
			client.ended()
		}
		if log := s.Log.String(); !strings.Contains(log, "the gateway sent UWSGI_FILE: a variable that tells a server what to load") {
			t.Error("the dangerous variable is not in the log")
		}
		s.Until("every connection is closed", func() bool { return s.open.Load() == 0 })
	})
}

// What speaks something else gets an answer or none, and the end.
func TestGarbage(t *testing.T) {
	for protocol, texts := range map[string][]string{
		"uwsgi":   {"GET / HTTP/1.1\r\n\r\n", "\x1e\x00\x00\x00", "\x00\xff\xff\x00", "\x00\x03\x00\x00abc"},
		"scgi":    {"GET / HTTP/1.1\r\n\r\n", "5:hello,", "99999999:", "17:CONTENT_LENGTH\x000\x00;"},
		"fastcgi": {"GET / HTTP/1.1\r\n\r\n", "\x01\x09\x00\x00\xff\xff\x00\x00", "\x01\x01\x00\x01\x00\x00\x00\x00"},
	} {
		t.Run(protocol, func(t *testing.T) {
			s := start(t, protocol, settings{}, echo(1))
			for _, text := range texts {
				c := s.dial().send([]byte(text))
				if protocol == "fastcgi" {
					c.ended()
				} else if got := c.read(); !strings.HasPrefix(got.status, "4") {
					t.Errorf("%q: got %+v", text, got)
				}
				_ = c.Close()
			}
			s.Until("every connection is closed", func() bool { return s.open.Load() == 0 })
			if c := s.counters(); int(c.Refused) != len(texts) || c.Open != 0 {
				t.Errorf("counted %+v", c)
			}
		})
	}
}

// Content that ends before it is whole is never taken for whole.
func TestCutContent(t *testing.T) {
	each(t, func(t *testing.T, protocol string) {
		h := testkit.NewHeld()
		s := start(t, protocol, settings{}, h)
		b := frame(protocol, "part", 100, "REQUEST_METHOD=POST", "PATH_INFO=/", "HTTP_HOST=h")
		c := s.dial().send(b)
		x := testkit.Wait(t, h.Began, "the request comes")
		s.Do(func() { x.Demand(1000) })
		if protocol != "fastcgi" {
			_ = c.Conn.(*net.TCPConn).CloseWrite()
		}
		err := testkit.Wait(t, h.Ends, "the content ends")
		if exchange.AsError(err).Status != 400 {
			t.Errorf("got %v", err)
		}
		s.Do(func() { x.Fail(err) })
		if got := c.read(); got.status != "400 Bad Request" {
			t.Errorf("got %+v", got)
		}
	})
}

func TestFastCGITooMuchContent(t *testing.T) {
	s := start(t, "fastcgi", settings{}, echo(1000))
	c := s.dial().send(frame("fastcgi", "more than that", 4, "REQUEST_METHOD=POST", "PATH_INFO=/", "HTTP_HOST=h"))
	if got := c.read(); got.status != "400 Bad Request" {
		t.Errorf("got %+v", got)
	}
	c.ended()
}

// Content of unknown length is bounded as it comes.
func TestFastCGIUnknownLength(t *testing.T) {
	s := start(t, "fastcgi", settings{common: front.Config{MaxBody: units.Size(100000)}}, echo(1000))
	basic := []string{"REQUEST_METHOD=POST", "PATH_INFO=/", "HTTP_HOST=h", "HTTP_TRANSFER_ENCODING=chunked"}
	c := s.dial()
	if got := c.send(fastcgi(1, wire.KeepConn, "hello", -1, basic...)).read(); !strings.Contains(got.body, " -1 ") || !strings.HasSuffix(got.body, " hello") {
		t.Errorf("got %+v", got)
	}
	if got := c.send(fastcgi(2, wire.KeepConn, "", -1, basic...)).read(); !strings.Contains(got.body, " 0 ") {
		t.Errorf("empty: got %+v", got)
	}
	if got := c.send(fastcgi(3, wire.KeepConn, strings.Repeat("x", 100001), -1, basic...)).read(); got.status != "413 Request Entity Too Large" {
		t.Errorf("too large: got %+v", got)
	}
}

func TestChunkedWithoutLength(t *testing.T) {
	for _, protocol := range []string{"uwsgi"} {
		s := start(t, protocol, settings{}, echo(1))
		b := request(protocol, "", "HTTP_TRANSFER_ENCODING=chunked", "CONTENT_LENGTH=")
		// The last one counts: an empty length behind the one that frame wrote.
		b = replaceLength(t, b)
		if got := s.dial().send(b).read(); got.status != "411 Length Required" {
			t.Errorf("%s: got %+v", protocol, got)
		}
	}
}

// replaceLength renames the last variable of a uwsgi packet, CONTENT_LENGTH.
func replaceLength(t *testing.T, b []byte) []byte {
	t.Helper()
	i := strings.LastIndex(string(b), "CONTENT_LENGTH")
	if i < 0 || int(binary.LittleEndian.Uint16(b[1:]))+4 != len(b) {
		t.Fatal("this is no packet")
	}
	copy(b[i:], "CONTENT_LENGTX")
	return b
}

func TestSlowPeers(t *testing.T) {
	slow := front.Config{MinRateGrace: 50 * time.Millisecond, IdleTimeout: 50 * time.Millisecond}
	each(t, func(t *testing.T, protocol string) {
		h := testkit.NewHeld()
		s := start(t, protocol, settings{common: slow}, h)
		begun := frame(protocol, "", 10, "REQUEST_METHOD=POST", "PATH_INFO=/", "HTTP_HOST=h")
		if protocol == "fastcgi" {
			begun = begun[:len(begun)-wire.HeaderSize]
		}
		c := s.dial().send(begun)
		x := testkit.Wait(t, h.Began, "the request comes")
		s.Do(func() { x.Demand(10) })
		err := testkit.Wait(t, h.Ends, "slow content ends")
		s.Do(func() { x.Fail(err) })
		if got := c.read(); got.status != "408 Request Timeout" {
			t.Errorf("slow content: got %+v", got)
		}
		_ = c.Close()
		s.dial().send(request(protocol, ""))
		x = testkit.Wait(t, h.Began, "the request comes")
		s.Do(func() {
			x.Response.Status = 200
			x.Head()
			for range 200 {
				x.Data(make([]byte, 100000))
			}
		})
		if err := testkit.Wait(t, h.Causes, "a peer that takes nothing is cut"); !errors.Is(err, front.ErrSlowReader) {
			t.Errorf("got %v", err)
		}
		s.Do(func() { x.Abort(err) })
		s.Until("every connection is closed", func() bool { return s.open.Load() == 0 })
	})
}

func TestSlowHeads(t *testing.T) {
	each(t, func(t *testing.T, protocol string) {
		s := start(t, protocol, settings{common: front.Config{HeaderTimeout: 2 * time.Second}}, echo(1))
		silent := s.dial()
		part := request(protocol, "")
		if protocol == "fastcgi" {
			part = part[:len(part)-2*wire.HeaderSize]
		}
		if got := s.dial().send(part[:len(part)-1]).read(); got.status != "408 Request Timeout" {
			t.Errorf("got %+v", got)
		}
		silent.ended()
	})
}

// Whoever answers is told when the gateway, or its client, goes away.
func TestGone(t *testing.T) {
	each(t, func(t *testing.T, protocol string) {
		for _, unix := range []bool{false, true} {
			h := testkit.NewHeld()
			s := start(t, protocol, settings{unix: unix}, h)
			c := s.dial().send(request(protocol, ""))
			x := testkit.Wait(t, h.Began, "the request comes")
			_ = c.Close()
			cause := testkit.Wait(t, h.Causes, "the Server is told")
			if !errors.Is(cause, exchange.ErrHalfClosed) && !errors.Is(cause, exchange.ErrClientGone) {
				t.Errorf("got %v", cause)
			}
			s.Do(func() { x.Abort(cause) })
			s.Until("the connection is closed", func() bool { return s.open.Load() == 0 })
			s.Seen(1)
		}
	})
}

func TestStrangers(t *testing.T) {
	each(t, func(t *testing.T, protocol string) {
		for remote, want := range map[string]bool{"192.0.2.1:5": false, "198.51.100.7:5": true, "[2001:db8::1]:5": false, "[::1]:5": true, "127.9.9.9:5": true} {
			s := start(t, protocol, settings{remote: remote, own: Config{Peers: []string{"198.51.100.0/24"}}}, echo(1))
			c := s.dial().send(request(protocol, ""))
			text, err := c.text()
			if got := err == nil && text != ""; got != want {
				t.Errorf("%s: got %q, %v", remote, text, err)
			}
			if !want {
				s.Until("it is logged", func() bool { return strings.Contains(s.Log.String(), "add it to gateway_peers") })
			}
			if n := s.counters().Strangers; (n == 0) != want {
				t.Errorf("%s: %d strangers", remote, n)
			}
		}
	})
}

func TestConfigMistakes(t *testing.T) {
	err := Config{Peers: []string{"10.0.0.0/8", "::1", "example.org"}}.Validate()
	if err == nil || !strings.HasPrefix(err.Error(), `gateway_peers[2]: "example.org" is not`) {
		t.Errorf("got %v", err)
	}
}
