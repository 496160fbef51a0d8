package transport

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"rickhouse/internal/exchange"
	"rickhouse/internal/testkit"
)

// desk is an Executor, and the Client of one Exchange on it.
type desk struct {
	t     *testing.T
	tasks chan exchange.Task
	over  chan struct{} // closed when the Exchange is finished

	// Of the Executor alone, and of everybody once it is over.
	x         *exchange.Exchange
	source    []byte // request content that is still to come
	cut       error  // what ends it, in place of a whole end
	piece     int    // at most so much of it at a time, 0 for any
	credit    int    // what was demanded and has not come
	demanded  int
	endless   bool // content that never comes
	told      bool // of the end of the content
	holds     bool // nothing is drained
	undrained int
	most      int // the most that was ever undrained
	interims  []string
	status    int
	fields    string
	length    int64
	content   bytes.Buffer
	onData    func()
	onHead    func()
	trailers  string
	aborted   error
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{t: t, tasks: make(chan exchange.Task, 1<<16), over: make(chan struct{}), x: &exchange.Exchange{}}
	d.x.Reset()
	d.x.Executor, d.x.Client = d, d
	d.x.Request.Version = exchange.HTTP11
	stop := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case task := <-d.tasks:
				task.Run()
			case <-stop:
				return
			}
		}
	}()
	t.Cleanup(func() { close(stop); <-done })
	return d
}

func (d *desk) Post(t exchange.Task) { d.tasks <- t }
func (d *desk) Now() int64           { return time.Now().UnixNano() }

// on runs f on the Executor and waits for it.
func (d *desk) on(f func()) {
	d.t.Helper()
	done := make(chan struct{})
	d.Post(exchange.TaskFunc(func() { defer close(done); f() }))
	testkit.Wait(d.t, done, "the desk runs a task")
}

func (d *desk) Demand(_ *exchange.Exchange, n int) {
	d.credit += n
	d.demanded += n
	d.Post(exchange.TaskFunc(d.feed))
}

// feed delivers what is there, within the demand.
func (d *desk) feed() {
	if d.endless || d.x.Server == nil {
		return
	}
	for d.credit > 0 && len(d.source) > 0 {
		n := min(d.credit, len(d.source))
		if d.piece > 0 {
			n = min(n, d.piece)
		}
		p := bytes.Clone(d.source[:n])
		d.source, d.credit = d.source[n:], d.credit-n
		d.x.Server.Content(d.x, p)
		clear(p)
	}
	if len(d.source) == 0 && !d.told {
		d.told = true
		d.x.Server.ContentEnd(d.x, d.cut)
	}
}

func lines(fields []exchange.Field) string {
	var b strings.Builder
	for _, f := range fields {
		fmt.Fprintf(&b, "%s: %s\n", f.Name, f.Value)
	}
	return b.String()
}

func (d *desk) Head(x *exchange.Exchange) {
	if x.Response.Status < 200 {
		d.interims = append(d.interims, fmt.Sprintf("%d %s", x.Response.Status, strings.TrimSpace(lines(x.Response.Fields))))
		return
	}
	d.status, d.length, d.fields = x.Response.Status, x.Response.ContentLength, lines(x.Response.Fields)
	x.HeadSent = true
	if d.onHead != nil {
		d.onHead()
	}
}

func (d *desk) Data(x *exchange.Exchange, p []byte) {
	d.content.Write(p)
	d.undrained += len(p)
	d.most = max(d.most, d.undrained)
	if d.onData != nil {
		d.onData()
	}
	if !d.holds {
		d.Post(exchange.TaskFunc(d.drain))
	}
}

// drain says that everything has left.
func (d *desk) drain() {
	n := d.undrained
	d.undrained = 0
	if n > 0 && d.x.Server != nil {
		d.x.Server.Drained(d.x, n)
	}
}

func (d *desk) File(*exchange.Exchange, *os.File, int64, int64) { panic("no files here") }

func (d *desk) End(x *exchange.Exchange) {
	d.trailers = lines(x.Response.Trailers)
	d.finish()
}

func (d *desk) Abort(_ *exchange.Exchange, err error) {
	d.aborted = err
	d.finish()
}

func (d *desk) finish() {
	d.x.Server = nil // nobody may be called any more
	close(d.over)
}

