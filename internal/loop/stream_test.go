package loop

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"rickhouse/internal/testkit"
)

func networks(t *testing.T, f func(t *testing.T, network string)) {
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) { f(t, network) })
	}
}

func TestEchoOfMuch(t *testing.T) {
	networks(t, func(t *testing.T, network string) {
		l := startLoop(t, Config{})
		peer := attach(t, l, network, newEcho())
		sent := make([]byte, 3<<20)
		for i := range sent {
			sent[i] = byte(rand.Uint32())
		}
		go func() {
			_, _ = peer.Write(sent)
			_ = peer.(interface{ CloseWrite() error }).CloseWrite()
		}()
		got, err := io.ReadAll(peer)
		if err != nil || !bytes.Equal(got, sent) {
			t.Errorf("got %d octets (%v), want the %d that were sent", len(got), err, len(sent))
		}
	})
}

// A Stream whose peer has finished sending can still be written.
func TestHalfClose(t *testing.T) {
	networks(t, func(t *testing.T, network string) {
		l := startLoop(t, Config{})
		p := &probe{t: t}
		eof := make(chan error, 1)
		p.readable = func() {
			_, err := p.s.Read(make([]byte, 10))
			p.s.Want(false, false)
			eof <- err
		}
		peer := attach(t, l, network, p)
		if err := peer.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if err := testkit.Wait(t, eof, "the end of the stream"); err != io.EOF {
			t.Fatalf("Read gave %v, want io.EOF", err)
		}
		on(t, l, func() {
			if _, err := p.s.Write([]byte("late")); err != nil {
				t.Errorf("Write: %v", err)
			}
			if err := p.s.CloseWrite(); err != nil {
				t.Errorf("CloseWrite: %v", err)
			}
			p.hup = func(error) { p.s.Close(false) }
		})
		if got, err := io.ReadAll(peer); err != nil || string(got) != "late" {
			t.Errorf("the peer read %q, %v", got, err)
		}
	})
}

// A RST is told whatever was wanted, with its reason.
func TestResetIsTold(t *testing.T) {
	l := startLoop(t, Config{})
	p := &probe{t: t}
	hup := make(chan error, 1)
	p.hup = func(err error) {
		p.s.Close(false)
		hup <- err
	}
	peer := attach(t, l, "tcp", p)
	on(t, l, func() { p.s.Want(false, false) })
	_ = peer.(*net.TCPConn).SetLinger(0)
	_ = peer.Close()
	if err := testkit.Wait(t, hup, "Hup"); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("Hup got %v, want ECONNRESET", err)
	}
}

// Where reading is wanted, a RST comes as the error of Read.
func TestResetIsRead(t *testing.T) {
	l := startLoop(t, Config{})
	p := &probe{t: t}
	got := make(chan error, 1)
	p.readable = func() {
		_, err := p.s.Read(make([]byte, 10))
		if errors.Is(err, ErrAgain) {
			return
		}
		p.s.Close(false)
		got <- err
	}
	peer := attach(t, l, "tcp", p)
	_ = peer.(*net.TCPConn).SetLinger(0)
	_ = peer.Close()
	if err := testkit.Wait(t, got, "Readable"); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("Read gave %v, want ECONNRESET", err)
	}
}

func TestCloseResets(t *testing.T) {
	for _, reset := range []bool{false, true} {
		l := startLoop(t, Config{})
		p := &probe{t: t}
		peer := attach(t, l, "tcp", p)
		on(t, l, func() {
			p.s.Close(reset)
			if _, err := p.s.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
				t.Errorf("Write after Close gave %v, want net.ErrClosed", err)
			}
			p.s.Close(reset)
		})
		_, err := peer.Read(make([]byte, 1))
		if want := map[bool]error{false: io.EOF, true: syscall.ECONNRESET}[reset]; !errors.Is(err, want) {
			t.Errorf("Close(%v): the peer read %v, want %v", reset, err, want)
		}
	}
}

// A Handler that wants nothing is not called, and gets what came meanwhile when
// it wants again.
func TestWant(t *testing.T) {
	networks(t, func(t *testing.T, network string) {
		l := startLoop(t, Config{})
		p := &probe{t: t}
		peer := attach(t, l, network, p)
		on(t, l, func() { p.s.Want(false, false) })
		if _, err := peer.Write([]byte("early")); err != nil {
			t.Fatal(err)
		}
		for range 20 {
			on(t, l, func() {})
		}
		read, writable := make(chan string, 1), make(chan struct{}, 1)
		on(t, l, func() {
			p.writable = func() {
				p.s.Want(false, false)
				writable <- struct{}{}
			}
			p.readable = func() {
				buf := make([]byte, 10)
				n, _ := p.s.Read(buf)
				p.s.Want(false, true)
				read <- string(buf[:n])
			}
			p.s.Want(true, false)
		})
		if got := testkit.Wait(t, read, "Readable"); got != "early" {
			t.Errorf("read %q", got)
		}
		testkit.Wait(t, writable, "Writable")
	})
}

