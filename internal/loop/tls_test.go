package loop

import (
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rickhouse/internal/testkit"
)

func octets(n int) []byte {
	p := make([]byte, n)
	_, _ = rand.Read(p)
	return p
}

func TestTLSEchoOfMuch(t *testing.T) {
	versions(t, func(t *testing.T, _ uint16, change func(_, _ *tls.Config)) {
		for _, width := range [][]int{nil, {1000, 700}, {20000, 20000}} {
			l := startLoop(t, Config{})
			c := dialTLS(t, l, newSafe(newEcho()), change, width...)
			sent := octets(3 << 20)
			go func() {
				_, _ = c.Write(sent)
				_ = c.CloseWrite()
			}()
			got, err := io.ReadAll(c)
			if err != nil || !bytes.Equal(got, sent) {
				t.Errorf("width %v: got %d octets (%v), want the %d that were sent", width, len(got), err, len(sent))
			}
		}
	})
}

// Every record of handshake, data, KeyUpdate and close arrives and leaves octet
// by octet.
func TestTLSCutAtEveryOctet(t *testing.T) {
	versions(t, func(t *testing.T, _ uint16, change func(_, _ *tls.Config)) {
		l := startLoop(t, Config{})
		c := dialTLS(t, l, newSafe(newEcho()), change, 1, 1)
		for _, n := range []int{1, 2, 500, 1200} {
			sent := octets(n)
			if _, err := c.Write(sent); err != nil {
				t.Fatal(err)
			}
			got := make([]byte, n)
			if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, sent) {
				t.Fatalf("%d octets came back as %d others (%v)", n, len(got), err)
			}
		}
		if err := c.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if n, err := c.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("after close_notify: %d, %v; want the server's", n, err)
		}
	})
}

// What one Read leaves of a record, and whole records behind it, is told again
// without an event of the socket.
func TestTLSReadableAgain(t *testing.T) {
	l := startLoop(t, Config{})
	p := &probe{t: t}
	sent := octets(40 << 10)
	got := make(chan []byte, 1)
	var all []byte
	p.readable = func() {
		n, err := p.s.Read(make([]byte, 100))
		if err != nil && !errors.Is(err, ErrAgain) {
			t.Errorf("Read: %v", err)
		}
		if n > 100 {
			t.Errorf("Read gave %d octets of 100", n)
		}
		if all = append(all, make([]byte, n)...); len(all) == len(sent) {
			got <- all
		}
	}
	c := dialTLS(t, l, newSafe(p), nil)
	if _, err := c.Write(sent); err != nil {
		t.Fatal(err)
	}
	testkit.Wait(t, got, "all octets")
	on(t, l, func() { p.s.Close(true) })
}

// Readable waits while reading is not wanted, and comes when it is.
func TestTLSWantReadLater(t *testing.T) {
	l := startLoop(t, Config{})
	p := &probe{t: t}
	sizes := make(chan int, 10)
	p.readable = func() {
		n, _ := p.s.Read(make([]byte, 10))
		p.s.Want(false, false)
		sizes <- n
	}
	c := dialTLS(t, l, newSafe(p), nil)
	if _, err := c.Write(octets(15)); err != nil {
		t.Fatal(err)
	}
	if n := testkit.Wait(t, sizes, "the first octets"); n != 10 {
		t.Fatalf("the first Read gave %d", n)
	}
	on(t, l, func() {
		if len(sizes) > 0 {
			t.Error("Readable came though it was not wanted")
		}
		p.s.Want(true, false)
	})
	if n := testkit.Wait(t, sizes, "the rest"); n != 5 {
		t.Fatalf("the second Read gave %d", n)
	}
	on(t, l, func() { p.s.Close(true) })
}

func TestTLSWritev(t *testing.T) {
	l := startLoop(t, Config{})
	p := &probe{t: t}
	c := dialTLS(t, l, newSafe(p), nil)
	pieces := [][]byte{octets(3), {}, octets(40 << 10), octets(1), octets(15 << 10)}
	on(t, l, func() {
		n, err := p.s.Writev(pieces)
		if want := len(bytes.Join(pieces, nil)); err != nil || n != want {
			t.Errorf("Writev: %d, %v; want %d", n, err, want)
		}
		p.s.Close(false)
	})
	if got, err := io.ReadAll(c); err != nil || !bytes.Equal(got, bytes.Join(pieces, nil)) {
		t.Errorf("got %d octets (%v)", len(got), err)
	}
}

