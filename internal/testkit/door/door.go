package door

import (
	"fmt"
	"log/slog"
	"net"
	"testing"
	"time"

	"rickhouse/internal/exchange"
	"rickhouse/internal/front"
	"rickhouse/internal/front/http1"
	"rickhouse/internal/front/http2"
	"rickhouse/internal/listen"
	"rickhouse/internal/loop"
	"rickhouse/internal/spool"
	"rickhouse/internal/testkit"
)

// Patience bounds every wait for something that does happen.
const Patience = 60 * time.Second

// Door is a front on running loops.
type Door struct {
	Loops []*loop.Loop
	// Log is what was logged, by the fronts and whoever was given Logger.
	Log    testkit.Log
	Logger *slog.Logger
	// Store is where slow clients' answers wait; Observe, if not nil, is called for
	// every Exchange.
	Store   *spool.Store
	Observe func(x *exchange.Exchange)

	t         testing.TB
	listener  *listen.Listener // the last one
	listeners []*listen.Listener
	ended     chan error
	panics    chan any
}

// Loops makes n loops, which run until the test ends.
func Loops(t testing.TB, n int) *Door {
	t.Helper()
	d := &Door{t: t, ended: make(chan error, n), panics: make(chan any, 64)}
	d.Logger = slog.New(slog.NewTextHandler(&d.Log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	for range n {
		l, err := loop.New(loop.Config{OnPanic: func(v any, stack []byte) { d.panics <- fmt.Sprintf("%v\n%s", v, stack) }})
		if err != nil {
			t.Fatal(err)
		}
		d.Loops = append(d.Loops, l)
		go func() { d.ended <- l.Run() }()
	}
	t.Cleanup(d.close)
	return d
}

func (d *Door) close() {
	for _, l := range d.Loops {
		l.Stop()
	}
	for range d.Loops {
		if err := <-d.ended; err != nil {
			d.t.Error(err)
		}
	}
	for _, l := range d.listeners {
		_ = l.Close()
	}
	for len(d.panics) > 0 {
		d.t.Errorf("panic: %v", <-d.panics)
	}
	if d.t.Failed() {
		text := d.Log.String()
		d.t.Logf("the log:\n%s", text[max(0, len(text)-8<<10):])
	}
}

// Open serves h on a free port, or on the Unix socket at path if that is not empty,
// from all loops. Addr and Dial are then about this one.
func (d *Door) Open(h exchange.Handler, cfg front.Config, path string) {
	d.t.Helper()
	address := "127.0.0.1:0"
	if path != "" {
		address = "unix:" + path
	}
	addr, err := listen.Parse(address)
	if err != nil {
		d.t.Fatal(err)
	}
	if d.listener, err = listen.Listen(addr, listen.Config{}); err != nil {
		d.t.Fatal(err)
	}
	d.listeners = append(d.listeners, d.listener)
	common, err := front.NewSettings(cfg, spool.Config{})
	if err != nil {
		d.t.Fatal(err)
	}
	own, err := http2.NewSettings(common, http2.Config{})
	if err != nil {
		d.t.Fatal(err)
	}
	parts := front.Parts{Handler: h, Log: d.Logger, Store: d.Store, Observe: d.Observe}
	multiplexed := http2.New(parts)
	beside := map[*http1.Door]*http2.Door{} // does not change once connections come
	f := http1.New(http1.Parts{
		Parts: parts,
		HTTP2: func(door *http1.Door, off http1.Handoff) { beside[door].Serve(off) },
	})
	for _, l := range d.Loops {
		d.On(l, func() {
			door := f.Door(l, &http1.Settings{Settings: common, HTTP2: true})
			beside[door] = multiplexed.Door(l, own)
			if err := door.Serve(d.listener); err != nil {
				d.t.Error(err)
			}
		})
	}
}

// On runs task on l and waits for it.
func (d *Door) On(l *loop.Loop, task func()) {
	d.t.Helper()
	done := make(chan struct{})
	l.Post(exchange.TaskFunc(func() {
		defer close(done)
		task()
	}))
	select {
	case <-done:
	case <-time.After(Patience):
		d.t.Fatal("a loop does not answer")
	}
}

// Addr is where the door is.
func (d *Door) Addr() (network, address string) {
	a := d.listener.Addr()
	if a.Path != "" {
		return "unix", a.Path
	}
	return "tcp", a.String()
}

// Dial connects to the door; the connection is closed when the test ends.
func (d *Door) Dial() net.Conn {
	d.t.Helper()
	network, address := d.Addr() // apart: the hostport pass of go vet panics on net.Dial(f())
	c, err := net.Dial(network, address)
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(Patience))
	return c
}
