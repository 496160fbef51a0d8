package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"rickhouse/internal/exchange"
	"rickhouse/internal/websocket"
	wire "rickhouse/internal/wire/websocket"
)

// patience is how long a test waits for what should happen.
const patience = 30 * time.Second

// serve runs a server for a test and returns its address.
func serve(t testing.TB, cfg websocket.Config, opened func(*echo)) (*server, string) {
	t.Helper()
	s, err := start("127.0.0.1:0", cfg, opened)
	if err != nil {
		t.Fatal(err)
	}
	var ended sync.WaitGroup
	ended.Go(func() {
		if err := s.loop.Run(); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		s.loop.Stop()
		ended.Wait()
		_ = s.ln.Close()
	})
	return s, s.ln.Addr().String()
}

// client is the other side of a WebSocket, by hand.
type client struct {
	t testing.TB
	net.Conn
	r *bufio.Reader
}

const key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

// handshake asks for a WebSocket with these lines and returns the answer.
func handshake(t testing.TB, addr, path, lines string) (*client, *http.Response) {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	_, _ = io.WriteString(c, "GET "+path+" HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"+lines+"\r\n")
	r := bufio.NewReaderSize(c, 512)
	res, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	return &client{t, c, r}, res
}

func dial(t testing.TB, addr string) *client {
	t.Helper()
	c, res := handshake(t, addr, "/", "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Extensions: permessage-deflate\r\n"+key)
	if res.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("answered %v", res)
	}
	return c
}

// frame is a frame of a client.
func frame(first byte, payload []byte) []byte {
	h := wire.Header{Masked: true, Mask: [4]byte{3, 1, 4, 1}, Length: int64(len(payload))}
	b := wire.AppendHeader(nil, h)
	b[0] = first
	n := len(b)
	b = append(b, payload...)
	wire.XOR(b[n:], h.Mask, 0)
	return b
}

// receive reads a frame.
func (c *client) receive() (wire.Header, []byte) {
	c.t.Helper()
	b, err := c.r.Peek(2)
	for n := 3; err == nil; n++ {
		h, k, bad := wire.ParseHeader(b)
		if bad != nil {
			c.t.Fatal(bad)
		}
		if k > 0 {
			p := make([]byte, h.Length)
			_, _ = c.r.Discard(k)
			_, err = io.ReadFull(c.r, p)
			if err != nil {
				break
			}
			return h, p
		}
		b, err = c.r.Peek(n)
	}
	c.t.Fatalf("reading a frame: %v", err)
	panic("unreachable")
}

// closed reads a Close frame and the end.
func (c *client) closed() string {
	c.t.Helper()
	h, p := c.receive()
	if h.Opcode != wire.ConnClose {
		c.t.Fatalf("got %+v %q, want a close", h, p)
	}
	if rest, err := io.ReadAll(c.r); err != nil || len(rest) > 0 {
		c.t.Errorf("after the close: %q, %v", rest, err)
	}
	code, reason, _ := wire.ParseClose(p)
	return fmt.Sprintf("%d %s", code, reason)
}

func TestHandshake(t *testing.T) {
	_, addr := serve(t, websocket.Config{}, nil)
	const version = "Sec-WebSocket-Version: 13\r\n"
	for name, c := range map[string]struct {
		path, lines string
		status      int
		fields      map[string]string
	}{
		"accepted": {"/", version + key, 101, map[string]string{
			"Upgrade": "websocket", "Connection": "upgrade", "Sec-WebSocket-Accept": "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
			"X-Echo": "yes", "Sec-WebSocket-Extensions": "", "Sec-WebSocket-Protocol": "", "Content-Length": "", "Transfer-Encoding": "",
		}},
		"compressed": {"/", version + key + "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n", 101, map[string]string{
			"Sec-WebSocket-Extensions": "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
		}},
		"a subprotocol":            {"/?subprotocol=b", version + key + "Sec-WebSocket-Protocol: a, b\r\n", 101, map[string]string{"Sec-WebSocket-Protocol": "b"}},
		"one that was not offered": {"/?subprotocol=c", version + key + "Sec-WebSocket-Protocol: a, b\r\n", 500, nil},
		"an old version": {"/", "Sec-WebSocket-Version: 8\r\n" + key, 426, map[string]string{
			"Sec-WebSocket-Version": "13", "Upgrade": "websocket", "Connection": "upgrade",
		}},
		"no key":   {"/", version, 400, nil},
		"refused":  {"/?refuse", version + key, 403, map[string]string{"Connection": ""}},
		"no list":  {"/", version + key + "Sec-WebSocket-Extensions: a b\r\n", 400, nil},
		"contents": {"/", version + key + "Content-Length: 3\r\n", 400, nil},
	} {
		t.Run(name, func(t *testing.T) {
			_, res := handshake(t, addr, c.path, c.lines)
			if res.StatusCode != c.status {
				t.Errorf("answered %d", res.StatusCode)
			}
			for name, want := range c.fields {
				if got := res.Header.Get(name); got != want {
					t.Errorf("%s is %q, want %q", name, got, want)
				}
			}
		})
	}
}

