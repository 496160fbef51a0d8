package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"rickhouse/internal/websocket"
	wire "rickhouse/internal/wire/websocket"
)

// multiplexed is a connection of HTTP/2.
type multiplexed struct {
	t testing.TB
	net.Conn
	*http2.Framer
}

func dialHTTP2(t testing.TB, addr string) *multiplexed {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	m := &multiplexed{t, c, http2.NewFramer(c, c)}
	m.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	_, _ = io.WriteString(c, http2.ClientPreface)
	_ = m.WriteSettings()
	for {
		f := m.next()
		if s, ok := f.(*http2.SettingsFrame); ok && !s.IsAck() {
			if v, ok := s.Value(http2.SettingEnableConnectProtocol); !ok || v != 1 {
				t.Fatal("the server does not offer extended CONNECT")
			}
			_ = m.WriteSettingsAck()
			return m
		}
	}
}

func (m *multiplexed) next() http2.Frame {
	m.t.Helper()
	f, err := m.ReadFrame()
	if err != nil {
		m.t.Fatal(err)
	}
	return f
}

// open asks for a WebSocket in a stream (RFC 8441 §5).
func (m *multiplexed) open(stream uint32, path string, fields ...string) {
	m.t.Helper()
	var block bytes.Buffer
	enc := hpack.NewEncoder(&block)
	for _, f := range append([]string{
		":method: CONNECT", ":protocol: websocket", ":scheme: http", ":path: " + path, ":authority: a",
		"sec-websocket-version: 13",
	}, fields...) {
		i := strings.Index(f[1:], ": ") + 1
		_ = enc.WriteField(hpack.HeaderField{Name: f[:i], Value: f[i+2:]})
	}
	if err := m.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: block.Bytes(), EndHeaders: true}); err != nil {
		m.t.Fatal(err)
	}
}

// read returns what comes in a stream until its head is there (want is 0), want
// octets of content are, or it ends: its fields as lines, the content, and how
// it ended.
func (m *multiplexed) read(stream uint32, want int) (head, content, end string) {
	m.t.Helper()
	for want <= 0 || len(content) < want {
		switch f := m.next().(type) {
		case *http2.MetaHeadersFrame:
			for _, h := range f.Fields {
				if h.Name != "date" && h.Name != "server" {
					head += h.Name + ": " + h.Value + "\n"
				}
			}
			if f.StreamEnded() {
				return head, content, "end"
			}
			if want == 0 {
				return head, content, ""
			}
		case *http2.DataFrame:
			if f.StreamID == stream {
				content += string(f.Data())
			}
			if f.StreamEnded() {
				return head, content, "end"
			}
		case *http2.RSTStreamFrame:
			return head, content, fmt.Sprint("reset ", f.ErrCode)
		}
	}
	return head, content, ""
}

// WebSockets come over HTTP/2 as well, several on one connection.
func TestHTTP2(t *testing.T) {
	told := make(chan string, 2)
	_, addr := serve(t, websocket.Config{}, func(e *echo) {
		e.closed = func(code int, reason string) { told <- fmt.Sprint(code, " ", reason) }
	})
	m := dialHTTP2(t, addr)
	m.open(1, "/", "sec-websocket-extensions: permessage-deflate")
	head, _, _ := m.read(1, 0)
	if want := ":status: 200\nsec-websocket-extensions: " + (wire.Deflate{}).Response() + "\nx-echo: yes\n"; head != want {
		t.Fatalf("answered %q, want %q", head, want)
	}
	m.open(3, "/?subprotocol=b", "sec-websocket-protocol: a, b")
	if head, _, _ = m.read(3, 0); head != ":status: 200\nsec-websocket-protocol: b\nx-echo: yes\n" {
		t.Fatalf("answered %q", head)
	}
	for _, stream := range []uint32{1, 3} {
		for _, size := range []int{0, 5, 1000} {
			_ = m.WriteData(stream, false, frame(0x81, []byte(strings.Repeat("€", size))))
			_, got, end := m.read(stream, 2)
			for h, n, _ := wire.ParseHeader([]byte(got)); end == "" && (n == 0 || len(got) < n+int(h.Length)); h, n, _ = wire.ParseHeader([]byte(got)) {
				var more string
				_, more, end = m.read(stream, 1)
				got += more
			}
			if h, n, _ := wire.ParseHeader([]byte(got)); end != "" || !h.Compressed && string(got[n:]) != strings.Repeat("€", size) {
				t.Errorf("stream %d: %d characters came back as %.40q, %s", stream, size, got, end)
			}
		}
	}
	_ = m.WriteData(1, false, frame(0x88, []byte("\x03\xe8")))
	if _, got, end := m.read(1, -1); got != "\x88\x02\x03\xe8" || end != "end" {
		t.Errorf("the close is answered by %q, %s", got, end)
	}
	if got := <-told; got != "1000 " {
		t.Errorf("told %q", got)
	}
	_ = m.WriteRSTStream(3, http2.ErrCodeCancel)
	if got := <-told; got != "1006 " {
		t.Errorf("told %q", got)
	}
}

func TestHTTP2Refuses(t *testing.T) {
	_, addr := serve(t, websocket.Config{}, nil)
	m := dialHTTP2(t, addr)
	m.open(1, "/?refuse")
	if head, _, _ := m.read(1, -1); !strings.HasPrefix(head, ":status: 403\n") {
		t.Errorf("answered %q", head)
	}
}
