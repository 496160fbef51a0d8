package python

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"testing"

	"rickhouse/internal/exchange"
	"rickhouse/internal/loop"
)

// client is the front of one Exchange: it records the answer, and complains of
// every call that must not come. It belongs to its loop until done is closed.
type client struct {
	t    *testing.T
	name string
	loop *loop.Loop
	x    *exchange.Exchange

	content []byte // request content not yet delivered
	held    bool   // content stays open after content: the test ends it
	paused  bool   // content comes only after resume
	allowed int
	feeding bool
	fed     bool // ContentEnd was called

	slow    bool // answer content stays undrained
	lenient bool // a file may be shorter than was said
	// onHead, onData and onEnd are called within the calls.
	onHead, onData, onEnd func()

	status  int
	whole   bool
	fields  string
	trail   string // trailer fields
	body    []byte
	owed    int
	demands int
	err     error // what it was aborted with
	done    chan struct{}
	over    bool
	events  chan string // the first word of each call, if not nil
}

// ask makes a client that is not served yet.
func (e *env) ask(l *loop.Loop, method, path string, content []byte) *client {
	c := &client{t: e.t, name: method + " " + path, loop: l, content: content, done: make(chan struct{})}
	x := &exchange.Exchange{Executor: l}
	x.Reset()
	x.Client = c
	x.Request.Method, x.Request.Path, x.Request.RawPath = []byte(method), []byte(path), []byte(path)
	x.Request.Version, x.Request.Scheme = exchange.HTTP11, []byte("http")
	x.Request.ContentLength = 0
	if content != nil {
		x.HasContent = true
		x.Request.ContentLength = int64(len(content))
		x.Request.Fields = append(x.Request.Fields, exchange.Field{
			Name: []byte("content-length"), Value: strconv.AppendInt(nil, int64(len(content)), 10),
		})
	}
	c.x = x
	return c
}

func (e *env) get(path string) *client { return e.ask(e.home, "GET", path, nil).serve(e.app) }

func (c *client) serve(a *App) *client {
	c.loop.Post(exchange.TaskFunc(func() { a.Serve(c.x) }))
	return c
}

// gone tells the Server that nobody waits, from the loop.
func (c *client) gone() { c.leave(exchange.ErrClientGone) }

// leave tells the Server that the client has gone, or has stopped sending.
func (c *client) leave(cause error) {
	c.loop.Post(exchange.TaskFunc(func() {
		if !c.over {
			c.x.Canceled = c.x.Canceled || cause == exchange.ErrClientGone
			c.x.Server.Gone(c.x, cause)
		}
	}))
}

// alive complains of a call on a finished Exchange.
func (c *client) alive(call string) bool {
	if c.over {
		c.t.Errorf("%s: %s after the end", c.name, call)
	}
	if c.events != nil {
		c.events <- call
	}
	return !c.over
}

func (c *client) Demand(_ *exchange.Exchange, n int) {
	if !c.alive("Demand") {
		return
	}
	if n <= 0 && len(c.content) > 0 {
		c.t.Errorf("%s: Demand(%d)", c.name, n)
	}
	c.demands += n
	c.allowed += n
	if c.status == 101 { // as a front does it
		c.loop.Post(exchange.TaskFunc(c.feed))
		return
	}
	c.feed()
}

// feed delivers what was asked for, in pieces that fit nothing.
func (c *client) feed() {
	if c.feeding || c.paused {
		return
	}
	c.feeding = true
	for len(c.content) > 0 && c.allowed > 0 && !c.over {
		n := min(len(c.content), c.allowed, 10007)
		p := c.content[:n:n]
		c.content, c.allowed = c.content[n:], c.allowed-n
		c.x.Server.Content(c.x, p)
	}
	c.feeding = false
	if len(c.content) == 0 && !c.held && !c.fed && !c.over {
		c.fed = true
		c.x.Server.ContentEnd(c.x, nil)
	}
}

// resume lets content come that was held back.
func (c *client) resume() {
	c.loop.Post(exchange.TaskFunc(func() {
		c.paused = false
		c.feed()
	}))
}

func (c *client) Head(x *exchange.Exchange) {
	if !c.alive("Head") {
		return
	}
	if c.status >= 200 {
		c.t.Errorf("%s: a second Head", c.name)
	}
	c.status, c.whole = x.Response.Status, x.Response.Whole
	x.HeadSent = c.status >= 200 || c.status == 101
	for _, f := range x.Response.Fields {
		c.fields += fmt.Sprintf("%s: %s\n", f.Name, f.Value)
	}
	call(c.onHead)
}

func call(f func()) {
	if f != nil {
		f()
	}
}

func (c *client) Data(x *exchange.Exchange, p []byte) {
	if !c.alive("Data") {
		return
	}
	if !x.HeadSent {
		c.t.Errorf("%s: Data before a final Head", c.name)
	}
	c.body = append(c.body, p...)
	c.owed += len(p)
	call(c.onData)
	c.drain()
}

func (c *client) drain() {
	if n := c.owed; !c.slow && n > 0 && !c.over {
		c.owed = 0
		c.x.Server.Drained(c.x, n)
	}
}

func (c *client) File(x *exchange.Exchange, f *os.File, offset, length int64) {
	defer f.Close()
	if !c.alive("File") {
		return
	}
	p, err := io.ReadAll(io.NewSectionReader(f, offset, length))
	if err != nil || int64(len(p)) != length && !c.lenient || !x.HeadSent {
		c.t.Errorf("%s: a file of %d of %d octets: %v", c.name, len(p), length, err)
	}
	c.body = append(c.body, p...)
	c.owed += exchange.FileCost
	c.drain()
}

func (c *client) End(x *exchange.Exchange) {
	if !c.alive("End") {
		return
	}
	if !x.HeadSent {
		c.t.Errorf("%s: End before Head", c.name)
	}
	for _, f := range x.Response.Trailers {
		c.trail += fmt.Sprintf("%s: %s\n", f.Name, f.Value)
	}
	c.finish()
}

func (c *client) Abort(_ *exchange.Exchange, cause error) {
	if !c.alive("Abort") {
		return
	}
	if c.err = cause; cause == nil {
		c.err = errors.New("aborted without a cause")
	}
	c.finish()
}

func (c *client) finish() {
	c.over = true
	call(c.onEnd)
	close(c.done)
}

// wait waits for the end.
func (c *client) wait() *client {
	c.t.Helper()
	wait(c.t, c.done, "the end of "+c.name)
	return c
}

// want waits for the end and checks the answer: its status, -1 if it was cut, and
// what its content begins with.
func (c *client) want(status int, body string) *client {
	c.t.Helper()
	c.wait()
	got := c.status
	if c.err != nil {
		got = -1
	}
	if got != status || !strings.HasPrefix(string(c.body), body) {
		c.t.Errorf("%s: got %d %.80q (%v, %v), want %d %.80q", c.name, got, c.body, c.err, c.x.Stats.Err, status, body)
	}
	return c
}

// worker is the process that answered, by what its answer says.
func (c *client) worker() string {
	c.wait()
	words := strings.Fields(string(c.body))
	if len(words) < 2 {
		return ""
	}
	return words[1]
}

// both runs a test with the Exchanges on the App's loop and on another one.
func both(t *testing.T, f func(t *testing.T, on func(*env) *loop.Loop)) {
	t.Run("near", func(t *testing.T) { f(t, func(e *env) *loop.Loop { return e.home }) })
	t.Run("far", func(t *testing.T) { f(t, func(e *env) *loop.Loop { return e.other }) })
}
