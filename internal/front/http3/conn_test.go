package http3

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	h3 "github.com/quic-go/quic-go/http3"

	"rickhouse/internal/exchange"
	"rickhouse/internal/testkit"
)

// TestManyStreams has 1000 requests on a connection, 100 at a time.
func TestManyStreams(t *testing.T) {
	s := start(t, testkit.Echo(1000))
	c := s.dial()
	var wg sync.WaitGroup
	free := make(chan struct{}, 100)
	for i := range 1000 {
		free <- struct{}{}
		wg.Go(func() {
			defer func() { <-free }()
			text := strings.Repeat(fmt.Sprint(i), i%50+1)
			if got, err := c.try(c.request("POST", "/", strings.NewReader(text))); got != text || err != nil {
				t.Errorf("got %q, %v, want %q", got, err, text)
			}
		})
	}
	wg.Wait()
	s.Seen(1000)
	if n := s.front.Counters().Requests; n != 1000 {
		t.Errorf("%d requests were counted", n)
	}
}

// giveUp sends a request and does not want its answer any more once the server has
// it.
func (c *client) giveUp(h *testkit.Held) *exchange.Exchange {
	c.t.Helper()
	str, err := c.h3.OpenRequestStream(c.ctx)
	if err != nil {
		return nil
	}
	_ = str.SendRequestHeader(c.request("GET", "/", nil))
	_ = str.Close()
	var x *exchange.Exchange
	select {
	case x = <-h.Began:
	case <-c.conn.Context().Done():
	}
	str.CancelRead(quic.StreamErrorCode(h3.ErrCodeRequestCanceled))
	return x
}

// TestRapidReset gives requests up as fast as it can (CVE-2023-44487), and the
// application lets go of them at once: the connection is closed.
func TestRapidReset(t *testing.T) {
	h := testkit.NewHeld()
	s := start(t, h, func(c *settings) { c.config.MaxResets = 50 })
	c := s.dial()
	n := 0
	for x := c.giveUp(h); x != nil; x = c.giveUp(h) {
		cause := testkit.Wait(t, h.Causes, "the server is told")
		post(x, func() { x.Abort(cause) })
		n++
	}
	if n > 55 {
		t.Errorf("%d requests were given up", n)
	}
	var closed *quic.ApplicationError
	if err := context.Cause(c.conn.Context()); !errors.As(err, &closed) || closed.ErrorCode != quic.ApplicationErrorCode(h3.ErrCodeExcessiveLoad) {
		t.Errorf("the connection ended by %v", err)
	}
}

// TestResetStreamsCount shows that requests that were given up count for as long as
// the application is at them.
func TestResetStreamsCount(t *testing.T) {
	h := testkit.NewHeld()
	s := start(t, h, func(c *settings) { c.config.MaxStreams = 10 })
	c := s.dial()
	var x *exchange.Exchange
	for range 10 {
		x = c.giveUp(h)
		testkit.Wait(t, h.Causes, "the server is told")
	}
	short, cancel := context.WithTimeout(c.ctx, 200*time.Millisecond)
	defer cancel()
	if _, err := c.h3.OpenRequestStream(short); err == nil {
		t.Fatal("there is an eleventh stream")
	}
	post(x, func() { x.Abort(exchange.ErrClientGone) })
	if c.giveUp(h) == nil {
		t.Error("there is no eleventh stream when one is over")
	}
	c.t.Cleanup(s.door.Close)
}

func TestIdleConnections(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(c *settings)
		ask    bool
	}{
		{"that ask nothing", func(c *settings) { c.common.HeaderTimeout = 50 * time.Millisecond }, false},
		{"that have asked", func(c *settings) { c.common.IdleTimeout = 50 * time.Millisecond }, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := start(t, hello, c.change)
			client := s.dialInTime()
			if c.ask {
				// The connection may end before the client has read its answer.
				_, _ = client.try(client.request("GET", "/", nil))
				s.Seen(1)
			}
			select {
			case <-client.conn.Context().Done():
			case <-time.After(patience):
				t.Error("the connection stays")
			}
		})
	}
}

