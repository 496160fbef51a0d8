package loop

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http/httptest"
	"syscall"
	"testing"
	"time"

	"rickhouse/internal/testkit"
)

// Any net.Conn can be a Stream.
func TestAttachConn(t *testing.T) {
	l := startLoop(t, Config{})
	ours, peer := net.Pipe()
	_ = peer.SetDeadline(time.Now().Add(patience))
	e := newEcho()
	on(t, l, func() { e.attached(l.AttachConn(ours, e)) })
	for range 100 {
		if _, err := peer.Write([]byte("hello")); err != nil {
			t.Fatal(err)
		}
		var got [5]byte
		if _, err := io.ReadFull(peer, got[:]); err != nil || string(got[:]) != "hello" {
			t.Fatalf("got %q, %v", got, err)
		}
	}
	_ = peer.Close()
}

// TLS is what the pump is for: it never blocks the loop, and what was written
// before Close arrives whole.
func TestAttachTLS(t *testing.T) {
	l := startLoop(t, Config{})
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	fd, peer := pair(t, "tcp")
	ours := fileConn(t, fd)
	e := newEcho()
	on(t, l, func() { e.attached(l.AttachConn(tls.Server(ours, server.TLS), e)) })
	client := tls.Client(peer, &tls.Config{InsecureSkipVerify: true})
	_ = client.SetDeadline(time.Now().Add(patience))
	sent := bytes.Repeat([]byte("0123456789"), 100_000)
	go func() {
		_, _ = client.Write(sent)
		_ = client.CloseWrite()
	}()
	if got, err := io.ReadAll(client); err != nil || !bytes.Equal(got, sent) {
		t.Errorf("got %d octets, %v; want %d", len(got), err, len(sent))
	}
}

// A peer that takes nothing does not keep a pump that was reset.
func TestPumpReset(t *testing.T) {
	l := startLoop(t, Config{})
	ours, peer := net.Pipe()
	_ = peer.SetDeadline(time.Now().Add(patience))
	p := &probe{t: t}
	on(t, l, func() {
		p.attached(l.AttachConn(ours, p))
		if n, err := p.s.Write(make([]byte, 3*pumpOut)); n != pumpOut || err != ErrAgain {
			t.Errorf("Write: %d, %v", n, err)
		}
	})
	if _, err := io.ReadFull(peer, make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	on(t, l, func() { p.s.Close(true) })
	if n, err := io.Copy(io.Discard, peer); err != nil || n >= pumpOut {
		t.Errorf("after the reset %d octets came, %v", n, err)
	}
	on(t, l, func() {
		if len(l.pumps) != 0 {
			t.Error("the loop still has the pump")
		}
	})
}

// A connection that cannot end one direction alone says so.
func TestPumpCloseWrite(t *testing.T) {
	l := startLoop(t, Config{})
	ours, peer := net.Pipe()
	hup := make(chan error, 1)
	p := &probe{t: t}
	p.hup = func(err error) {
		p.s.Close(false)
		hup <- err
	}
	on(t, l, func() {
		p.attached(l.AttachConn(ours, p))
		if err := p.s.CloseWrite(); err != nil {
			t.Errorf("CloseWrite: %v", err)
		}
		if _, err := p.s.Write([]byte("late")); !errors.Is(err, syscall.EPIPE) {
			t.Errorf("Write after CloseWrite: %v", err)
		}
	})
	if err := testkit.Wait(t, hup, "Hup"); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("Hup got %v", err)
	}
	_ = peer.Close()
}
