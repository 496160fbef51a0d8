package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime/debug"
	"slices"
	"strconv"
	"sync/atomic"

	"rickhouse/internal/exchange"
	wire "rickhouse/internal/wire/http1"
)

var (
	errStalled  = errors.New("the upstream stands still")
	errUnread   = errors.New("the upstream takes no more content")
	errFinished = errors.New("the request is finished")
)

var _ exchange.Server = (*call)(nil)

// call is one request under way.
type call struct {
	t    *Transport
	home exchange.Executor
	c    Call

	// Of the Executor alone. x is nil once the Exchange is finished.
	x *exchange.Exchange

	// Set before the goroutine runs; each may be used from any.
	cancel  context.CancelCauseFunc
	content *pipe // nil without content
	room    window
	watch   watchdog
	sent    atomic.Bool // the head of the request went out

	interims int // of the RoundTripper's goroutine
}

// post has f run on the Executor, unless the Exchange is finished by then.
func (c *call) post(f func(x *exchange.Exchange)) {
	c.home.Post(exchange.TaskFunc(func() {
		if c.x != nil {
			f(c.x)
		}
	}))
}

// demand lets n more octets of content come.
func (c *call) demand(n int) { c.post(func(x *exchange.Exchange) { x.Demand(n) }) }

// Content implements exchange.Server.
func (c *call) Content(_ *exchange.Exchange, p []byte) { c.content.write(p) }

// ContentEnd implements exchange.Server.
func (c *call) ContentEnd(x *exchange.Exchange, err error) {
	if c.content == nil {
		return
	}
	if err == nil {
		err = io.EOF
	}
	c.content.finish(err, x.Request.Trailers)
}

// Drained implements exchange.Server.
func (c *call) Drained(_ *exchange.Exchange, n int) { c.room.give(n) }

// Gone implements exchange.Server. What has been sent on is answered to a client
// that has only stopped sending.
func (c *call) Gone(_ *exchange.Exchange, cause error) {
	if c.x == nil || errors.Is(cause, exchange.ErrHalfClosed) {
		return
	}
	x := c.take(cause)
	x.Abort(cause)
}

// take takes the Exchange away, to be finished, and ends what is under way.
func (c *call) take(outcome error) *exchange.Exchange {
	x := c.x
	c.x = nil
	if c.cancel != nil {
		cause := outcome
		if cause == nil {
			cause = errFinished
		}
		c.cancel(cause)
		c.watch.stop()
		if c.content != nil {
			c.content.finish(cause, nil)
		}
	}
	if c.c.Done != nil {
		c.c.Done(outcome)
	}
	return x
}

// fail finishes the Exchange without a whole answer.
func (c *call) fail(err error) {
	headSent := c.x.HeadSent
	f := Failure{Err: exchange.AsError(err), Cause: err, Sent: c.sent.Load(), Taken: c.content != nil && c.content.begun()}
	x := c.take(err)
	if c.c.Failed != nil && !headSent {
		x.Server = nil
		c.c.Failed(x, f)
		return
	}
	x.Fail(err)
}

// run asks the RoundTripper and passes on what it answers.
func (c *call) run(req *http.Request) {
	ctx := req.Context()
	var err error
	defer func() {
		if value := recover(); value != nil {
			c.t.log.Error("a bug in the server: a request to an upstream panicked", "panic", fmt.Sprint(value), "stack", string(debug.Stack()))
			err = &exchange.Error{Status: http.StatusBadGateway, Reason: fmt.Sprintf("a bug: the request to %s panicked", req.URL.Host)}
		}
		if err != nil {
			c.post(func(*exchange.Exchange) { c.fail(err) })
		}
	}()
	res, err := c.t.via.RoundTrip(req)
	if err != nil {
		err = c.explain(ctx, req, err)
		return
	}
	defer func() { _ = res.Body.Close() }()
	if err = c.answer(ctx, req, res); err != nil {
		err = c.explain(ctx, req, err)
	}
}