func TestTLSSendFile(t *testing.T) {
	l := startLoop(t, Config{})
	content := octets(1 << 20)
	name := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	p := &probe{t: t}
	offset := int64(7)
	p.writable = func() {
		n, err := p.s.SendFile(f, offset, int64(len(content))-offset)
		offset += n
		switch {
		case err == nil:
			n, err := p.s.SendFile(f, offset, 1)
			if n != 0 || !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, ErrAgain) {
				t.Errorf("past the end SendFile gave %d, %v", n, err)
			}
			p.s.Close(false)
		case !errors.Is(err, ErrAgain):
			t.Errorf("SendFile: %v", err)
			p.s.Close(true)
		}
	}
	c := dialTLS(t, l, newSafe(p), nil)
	on(t, l, func() { p.s.Want(false, true) })
	if got, err := io.ReadAll(c); err != nil || !bytes.Equal(got, content[7:]) {
		t.Errorf("got %d octets (%v), want %d", len(got), err, len(content)-7)
	}
}

// A client that takes nothing has no more held for it than the bound.
func TestTLSHoldsLittleForASlowClient(t *testing.T) {
	l := startLoop(t, Config{})
	p := &probe{t: t}
	c := dialTLS(t, l, newSafe(p), nil)
	total := 0
	on(t, l, func() {
		p.s.Want(false, false)
		block := octets(100 << 10)
		for {
			n, err := p.s.Write(block)
			total += n
			if errors.Is(err, ErrAgain) {
				break
			}
			if err != nil {
				t.Errorf("Write: %v", err)
				return
			}
		}
		if n, err := p.s.Write(block); n != 0 || !errors.Is(err, ErrAgain) {
			t.Errorf("another Write gave %d, %v", n, err)
		}
		if n := len(p.s.(*secure).out); n > secureChunk+secureChunk/4 {
			t.Errorf("%d octets of ciphertext are held", n)
		}
		p.s.Close(false) // what is held is sent, and close_notify
	})
	if n, err := io.Copy(io.Discard, c); err != nil || int(n) != total {
		t.Errorf("the client got %d octets (%v), want %d", n, err, total)
	}
}

// A client that takes nothing of what its own octets call for is not heard until
// it does.
func TestTLSReadingRestsWhenClogged(t *testing.T) {
	l := startLoop(t, Config{})
	p := &probe{t: t}
	read := make(chan int, 10)
	p.readable = func() {
		n, _ := p.s.Read(make([]byte, 10))
		read <- n
	}
	c := dialTLS(t, l, newSafe(p), nil)
	on(t, l, func() {
		s := p.s.(*secure)
		block := octets(secureChunk)
		for {
			if _, err := s.Write(block); errors.Is(err, ErrAgain) {
				break
			}
		}
		for len(s.out) <= secureHeld { // as KeyUpdates do
			_, _ = s.conn.Write(block)
		}
		s.update()
	})
	_, _ = c.Write([]byte("x"))
	on(t, l, func() {
		if n, err := p.s.Read(make([]byte, 1)); n != 0 || !errors.Is(err, ErrAgain) {
			t.Errorf("Read gave %d, %v", n, err)
		}
	})
	go func() { _, _ = io.Copy(io.Discard, c) }()
	if n := testkit.Wait(t, read, "the octet"); n != 1 {
		t.Errorf("Read gave %d", n)
	}
	on(t, l, func() { p.s.Close(true) })
}

func TestTLSHalfClose(t *testing.T) {
	versions(t, func(t *testing.T, _ uint16, change func(_, _ *tls.Config)) {
		l := startLoop(t, Config{})
		g := newGather(t)
		c := dialTLS(t, l, newSafe(g), change)
		_, _ = c.Write([]byte("question"))
		if err := c.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if err := testkit.Wait(t, g.end, "the end"); err != io.EOF {
			t.Fatalf("the end is %v, want io.EOF", err)
		}
		on(t, l, func() {
			if string(g.got) != "question" {
				t.Errorf("got %q", g.got)
			}
			if _, err := g.s.Write([]byte("answer")); err != nil {
				t.Errorf("Write: %v", err)
			}
			if err := g.s.CloseWrite(); err != nil {
				t.Errorf("CloseWrite: %v", err)
			}
			if _, err := g.s.Write([]byte("more")); err == nil {
				t.Error("a Write after CloseWrite succeeded")
			}
		})
		if got, err := io.ReadAll(c); err != nil || string(got) != "answer" {
			t.Errorf("the client read %q, %v", got, err)
		}
	})
}

// An end within a record is an error; one between records is an end.
func TestTLSTruncation(t *testing.T) {
	for _, cut := range []int{0, 1, 5, 20} {
		l := startLoop(t, Config{})
		g := newGather(t)
		c := dialTLS(t, l, newSafe(g), nil)
		under := c.NetConn().(*net.TCPConn)
		_, _ = c.Write([]byte("x"))
		record := append([]byte{23, 3, 3, 0, 40}, octets(40)...)
		_, _ = under.Write(record[:cut])
		_ = under.CloseWrite()
		want := io.EOF
		if cut > 0 {
			want = errCut
		}
		if err := testkit.Wait(t, g.end, "the end"); !errors.Is(err, want) {
			t.Errorf("cut after %d octets of a record: %v, want %v", cut, err, want)
		}
		on(t, l, func() { g.s.Close(true) })
	}
}