// What is not read comes again, without new octets.
func TestReadableComesAgain(t *testing.T) {
	networks(t, func(t *testing.T, network string) {
		l := startLoop(t, Config{})
		p := &probe{t: t}
		var got []byte
		done := make(chan struct{})
		p.readable = func() {
			var b [1]byte
			n, _ := p.s.Read(b[:])
			if got = append(got, b[:n]...); string(got) == "abcdef" {
				p.s.Want(false, false)
				close(done)
			}
		}
		peer := attach(t, l, network, p)
		if _, err := peer.Write([]byte("abcdef")); err != nil {
			t.Fatal(err)
		}
		testkit.Wait(t, done, "six octets, one by one")
	})
}

// A peer that does not read stops the writer within bounds; nothing is lost.
func TestBackpressure(t *testing.T) {
	networks(t, func(t *testing.T, network string) {
		l := startLoop(t, Config{})
		p := &probe{t: t}
		peer := attach(t, l, network, p)
		chunk := make([]byte, 64<<10)
		var total, room int
		finished := make(chan struct{})
		fill := func() {
			for total < 64<<20 {
				n, err := p.s.Write(chunk)
				total += n
				if errors.Is(err, ErrAgain) {
					p.s.Want(false, true)
					return
				}
				if err != nil {
					t.Errorf("after %d octets: %v", total, err)
					break
				}
			}
			p.s.Close(false)
			close(finished)
		}
		p.writable = func() {
			room++
			fill()
		}
		on(t, l, fill)
		for range 20 {
			on(t, l, func() {})
		}
		on(t, l, func() {
			if total > 32<<20 {
				t.Errorf("%d octets were taken for a peer that reads nothing", total)
			}
		})
		n, err := io.Copy(io.Discard, peer)
		testkit.Wait(t, finished, "the end")
		on(t, l, func() {
			if n != int64(total) || err != nil || room == 0 {
				t.Errorf("the peer got %d octets of %d, %v; Writable came %d times", n, total, err, room)
			}
		})
	})
}

func TestWritev(t *testing.T) {
	networks(t, func(t *testing.T, network string) {
		l := startLoop(t, Config{})
		p := &probe{t: t}
		peer := attach(t, l, network, p)
		var pieces [][]byte
		var want strings.Builder
		for i := range 200 {
			s := strings.Repeat(string(rune('a'+i%26)), i%7)
			pieces = append(pieces, []byte(s))
			want.WriteString(s)
		}
		on(t, l, func() {
			if n, err := p.s.Writev(pieces); n != want.Len() || err != nil {
				t.Errorf("Writev: %d, %v; want %d", n, err, want.Len())
			}
			p.s.Close(false)
		})
		if got, err := io.ReadAll(peer); err != nil || string(got) != want.String() {
			t.Errorf("got %q, %v", got, err)
		}
	})
}

func TestSendFile(t *testing.T) {
	content := make([]byte, 3<<20)
	for i := range content {
		content[i] = byte(i ^ i>>8 ^ i>>16)
	}
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
	networks(t, func(t *testing.T, network string) {
		l := startLoop(t, Config{})
		p := &probe{t: t}
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = f.Close() }()
		const from = 12345
		offset, last := int64(from), int64(len(content)+1)
		ended := make(chan error, 1)
		p.writable = func() {
			n, err := p.s.SendFile(f, offset, last-offset)
			offset += n
			if errors.Is(err, ErrAgain) {
				p.s.Want(false, true)
				return
			}
			if err != nil || offset == last {
				p.s.Close(false)
				ended <- err
			}
		}
		peer := attach(t, l, network, p)
		on(t, l, func() { p.s.Want(false, true) })
		got, err := io.ReadAll(peer)
		if err != nil || !bytes.Equal(got, content[from:]) {
			t.Errorf("got %d octets, %v; want %d", len(got), err, len(content)-from)
		}
		if err := testkit.Wait(t, ended, "the end of the file"); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("a file that is too short gave %v, want io.ErrUnexpectedEOF", err)
		}
	})
}