// answer passes on an answer.
func (c *call) answer(ctx context.Context, req *http.Request, res *http.Response) error {
	c.watch.moved()
	if res.StatusCode < 200 || res.StatusCode > 999 {
		return fmt.Errorf("the status %d is not one of an answer to what was asked", res.StatusCode)
	}
	fields, err := answerFields(res.Header)
	if err != nil {
		return err
	}
	length := contentLength(req, res)
	content := wire.HasContent(res.StatusCode, req.Method == http.MethodHead)
	if content && length == 0 {
		if err := nothing(res.Body); err != nil {
			return err
		}
		content = false
	}
	head := func(x *exchange.Exchange) {
		r := &x.Response
		r.Status, r.ContentLength, r.Whole = res.StatusCode, length, !content
		r.Fields = append(r.Fields, fields...)
		if c.c.Edit != nil {
			c.c.Edit(x)
		}
		x.Head()
	}
	if content {
		c.post(head)
		head = nil
		if err := c.copy(ctx, res.Body); err != nil {
			return err
		}
	}
	trailers := answerTrailers(res.Trailer)
	c.post(func(x *exchange.Exchange) {
		if head != nil {
			head(x) // with the end, so that HTTP/2 has it in one frame, as gRPC wants it
		}
		if c.x == nil {
			return
		}
		c.take(nil)
		x.Response.Trailers = append(x.Response.Trailers, trailers...)
		x.End()
	})
	return nil
}

// nothing reads the end of content that has no octets.
func nothing(body io.Reader) error {
	n, err := body.Read(make([]byte, 1))
	switch {
	case n > 0:
		return errors.New("there is content after a Content-Length of 0")
	case errors.Is(err, io.EOF):
		return nil
	}
	return err
}

// copy passes content on, as the client takes it.
func (c *call) copy(ctx context.Context, body io.Reader) error {
	for {
		c.watch.pause()
		n, err := c.room.take(ctx, min(maxRead, c.t.cfg.Window))
		c.watch.resume()
		if err != nil {
			return err
		}
		b := c.t.buffers.Get().(*[]byte)
		k, err := body.Read((*b)[:n])
		c.watch.moved()
		c.room.give(n - k)
		if k > 0 {
			c.home.Post(exchange.TaskFunc(func() {
				if c.x != nil {
					c.x.Data((*b)[:k])
				}
				c.t.buffers.Put(b)
			}))
		} else {
			c.t.buffers.Put(b)
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
	}
}

// explain says what an error means to the client.
func (c *call) explain(ctx context.Context, req *http.Request, err error) error {
	if c.content != nil {
		if failed := c.content.failure(); failed != nil {
			return failed
		}
	}
	e := &exchange.Error{Status: http.StatusBadGateway, Reason: "the upstream " + req.URL.Host + " did not answer as it should", Err: err}
	if cause := context.Cause(ctx); errors.Is(cause, errStalled) {
		e.Err = cause
	}
	var late net.Error
	if errors.Is(e.Err, errStalled) || errors.Is(err, context.DeadlineExceeded) || errors.As(err, &late) && late.Timeout() {
		e.Status, e.Reason = http.StatusGatewayTimeout, "the upstream "+req.URL.Host+" did not answer in time"
	}
	var chosen *exchange.Error
	if errors.As(err, &chosen) {
		return err // whoever dials may know better
	}
	return e
}

// contentLength is the length of an answer's content, or -1.
func contentLength(req *http.Request, res *http.Response) int64 {
	if req.Method != http.MethodHead && res.StatusCode != http.StatusNotModified {
		return res.ContentLength
	}
	told := res.Header["Content-Length"]
	if len(told) != 1 {
		return -1
	}
	n, err := strconv.ParseInt(told[0], 10, 64)
	if err != nil || n < 0 {
		return -1
	}
	return n
}

// answerFields are the fields of an answer that go to the client, in a fixed order.
func answerFields(h http.Header) ([]exchange.Field, error) {
	named := connectionOptions(h)
	names := make([]string, 0, len(h))
	for name := range h {
		names = append(names, name)
	}
	slices.Sort(names)
	var fields []exchange.Field
	for _, name := range names {
		n := []byte(name)
		if !wire.ValidName(n) {
			return nil, fmt.Errorf("the field name %.60q of the answer is not a token", name)
		}
		if kind := wire.Classify(n); kind == wire.HopField || kind == wire.UpgradeField || named[name] || ours(name) {
			continue
		}
		for _, value := range h[name] {
			if !wire.ValidValue([]byte(value)) {
				return nil, fmt.Errorf("the value of the field %.60q of the answer holds a control character", name)
			}
			fields = append(fields, exchange.Field{Name: n, Value: []byte(value)})
		}
	}
	return fields, nil
}

// answerTrailers are the trailers of an answer that go to the client.
func answerTrailers(h http.Header) []exchange.Field {
	var fields []exchange.Field
	for name, values := range h {
		if n := []byte(name); wire.ValidName(n) && wire.AllowedInAnswer(n) {
			for _, value := range values {
				if wire.ValidValue([]byte(value)) {
					fields = append(fields, exchange.Field{Name: n, Value: []byte(value)})
				}
			}
		}
	}
	slices.SortStableFunc(fields, func(a, b exchange.Field) int { return slices.Compare(a.Name, b.Name) })
	return fields
}
