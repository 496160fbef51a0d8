package transport

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"runtime"
	"testing"
	"time"

	"rickhouse/internal/exchange"
	"rickhouse/internal/testkit"
)

// halfDesk is a desk whose client can be told that no more comes.
type halfDesk struct {
	*desk
	halved chan struct{}
}

func (d *halfDesk) CloseWrite(*exchange.Exchange) { close(d.halved) }

// outcome is what Done was told.
type outcome struct {
	up, down int64
	err      error
}

// tunnel joins a desk to one end of a TCP connection and returns the other.
func tunnel(t *testing.T, c Tunnel) (*halfDesk, *net.TCPConn, chan outcome) {
	t.Helper()
	before := runtime.NumGoroutine()
	t.Cleanup(func() { noneLeft(t, before) })
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	near, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	far, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = far.Close() })
	_ = far.SetDeadline(time.Now().Add(testkit.Patience))
	d := &halfDesk{newDesk(t), make(chan struct{})}
	d.x.Client = d
	d.x.Request.Form, d.x.HasContent = exchange.AuthorityForm, true
	d.endless = true
	done := make(chan outcome, 1)
	c.Done = func(up, down int64, err error) { done <- outcome{up, down, err} }
	d.on(func() { Join(context.Background(), d.x, near, c) })
	return d, far.(*net.TCPConn), done
}

// send has p come from the client.
func (d *halfDesk) send(p []byte) {
	d.t.Helper()
	d.on(func() {
		d.source, d.endless, d.told = p, false, true
		d.feed()
	})
}

func (d *halfDesk) finishSending() {
	d.t.Helper()
	d.on(func() {
		d.endless, d.told = false, false
		d.feed()
	})
}

func TestTunnelCarriesBothWays(t *testing.T) {
	d, far, done := tunnel(t, Tunnel{Window: 4 << 10, Idle: time.Hour})
	content := make([]byte, 1<<20+3)
	_, _ = rand.Read(content)
	d.send(content)
	echoed := make(chan error, 1)
	go func() {
		_, err := io.CopyN(far, far, int64(len(content)))
		echoed <- err
	}()
	if err := testkit.Wait(t, echoed, "all is echoed"); err != nil {
		t.Fatal(err)
	}
	back := func() (ok bool, seen string) {
		d.on(func() { ok = d.content.Len() == len(content) })
		return ok, "it has not all come back"
	}
	if err := testkit.Until(testkit.Patience, back); err != nil {
		t.Fatal(err)
	}
	d.finishSending()
	if b, err := io.ReadAll(far); err != nil || len(b) > 0 {
		t.Errorf("after the client's end: %q, %v", b, err)
	}
	_ = far.Close()
	testkit.Wait(t, d.halved, "the client is told of the end")
	testkit.Wait(t, d.over, "the exchange ends")
	if !bytes.Equal(d.content.Bytes(), content) || d.most > 4<<10 || d.aborted != nil || d.status != 200 {
		t.Errorf("%d: %d octets, %d at once, %v", d.status, d.content.Len(), d.most, d.aborted)
	}
	if o := <-done; o != (outcome{int64(len(content)), int64(len(content)), nil}) {
		t.Errorf("the outcome is %+v", o)
	}
}

func TestTunnelOfTheUpstreamEndsFirst(t *testing.T) {
	d, far, done := tunnel(t, Tunnel{})
	_, _ = far.Write([]byte("all"))
	_ = far.CloseWrite()
	testkit.Wait(t, d.halved, "the client is told of the end")
	d.send([]byte("late"))
	d.finishSending()
	if b, err := io.ReadAll(far); err != nil || string(b) != "late" {
		t.Errorf("got %q, %v", b, err)
	}
	testkit.Wait(t, d.over, "the exchange ends")
	if o := <-done; o != (outcome{4, 3, nil}) || d.content.String() != "all" {
		t.Errorf("the outcome is %+v, %q", o, d.content.String())
	}
}

func TestTunnelLimits(t *testing.T) {
	t.Run("idle", func(t *testing.T) {
		d, far, done := tunnel(t, Tunnel{Idle: 50 * time.Millisecond})
		testkit.Wait(t, d.over, "the exchange ends")
		if o := <-done; !errors.Is(o.err, ErrIdle) || !errors.Is(d.aborted, ErrIdle) {
			t.Errorf("the outcome is %+v, %v", o, d.aborted)
		}
		if _, err := far.Read(make([]byte, 1)); err == nil {
			t.Error("the connection is still there")
		}
	})
	t.Run("octets", func(t *testing.T) {
		d, far, done := tunnel(t, Tunnel{MaxOctets: 10})
		_, _ = far.Write([]byte("12345678"))
		more := func() (ok bool, seen string) {
			d.on(func() { ok = d.content.Len() == 8 })
			return ok, "the first have not come"
		}
		if err := testkit.Until(testkit.Patience, more); err != nil {
			t.Fatal(err)
		}
		d.send([]byte("abc"))
		testkit.Wait(t, d.over, "the exchange ends")
		if o := <-done; o != (outcome{0, 8, ErrOctets}) {
			t.Errorf("the outcome is %+v", o)
		}
	})
}

func TestTunnelOfWhoIsGone(t *testing.T) {
	t.Run("the client", func(t *testing.T) {
		d, far, done := tunnel(t, Tunnel{})
		d.on(func() { d.x.Server.Gone(d.x, exchange.ErrClientGone) })
		testkit.Wait(t, d.over, "the exchange ends")
		if o := <-done; !errors.Is(o.err, exchange.ErrClientGone) {
			t.Errorf("the outcome is %+v", o)
		}
		if _, err := far.Read(make([]byte, 1)); err == nil {
			t.Error("the connection is still there")
		}
	})
	t.Run("the upstream", func(t *testing.T) {
		d, far, done := tunnel(t, Tunnel{})
		_ = far.SetLinger(0)
		_ = far.Close()
		testkit.Wait(t, d.over, "the exchange ends")
		if o := <-done; o.err == nil || d.aborted == nil {
			t.Errorf("the outcome is %+v, %v", o, d.aborted)
		}
	})
}