// A record that was changed on the way ends the connection, with an alert.
func TestTLSForgedRecord(t *testing.T) {
	l := startLoop(t, Config{})
	g := newGather(t)
	c := dialTLS(t, l, newSafe(g), nil)
	_, _ = c.NetConn().Write(append([]byte{23, 3, 3, 0, 40}, octets(40)...))
	if err := testkit.Wait(t, g.end, "the end"); !strings.Contains(fmt.Sprint(err), "bad record MAC") {
		t.Errorf("the end is %v", err)
	}
	on(t, l, func() { g.s.Close(false) })
	if _, err := c.Read(make([]byte, 1)); !strings.Contains(fmt.Sprint(err), "bad record MAC") {
		t.Errorf("the client is told %v", err)
	}
}

func TestTLSResetIsSeen(t *testing.T) {
	l := startLoop(t, Config{})
	p := &probe{t: t}
	c := dialTLS(t, l, newSafe(p), nil)
	on(t, l, func() { p.s.Close(true) })
	if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("the client is told %v, want a reset", err)
	}
}

// The client's reset reaches the Handler.
func TestTLSClientVanishes(t *testing.T) {
	l := startLoop(t, Config{})
	g := newGather(t)
	c := dialTLS(t, l, newSafe(g), nil)
	_ = c.NetConn().(*net.TCPConn).SetLinger(0)
	_ = c.NetConn().Close()
	if err := testkit.Wait(t, g.end, "the end"); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("the end is %v, want a reset", err)
	}
}

func TestTLSBeforeTheHandshake(t *testing.T) {
	server, client := identity(t)
	l := startLoop(t, Config{})
	p := &probe{t: t}
	h := newSafe(p)
	peer := attachTLS(t, l, server, h)
	on(t, l, func() {
		for what, err := range map[string]error{
			"Read":       second(p.s.Read(make([]byte, 1))),
			"Write":      second(p.s.Write([]byte("x"))),
			"Writev":     second(p.s.Writev([][]byte{{1}})),
			"SendFile":   second(p.s.SendFile(nil, 0, 1)),
			"CloseWrite": p.s.CloseWrite(),
		} {
			if !errors.Is(err, ErrAgain) {
				t.Errorf("%s: %v", what, err)
			}
		}
		if _, err := p.s.WriteMsg([]byte("x"), os.Stdout); err == nil {
			t.Error("a descriptor was sent")
		}
	})
	c := tls.Client(peer, client)
	if err := c.Handshake(); err != nil {
		t.Fatal(err)
	}
	testkit.Wait(t, h.secured, "the handshake")
	on(t, l, func() { p.s.Close(false) })
	on(t, l, func() {
		for what, err := range map[string]error{
			"Read":       second(p.s.Read(make([]byte, 1))),
			"Write":      second(p.s.Write([]byte("x"))),
			"CloseWrite": p.s.CloseWrite(),
		} {
			if !errors.Is(err, net.ErrClosed) {
				t.Errorf("closed, %s: %v", what, err)
			}
		}
	})
}

func second[T any](_ T, err error) error { return err }

// A panic of the Handler in an event that the socket has no part in ends that
// connection.
func TestTLSPanic(t *testing.T) {
	panics := make(chan any, 1)
	l := startLoop(t, Config{OnPanic: func(v any, _ []byte) { panics <- v }})
	p := &probe{t: t}
	hup := make(chan error, 1)
	reads := 0
	p.readable = func() {
		if reads++; reads > 1 {
			panic("broken")
		}
		_, _ = p.s.Read(make([]byte, 1))
	}
	p.hup = func(err error) { hup <- err }
	c := dialTLS(t, l, newSafe(p), nil)
	_, _ = c.Write([]byte("two"))
	if v := testkit.Wait(t, panics, "the panic"); v != "broken" {
		t.Errorf("the panic is %v", v)
	}
	var bug *PanicError
	if err := testkit.Wait(t, hup, "Hup"); !errors.As(err, &bug) {
		t.Errorf("Hup got %v", err)
	}
	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Error("the connection goes on")
	}
}

// A TLS Stream that is left when the Loop ends is closed, and its handshake too.
func TestTLSLoopEnds(t *testing.T) {
	server, _ := identity(t)
	l, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- l.Run() }()
	fd, peer := pair(t, "tcp")
	on(t, l, func() {
		if _, err := l.AttachTLS(fd, &TLSConfig{TLS: server}, newSafe(&probe{t: t})); err != nil {
			t.Error(err)
		}
	})
	l.Stop()
	if err := testkit.Wait(t, ended, "the end"); err != nil {
		t.Error(err)
	}
	_ = peer.SetDeadline(time.Now().Add(patience))
	if _, err := peer.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the peer is told %v", err)
	}
}