// TestHeadsThatNeverCome leaves heads half sent: each keeps a goroutine waiting, but
// not the connection open.
func TestHeadsThatNeverCome(t *testing.T) {
	s := start(t, hello, func(c *settings) {
		c.common.HeaderTimeout, c.common.IdleTimeout = 100*time.Millisecond, 100*time.Millisecond
	})
	c := s.dialInTime()
	half := func() error {
		str, err := c.conn.OpenStreamSync(c.ctx)
		if err == nil {
			_, err = str.Write([]byte{1, 0x40, 0x64, 0}) // a HEADERS frame of 100 octets
		}
		return err
	}
	for range 50 {
		if half() != nil {
			break // the server was faster
		}
	}
	select {
	case <-c.conn.Context().Done():
	case <-time.After(patience):
		t.Error("the connection stays")
	}
}

func TestKeepaliveRequests(t *testing.T) {
	h := testkit.NewHeld()
	s := start(t, h, func(c *settings) { c.common.KeepaliveRequests = 2 })
	c := s.dial()
	for range 2 {
		go func() { _, _ = c.try(c.request("GET", "/", nil)) }()
	}
	xs := []*exchange.Exchange{testkit.Wait(t, h.Began, "a request"), testkit.Wait(t, h.Began, "another")}
	_, err := c.try(c.request("GET", "/", nil))
	var refused *h3.Error
	if !errors.As(err, &refused) || refused.ErrorCode != h3.ErrCodeRequestRejected {
		t.Errorf("got %v", err)
	}
	for _, x := range xs {
		post(x, func() { x.Answer(200, "ok") })
	}
	<-c.conn.Context().Done()
}

func TestMaxConnections(t *testing.T) {
	s := start(t, hello, func(c *settings) { c.config.MaxConnections = 2 })
	first := s.dial()
	s.dial()
	dialer := func() error {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		conn, err := quic.DialAddr(ctx, s.addr.String(), s.tls(), nil)
		if err == nil {
			_ = conn.CloseWithError(0x100, "")
		}
		return err
	}
	var refused *quic.TransportError
	if err := dialer(); !errors.As(err, &refused) || refused.ErrorCode != quic.ConnectionRefused {
		t.Errorf("got %v", err)
	}
	_ = first.conn.CloseWithError(0x100, "")
	s.Until("there is room again", func() bool { return dialer() == nil })
}

// TestRetry shows that addresses are validated while there are many connections.
func TestRetry(t *testing.T) {
	s := start(t, hello, func(c *settings) { c.config.MaxConnections = 3 })
	for range 3 {
		s.dial()
	}
	if n := s.front.Counters().Retries; n == 0 {
		t.Error("no address was validated")
	}
}

// TestDrain stops while a request is served and another connection is idle.
func TestDrain(t *testing.T) {
	h := testkit.NewHeld()
	s := start(t, h)
	s.door.mu.Lock()
	s.door.linger = patience // the client hangs up
	s.door.mu.Unlock()
	idle, busy := s.dial(), s.dial()
	done := make(chan response)
	go func() { done <- busy.get("/") }()
	x := testkit.Wait(t, h.Began, "the request is there")
	drained := make(chan struct{})
	s.door.Drain(func() { close(drained) })
	select {
	case <-idle.conn.Context().Done():
	case <-time.After(patience):
		t.Error("the idle connection stays")
	}
	s.Until("no more requests are taken", func() bool {
		_, err := busy.try(busy.request("GET", "/", nil))
		return err != nil
	})
	select {
	case <-drained:
		t.Fatal("it has not waited for the request")
	default:
	}
	post(x, func() { x.Answer(200, "ok") })
	if r := <-done; r.body != "ok" {
		t.Errorf("got %q", r.body)
	}
	_ = busy.conn.CloseWithError(0x100, "")
	testkit.Wait(t, drained, "it has drained")
	s.Until("no connection is left", func() bool { return s.front.Open() == 0 })
}