// request makes the request of d: target in origin form, fields as "name: value",
// content of a length that is told.
func (d *desk) request(method, target string, content []byte, fields ...string) *desk {
	r := &d.x.Request
	r.Method, r.Target = []byte(method), []byte(target)
	path, query, _ := strings.Cut(target, "?")
	r.RawPath, r.Path, r.Query = []byte(path), []byte(path), []byte(query)
	for _, f := range fields {
		name, value, _ := strings.Cut(f, ": ")
		r.Fields = append(r.Fields, exchange.Field{Name: []byte(name), Value: []byte(value)})
	}
	r.ContentLength = int64(len(content))
	d.source, d.x.HasContent = content, len(content) > 0
	return d
}

// chunked makes the content one whose length is not told.
func (d *desk) chunked() *desk {
	d.x.Request.ContentLength, d.x.HasContent = -1, true
	return d
}

// serve has d's request answered and waits until it is.
func (d *desk) serve(tr *Transport, c Call) *desk {
	d.t.Helper()
	d.begin(tr, c)
	testkit.Wait(d.t, d.over, "the exchange is finished")
	return d
}

func (d *desk) begin(tr *Transport, c Call) {
	d.t.Helper()
	d.on(func() { tr.Serve(d.x, c) })
}

// upstream is a real server, and a Transport to it.
type upstream struct {
	*Transport
	call Call
	log  *testkit.Log
}

// start serves h by a protocol, and fails the test if a goroutine is left of it.
func start(t *testing.T, p Protocol, cfg Config, h http.HandlerFunc) *upstream {
	t.Helper()
	before := runtime.NumGoroutine()
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	o := Options{Protocol: p, MaxIdle: 4, ContinueTimeout: testkit.Patience}
	call := Call{Scheme: "http", HTTP2: p == HTTP2 || p == H2C}
	switch p {
	case H2C:
		s.Config.Protocols = &http.Protocols{}
		s.Config.Protocols.SetUnencryptedHTTP2(true)
		s.Start()
	case HTTP2:
		s.EnableHTTP2 = true
		s.StartTLS()
		o.TLS = s.Client().Transport.(*http.Transport).TLSClientConfig
		call.Scheme = "https"
	default:
		s.Start()
	}
	call.Authority = s.Listener.Addr().String()
	via := o.RoundTripper()
	u := via2(t, cfg, via)
	u.call = call
	t.Cleanup(func() {
		u.Wait()
		via.CloseIdleConnections()
		s.Client().CloseIdleConnections()
		s.Close()
		noneLeft(t, before)
	})
	return u
}

// via2 makes a Transport that asks rt.
func via2(t *testing.T, cfg Config, rt http.RoundTripper) *upstream {
	t.Helper()
	u := &upstream{log: &testkit.Log{}}
	var err error
	if u.Transport, err = New(cfg, rt, slog.New(slog.NewTextHandler(u.log, nil))); err != nil {
		t.Fatal(err)
	}
	return u
}

func noneLeft(t *testing.T, before int) {
	t.Helper()
	err := testkit.Until(testkit.Patience, func() (bool, string) {
		n := runtime.NumGoroutine()
		if n <= before {
			return true, ""
		}
		buf := make([]byte, 1<<16)
		return false, fmt.Sprintf("%d goroutines are left of %d before\n%s", n, before, buf[:runtime.Stack(buf, true)])
	})
	if err != nil {
		t.Error(err)
	}
}

// raw is an upstream that answers each connection's first octets with text, as it
// is, and closes.
func raw(t *testing.T, text string) *upstream {
	t.Helper()
	before := runtime.NumGoroutine()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			_, _ = c.Read(make([]byte, 64<<10))
			_, _ = io.WriteString(c, text)
			_ = c.Close()
		}
	}()
	via := Options{}.RoundTripper()
	u := via2(t, Config{}, via)
	u.call = Call{Scheme: "http", Authority: ln.Addr().String()}
	t.Cleanup(func() {
		u.Wait()
		via.CloseIdleConnections()
		_ = ln.Close()
		<-ended
		noneLeft(t, before)
	})
	return u
}

// protocols are those with which most tests are run.
func protocols(t *testing.T, f func(t *testing.T, p Protocol)) {
	t.Helper()
	for name, p := range map[string]Protocol{"HTTP1": HTTP1, "H2C": H2C, "HTTP2": HTTP2} {
		t.Run(name, func(t *testing.T) { f(t, p) })
	}
}

// dialer is a Dial that fails.
func dialer(fail func() error) func(context.Context, string, string) (net.Conn, error) {
	return func(context.Context, string, string) (net.Conn, error) { return nil, fail() }
}
