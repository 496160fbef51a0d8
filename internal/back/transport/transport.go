package transport

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"rickhouse/internal/exchange"
)

// Transport answers Exchanges of any Executors.
type Transport struct {
	cfg     Config
	via     http.RoundTripper
	log     *slog.Logger
	buffers sync.Pool // of *[]byte
	running sync.WaitGroup
	calls   atomic.Int64
	ctx     context.Context // ends with Close
	stop    context.CancelFunc
}

// New makes a Transport that asks via, or says what is wrong with cfg. log gets a
// line if via panics.
func New(cfg Config, via http.RoundTripper, log *slog.Logger) (*Transport, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("transport: %w", err)
	}
	t := &Transport{cfg: cfg.withDefaults(), via: via, log: log}
	t.ctx, t.stop = context.WithCancel(context.Background())
	t.buffers.New = func() any { b := make([]byte, min(maxRead, t.cfg.Window)); return &b }
	return t, nil
}

// maxRead is the most octets of an answer read at a time.
const maxRead = 32 << 10

// Call says what is asked of whom. Nothing in it may change before the Exchange is
// finished.
type Call struct {
	// Scheme is "http" or "https", Authority the host and perhaps port that the
	// connection goes to.
	Scheme, Authority string
	// Host is the Host field, or :authority; Authority if it is empty.
	Host string
	// Target is the path and query in origin form, or "*"; if it is empty, what the
	// client sent.
	Target string
	// Fields are sent in place of x.Request.Fields unless they are nil. In both, Host,
	// Content-Length and fields of the connection are left out.
	Fields []exchange.Field
	// HTTP2 says that the RoundTripper speaks HTTP/2 and nothing else.
	HTTP2 bool
	// Edit, if not nil, is called on the Executor before the final head of the answer
	// is sent, and may change x.Response.
	Edit func(x *exchange.Exchange)
	// Failed, if not nil, is called on the Executor in place of x.Fail where nothing
	// of an answer was sent. The Exchange is the caller's again.
	Failed func(x *exchange.Exchange, f Failure)
	// Done, if not nil, is called once, on the Executor, before the Exchange is
	// finished or given to Failed: with nil if the answer is whole, and with
	// exchange.ErrClientGone or the like if it was the client that left.
	Done func(err error)
}

// Failure is why there is no answer.
type Failure struct {
	Err *exchange.Error
	// Cause is the error that Err was found in.
	Cause error
	// Sent is true if the upstream may have seen the request.
	Sent bool
	// Taken is true if content of the request was taken that will not come again.
	Taken bool
}

// Serve answers x as c says. It is called on x's Executor and returns at once.
func (t *Transport) Serve(x *exchange.Exchange, c Call) {
	r := &call{t: t, x: x, home: x.Executor, c: c}
	if err := unsupported(&x.Request); err != nil {
		r.fail(err)
		return
	}
	if n := t.calls.Add(1); t.cfg.MaxCalls > 0 && n > int64(t.cfg.MaxCalls) {
		t.calls.Add(-1)
		r.fail(&exchange.Error{Status: http.StatusServiceUnavailable, Reason: "too many requests are on their way to upstreams", RetryAfter: time.Second})
		return
	}
	x.Server = r
	x.Stats.Started = x.Executor.Now()
	ctx, cancel := context.WithCancelCause(t.ctx)
	r.cancel = cancel
	r.room.init(t.cfg.Window)
	r.watch.init(t.cfg.Stall, func() { cancel(errStalled) })
	req, err := r.request(ctx)
	if err != nil {
		t.calls.Add(-1)
		cancel(err)
		r.fail(&exchange.Error{Status: http.StatusBadRequest, Reason: "the request cannot be sent on", Err: err})
		return
	}
	t.running.Go(func() {
		defer t.calls.Add(-1)
		r.run(req)
	})
}

// Calls is the number of requests on their way.
func (t *Transport) Calls() int { return int(t.calls.Load()) }

// Wait waits until every goroutine of the Transport has ended. Nothing may be
// served any more; what is under way ends when its Exchange is Gone, or answered.
func (t *Transport) Wait() { t.running.Wait() }

// Close ends what is under way, and waits for it. It needs no Executor to run.
func (t *Transport) Close() {
	t.stop()
	t.running.Wait()
}

// unsupported tells requests that need a connection of their own. An offer of h2c
// may be ignored (RFC 9110 §7.8), and has to be (RFC 9113 §3.1).
func unsupported(r *exchange.Request) error {
	switch {
	case r.Form == exchange.AuthorityForm:
		return &exchange.Error{Status: http.StatusNotImplemented, Reason: "CONNECT cannot be sent to this upstream"}
	case r.Upgrade != nil && string(r.Upgrade) != "h2c":
		return &exchange.Error{Status: http.StatusNotImplemented, Reason: fmt.Sprintf("an upgrade to %.40q cannot be sent to this upstream", r.Upgrade)}
	}
	return nil
}
