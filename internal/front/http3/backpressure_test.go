package http3

import (
	"context"
	"errors"
	"io"
	"runtime"
	"testing"
	"time"

	"github.com/quic-go/quic-go"

	"rickhouse/internal/exchange"
	"rickhouse/internal/front"
	"rickhouse/internal/spool"
	"rickhouse/internal/testkit"
)

// flood answers with size octets, running ahead of the client by window octets.
type flood struct {
	size, window  int
	sent, drained int
	most          int // octets that were on their way
	x             chan *exchange.Exchange
	all           chan struct{} // is closed when all have left, if not nil
}

func (f *flood) Serve(x *exchange.Exchange) {
	x.Server = f
	x.Response.Status = 200
	x.Head()
	f.send(x)
	if f.x != nil {
		f.x <- x
	}
}

func (f *flood) send(x *exchange.Exchange) {
	piece := make([]byte, 16<<10)
	for f.sent < f.size && f.sent-f.drained < f.window {
		x.Data(piece)
		f.sent += len(piece)
		f.most = max(f.most, f.sent-f.drained)
	}
	if f.drained >= f.size {
		if f.all != nil {
			close(f.all)
		}
		x.End()
	}
}

func (f *flood) Content(*exchange.Exchange, []byte)     {}
func (f *flood) ContentEnd(*exchange.Exchange, error)   {}
func (f *flood) Gone(x *exchange.Exchange, cause error) { x.Abort(cause) }
func (f *flood) Drained(x *exchange.Exchange, n int) {
	f.drained += n
	f.send(x)
}

// narrow has a client take in little that nobody reads.
func narrow(c *quic.Config) {
	c.InitialStreamReceiveWindow, c.MaxStreamReceiveWindow = 256<<10, 256<<10
}

// TestBackpressure streams 16 MiB to a client that reads 64 KiB and stops, and
// then goes on: the Server waits, and memory stays small.
func TestBackpressure(t *testing.T) {
	const size = 16 << 20
	f := &flood{size: size, window: 256 << 10, x: make(chan *exchange.Exchange, 1)}
	s := start(t, f)
	c := s.dial(narrow)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	res, err := c.h3.RoundTrip(c.request("GET", "/", nil))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(res.Body, make([]byte, 64<<10)); err != nil {
		t.Fatal(err)
	}
	x := testkit.Wait(t, f.x, "the answer has begun")
	counts := make(chan int)
	sent := func() int {
		post(x, func() { counts <- f.sent })
		return <-counts
	}
	last, same := 0, 0
	s.Until("the server waits", func() bool {
		now := sent()
		if now == last {
			same++
		} else {
			last, same = now, 0
		}
		return same > 50
	})
	if last > 1<<20 {
		t.Errorf("%d octets were sent to a client that reads none", last)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 4<<20 {
		t.Errorf("memory has grown by %d octets", grown)
	}
	rest, err := io.Copy(io.Discard, res.Body)
	if err != nil || rest != size-64<<10 {
		t.Errorf("got %d more octets, %v", rest, err)
	}
	o := s.Seen(1)[0]
	if o.Err != nil || o.Out != size || f.most > f.window+16<<10 {
		t.Errorf("observed %+v, %d octets on their way at most", o, f.most)
	}
}

// TestSpool shows that a slow client does not keep the Server waiting where there
// is a Store.
func TestSpool(t *testing.T) {
	const size = 8 << 20
	store, err := spool.NewStore(spool.Config{Directory: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	f := &flood{size: size, window: 256 << 10, all: make(chan struct{})}
	s := start(t, f, func(c *settings) { c.parts.Store = store })
	c := s.dial(narrow)
	res, err := c.h3.RoundTrip(c.request("GET", "/", nil))
	if err != nil {
		t.Fatal(err)
	}
	// Nothing else happens to the stream meanwhile that would interrupt its writes.
	testkit.Wait(t, f.all, "all of it has left the server, and nobody has read")
	if store.Used() == 0 {
		t.Error("nothing is in the spool")
	}
	n, err := io.Copy(io.Discard, res.Body)
	if n != size || err != nil {
		t.Errorf("got %d octets, %v", n, err)
	}
	s.Seen(1)
	s.Until("the spool is empty", func() bool { return store.Used() == 0 })
}

// TestGoneWhileBlocked is TestGone for an answer that the client does not read.
func TestGoneWhileBlocked(t *testing.T) {
	f := &flood{size: 1 << 30, window: 256 << 10}
	s := start(t, f)
	c := s.dial()
	ctx, cancel := context.WithCancel(c.ctx)
	defer cancel()
	if _, err := c.h3.RoundTrip(c.request("GET", "/", nil).WithContext(ctx)); err != nil {
		t.Fatal(err)
	}
	cancel()
	if o := s.Seen(1)[0]; !errors.Is(o.Err, exchange.ErrClientGone) {
		t.Errorf("observed %+v", o)
	}
}

func TestSlowContent(t *testing.T) {
	s := start(t, testkit.Echo(100), func(c *settings) {
		c.common.MinRate, c.common.MinRateGrace = 1<<20, 50*time.Millisecond
	})
	c := s.dial()
	r, w := io.Pipe()
	defer func() { _ = w.Close() }()
	req := c.request("POST", "/", r)
	req.ContentLength = 100
	if res := c.do(req); res.StatusCode != 408 {
		t.Errorf("got %d", res.StatusCode)
	}
}

// TestPauses: where a route lets the client pause, that is what bounds its content.
func TestPauses(t *testing.T) {
	answer := testkit.Echo(100)
	s := start(t, exchange.HandlerFunc(func(x *exchange.Exchange) {
		x.Route.MaxPause = int64(50 * time.Millisecond)
		answer.Serve(x)
	}), func(c *settings) { c.common.MinRateGrace = time.Hour })
	c := s.dial()
	r, w := io.Pipe()
	defer func() { _ = w.Close() }()
	req := c.request("POST", "/", r)
	req.ContentLength = 100
	if res := c.do(req); res.StatusCode != 408 {
		t.Errorf("got %d", res.StatusCode)
	}
}

func TestSlowReader(t *testing.T) {
	f := &flood{size: 1 << 30, window: 256 << 10}
	s := start(t, f, func(c *settings) {
		c.common.MinRate, c.common.MinRateGrace, c.common.IdleTimeout = 1<<30, 50*time.Millisecond, 100*time.Millisecond
	})
	c := s.dial()
	res, err := c.h3.RoundTrip(c.request("GET", "/", nil))
	if o := s.Seen(1)[0]; !errors.Is(o.Err, front.ErrSlowReader) {
		t.Errorf("observed %+v", o)
	}
	if err != nil {
		return // the answer was cut before the client had its head
	}
	if _, err := io.Copy(io.Discard, res.Body); err == nil {
		t.Error("the answer is whole")
	}
}