// What comes with the handshake, in one packet, is read.
func TestEarlyFrames(t *testing.T) {
	_, addr := serve(t, websocket.Config{}, nil)
	early := string(frame(0x81, []byte("one"))) + string(frame(0x81, []byte("two")))
	c, _ := handshake(t, addr, "/", "Sec-WebSocket-Version: 13\r\n"+key+"\r\n"+early)
	for _, want := range []string{"one", "two"} {
		if _, p := c.receive(); string(p) != want {
			t.Errorf("got %q, want %q", p, want)
		}
	}
}

func TestClose(t *testing.T) {
	for name, c := range map[string]struct{ in, sent, told string }{
		"normal":        {string(frame(0x88, []byte("\x03\xe8bye"))), "1000 ", "1000 bye"},
		"a fault":       {"\x81\x00", "1002 a frame is not masked", "1002 a frame is not masked"},
		"not UTF-8":     {string(frame(0x81, []byte{0xff})), "1007 a text message is not UTF-8", "1007 a text message is not UTF-8"},
		"too large":     {string(frame(0x82, make([]byte, 2000))), "1009 a message is larger than 1000B", "1009 a message is larger than 1000B"},
		"going on then": {"\x83\x00" + strings.Repeat("x", 1<<20), "1002 a frame has the reserved opcode 0x3", "1002 a frame has the reserved opcode 0x3"},
	} {
		t.Run(name, func(t *testing.T) {
			told := make(chan string, 1)
			_, addr := serve(t, websocket.Config{MaxSize: 1000}, func(e *echo) {
				e.closed = func(code int, reason string) { told <- fmt.Sprintf("%d %s", code, reason) }
			})
			w := dial(t, addr)
			go func() { _, _ = io.WriteString(w, c.in) }()
			if got := w.closed(); got != c.sent {
				t.Errorf("sent %q", got)
			}
			if got := <-told; got != c.told {
				t.Errorf("told %q", got)
			}
		})
	}
}

// A client that is gone, by FIN or RST, in whatever state, is told of at once.
func TestVanish(t *testing.T) {
	told := make(chan int, 1)
	_, addr := serve(t, websocket.Config{}, func(e *echo) { e.closed = func(code int, _ string) { told <- code } })
	for _, before := range []string{"", "\x81", "\x01\x83abcd", string(frame(0x41, []byte("\xf2\x48")))} {
		for _, reset := range []bool{false, true} {
			c := dial(t, addr)
			_, _ = io.WriteString(c, before)
			if reset {
				_ = c.Conn.(*net.TCPConn).SetLinger(0)
			}
			_ = c.Close()
			select {
			case code := <-told:
				if code != wire.CodeAbnormal {
					t.Errorf("%q, reset %v: told %d", before, reset, code)
				}
			case <-time.After(patience):
				t.Fatalf("%q, reset %v: never told", before, reset)
			}
		}
	}
}

// A client that sends and reads nothing is stopped; when it reads at last, it
// gets everything.
func TestClientThatReadsLate(t *testing.T) {
	_, addr := serve(t, websocket.Config{}, nil)
	c, _ := handshake(t, addr, "/", "Sec-WebSocket-Version: 13\r\n"+key)
	_ = c.Conn.(*net.TCPConn).SetReadBuffer(64 << 10)
	const size = 1 << 20
	message := bytes.Repeat([]byte("0123456789abcdef"), size/16)
	sent := 0
	var stopped error
	for stopped == nil && sent < 256 {
		_ = c.SetWriteDeadline(time.Now().Add(time.Second))
		var n int
		n, stopped = c.Write(frame(0x82, message))
		if stopped != nil && n > 0 {
			// The rest of it, so that the stream is whole.
			rest := frame(0x82, message)[n:]
			go func() {
				_ = c.SetWriteDeadline(time.Now().Add(patience))
				_, _ = c.Write(rest)
			}()
		}
		if stopped == nil || n > 0 {
			sent++
		}
	}
	if sent == 256 {
		t.Fatal("256 MiB went in while nothing was read")
	}
	for i := range sent {
		var got []byte
		for {
			h, p := c.receive()
			if got = append(got, p...); h.Fin {
				break
			}
		}
		if !bytes.Equal(got, message) {
			t.Fatalf("message %d of %d came as %d octets", i, sent, len(got))
		}
	}
}

// An idle WebSocket holds no buffers. What is measured is the heap of both
// sides, whose clients hold 512 octets and their kin.
func TestIdleMemory(t *testing.T) {
	s, addr := serve(t, websocket.Config{}, nil)
	const count = 500
	text := []byte(strings.Repeat("hello ", 5000))
	var clients []*client
	var before, after runtime.MemStats
	settle := func() {
		done := make(chan struct{})
		s.loop.Post(exchange.TaskFunc(func() { close(done) }))
		<-done
		runtime.GC() // twice: what is pooled goes with the second
		runtime.GC()
	}
	for i := range count + 50 {
		if i == 50 {
			settle()
			runtime.ReadMemStats(&before)
		}
		c := dial(t, addr)
		_, _ = c.Write(frame(0x81, text))
		if _, p := c.receive(); len(p) == 0 {
			t.Fatal("nothing came back")
		}
		clients = append(clients, c)
	}
	settle()
	runtime.ReadMemStats(&after)
	each := (int64(after.HeapAlloc+after.StackInuse) - int64(before.HeapAlloc+before.StackInuse)) / count
	t.Logf("%d octets each, clients included", each)
	if each > 8<<10 {
		t.Errorf("an idle WebSocket takes %d octets", each)
	}
	runtime.KeepAlive(clients)
}
