package chain

import (
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"rickhouse/internal/exchange"
)

// patience is how long a test waits for what has to come.
const patience = time.Minute

// peer is the Executor and the Client of an Exchange: it runs tasks where the test
// says, and keeps what reaches the front.
type peer struct {
	t     testing.TB
	x     *exchange.Exchange
	tasks chan exchange.Task

	demanded int
	interim  []int
	status   int
	fields   []exchange.Field
	length   int64
	content  []byte
	chunks   int
	trailers int
	ended    bool
	aborted  error

	// lazy keeps what came until drain.
	lazy    bool
	waiting int
}

func (p *peer) Post(t exchange.Task) { p.tasks <- t }
func (p *peer) Now() int64           { return 1 }

func (p *peer) Demand(_ *exchange.Exchange, n int) { p.demanded += n }

func (p *peer) Head(x *exchange.Exchange) {
	r := &x.Response
	if r.Status < 200 && r.Status != 101 {
		p.interim = append(p.interim, r.Status)
		return
	}
	if x.HeadSent {
		p.t.Error("a second head")
	}
	x.HeadSent = true
	p.status, p.length = r.Status, r.ContentLength
	for _, f := range r.Fields {
		p.fields = append(p.fields, exchange.Field{Name: []byte(string(f.Name)), Value: []byte(string(f.Value))})
	}
}

func (p *peer) Data(x *exchange.Exchange, b []byte) {
	if !x.HeadSent {
		p.t.Error("content before the head")
	}
	p.content = append(p.content, b...)
	p.chunks++
	p.took(len(b))
}

func (p *peer) File(_ *exchange.Exchange, f *os.File, offset, length int64) {
	b := make([]byte, length)
	if _, err := io.ReadFull(io.NewSectionReader(f, offset, length), b); err != nil {
		p.t.Error(err)
	}
	_ = f.Close()
	p.content = append(p.content, b...)
	p.took(exchange.FileCost)
}

// took notes that n octets have to be told as drained.
func (p *peer) took(n int) { p.waiting += n }

// drain tells the Server that up to n octets have left.
func (p *peer) drain(n int) {
	n = min(n, p.waiting)
	p.waiting -= n
	if n > 0 && p.x.Server != nil && !p.over() {
		p.x.Server.Drained(p.x, n)
	}
}

func (p *peer) End(x *exchange.Exchange) {
	if p.over() {
		p.t.Error("the Exchange ended twice")
	}
	p.ended, p.trailers = true, len(x.Response.Trailers)
}

func (p *peer) Abort(_ *exchange.Exchange, cause error) {
	if p.over() {
		p.t.Error("the Exchange ended twice")
	}
	p.aborted = cause
}

func (p *peer) over() bool { return p.ended || p.aborted != nil }

// gone has the client go.
func (p *peer) gone() {
	p.x.Canceled = true
	if p.x.Server != nil {
		p.x.Server.Gone(p.x, exchange.ErrClientGone)
	}
}

// run runs tasks until ok holds.
func (p *peer) run(ok func() bool) {
	p.t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for !ok() {
		select {
		case task := <-p.tasks:
			task.Run()
			if !p.lazy {
				p.drain(p.waiting)
			}
		case <-deadline.C:
			p.t.Fatalf("no answer came: status %d, %d octets", p.status, len(p.content))
		}
	}
}

// finish runs tasks until the Exchange is over.
func (p *peer) finish() {
	p.t.Helper()
	p.run(p.over)
	if p.x.Client != exchange.Client(p) {
		p.t.Errorf("%T still stands before the front", p.x.Client)
	}
}

// settle runs the tasks that are there.
func (p *peer) settle() {
	for len(p.tasks) > 0 {
		task := <-p.tasks
		task.Run()
	}
}

// get returns the values of a field, joined by "|".
func (p *peer) get(name string) string {
	var list []string
	for _, f := range p.fields {
		if strings.EqualFold(string(f.Name), name) {
			list = append(list, string(f.Value))
		}
	}
	return strings.Join(list, "|")
}

// ask makes an Exchange for a request with fields like "Name: value".
func ask(t testing.TB, method, path string, fields ...string) (*exchange.Exchange, *peer) {
	p := &peer{t: t, tasks: make(chan exchange.Task, 1024)}
	x := &exchange.Exchange{Executor: p}
	x.Reset()
	x.Client, p.x = p, x
	r := &x.Request
	r.Method, r.Version = []byte(method), exchange.HTTP11
	r.Path, r.RawPath, r.Target = []byte(path), []byte(path), []byte(path)
	r.Host, r.Scheme, r.ContentLength = []byte("h.test"), []byte("http"), 0
	r.ClientAddr = []byte("192.0.2.1")
	for _, f := range fields {
		name, value, _ := strings.Cut(f, ": ")
		r.Fields = append(r.Fields, exchange.Field{Name: []byte(strings.ToLower(name)), Value: []byte(value)})
	}
	return x, p
}

// text answers with a text and fields like "Name: value".
func text(status int, content string, fields ...string) exchange.Handler {
	return exchange.HandlerFunc(func(x *exchange.Exchange) {
		r := &x.Response
		r.Status, r.ContentLength, r.Whole = status, int64(len(content)), true
		addFields(r, fields...)
		x.Head()
		if !x.Request.IsHead() && content != "" {
			x.Data([]byte(content))
		}
		x.End()
	})
}

func addFields(r *exchange.Response, fields ...string) {
	for _, f := range fields {
		name, value, _ := strings.Cut(f, ": ")
		r.Add(name, value)
	}
}

// application is a Server that a test answers with: it notes what it is told.
type application struct {
	served  int
	x       *exchange.Exchange
	content []byte
	over    bool
	contErr error
	drained int
	cause   error
	// obey has Gone finish the Exchange.
	obey bool
}

// Serve implements exchange.Handler.
func (a *application) Serve(x *exchange.Exchange) {
	a.served++
	a.x = x
	x.Server = a
}

func (a *application) Content(_ *exchange.Exchange, p []byte)     { a.content = append(a.content, p...) }
func (a *application) ContentEnd(_ *exchange.Exchange, err error) { a.over, a.contErr = true, err }
func (a *application) Drained(_ *exchange.Exchange, n int)        { a.drained += n }
func (a *application) Gone(x *exchange.Exchange, cause error) {
	a.cause = cause
	if a.obey {
		x.Abort(cause)
	}
}

// one makes the chain of a Config before a Handler.
func one(t testing.TB, c Config, next exchange.Handler) exchange.Handler {
	t.Helper()
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	wrap, err := New(c, NewShared(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if wrap == nil {
		return next
	}
	return wrap(next)
}
