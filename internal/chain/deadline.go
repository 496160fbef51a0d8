package chain

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"rickhouse/internal/exchange"
	"rickhouse/internal/units"
)

// LimitConfig bounds the content of requests, and the time of answers. The zero
// value leaves it to the bounds that hold everywhere.
type LimitConfig struct {
	MaxBody       units.Size    `toml:"max_body" default:"that of the top level" help:"The largest request body on this route, more or less than elsewhere; a larger one is answered with 413."`
	Timeout       time.Duration `toml:"timeout" default:"none" help:"How long a request may take until its answer begins, everything included; then 504. An application has a bound of its own, request_timeout."`
	AnswerTimeout time.Duration `toml:"answer_timeout" default:"none" help:"How long a request may take until its answer is complete; then that is cut. WebSockets have no such bound."`
}

// Validate reports every mistake in c, each as "key: what is wrong".
func (c LimitConfig) Validate() error {
	var errs []error
	if c.MaxBody < 0 {
		errs = append(errs, fmt.Errorf("max_body: %v is less than 0", c.MaxBody))
	}
	if c.Timeout < 0 {
		errs = append(errs, fmt.Errorf("timeout: %v is less than 0", c.Timeout))
	}
	if c.AnswerTimeout < 0 {
		errs = append(errs, fmt.Errorf("answer_timeout: %v is less than 0", c.AnswerTimeout))
	}
	if c.AnswerTimeout != 0 && c.AnswerTimeout < c.Timeout {
		errs = append(errs, fmt.Errorf("answer_timeout: %v is less than timeout, %v", c.AnswerTimeout, c.Timeout))
	}
	return errors.Join(errs...)
}

// bodyLimit is the wrapper that says how much content may come. The front keeps
// to it.
type bodyLimit struct {
	next exchange.Handler
	most int64
}

// newBodyLimit returns nil if there is none.
func newBodyLimit(c LimitConfig) wrapper {
	if c.MaxBody == 0 {
		return nil
	}
	return func(next exchange.Handler) exchange.Handler { return &bodyLimit{next, int64(c.MaxBody)} }
}

// Serve implements exchange.Handler.
func (b *bodyLimit) Serve(x *exchange.Exchange) {
	if x.Request.ContentLength > b.most {
		x.Fail(&exchange.Error{
			Status: http.StatusRequestEntityTooLarge,
			Reason: fmt.Sprintf("the body is larger than max_body (%v)", units.Size(b.most)),
		})
		return
	}
	x.Route.MaxBody = b.most
	b.next.Serve(x)
}

// deadlines is the wrapper that bounds how long answers take.
type deadlines struct {
	next    exchange.Handler
	cfg     LimitConfig
	late    *exchange.Error // no answer has begun
	tooLong error           // the answer is not complete
}

// newDeadlines returns nil if there is no bound.
func newDeadlines(c LimitConfig) wrapper {
	if c.Timeout == 0 && c.AnswerTimeout == 0 {
		return nil
	}
	return func(next exchange.Handler) exchange.Handler {
		d := &deadlines{
			next: next, cfg: c, tooLong: fmt.Errorf("the answer was not complete in time (answer_timeout, %v)", c.AnswerTimeout),
			late: &exchange.Error{Status: http.StatusGatewayTimeout, Reason: fmt.Sprintf("no answer came in time (timeout, %v)", c.Timeout)},
		}
		if d.cfg.Timeout == 0 {
			d.cfg.Timeout = d.cfg.AnswerTimeout
		}
		return d
	}
}

// Serve implements exchange.Handler.
func (d *deadlines) Serve(x *exchange.Exchange) {
	t := &deadlineTap{d: d, x: x}
	t.self = t
	t.put(x)
	post := func() { x.Executor.Post(t) }
	t.timer = time.AfterFunc(d.cfg.Timeout, post)
	if d.cfg.AnswerTimeout > d.cfg.Timeout {
		t.second = time.AfterFunc(d.cfg.AnswerTimeout, post)
	}
	d.next.Serve(x)
}

// deadlineTap bounds the time of one answer. It is not used again, as a timer may
// come late.
type deadlineTap struct {
	tap
	d             *deadlines
	x             *exchange.Exchange
	timer, second *time.Timer // second may be nil
	fired         int
	headed        bool  // the head went out, the Server's or that of a 504
	cut           error // why what the Server still sends goes nowhere
	answered      bool  // the client has a whole answer in place of the Server's
	over          bool
}

// Run implements exchange.Task: one of the timers has come.
func (t *deadlineTap) Run() {
	t.fired++
	last := t.second == nil || t.fired == 2
	switch {
	case t.over || t.cut != nil || t.x.Canceled:
	case !t.headed:
		t.answer()
	case last && t.d.cfg.AnswerTimeout > 0:
		t.giveUp(t.x.Server, t.d.tooLong)
	}
}

// answer answers in place of the Server, which is told that nobody waits for it.
func (t *deadlineTap) answer() {
	x := t.x
	r := &x.Response
	r.Reset()
	page := x.Pages.Of(t.d.late.Status)
	r.Status, r.ContentLength = t.d.late.Status, int64(len(page.Content))
	r.Add("Content-Type", page.ContentType)
	x.Stats.Err = t.d.late
	server := x.Server
	x.Server = nowhere{}
	t.headed, t.answered = true, true
	t.client.Head(x)
	if !x.Request.IsHead() {
		t.client.Data(x, page.Content)
	}
	t.giveUp(server, t.d.late)
}

// giveUp tells the Server that nobody waits. It still finishes the Exchange.
func (t *deadlineTap) giveUp(server exchange.Server, cause error) {
	t.cut = cause
	t.x.Canceled = true
	if server != nil {
		server.Gone(t.x, cause)
	}
}

// Head implements exchange.Client.
func (t *deadlineTap) Head(x *exchange.Exchange) {
	if t.cut != nil {
		return
	}
	switch {
	case final(x):
		t.headed = true
	case x.Response.Status == http.StatusSwitchingProtocols:
		t.stop()
	}
	t.client.Head(x)
}

// Data implements exchange.Client.
func (t *deadlineTap) Data(x *exchange.Exchange, p []byte) {
	if t.cut == nil {
		t.client.Data(x, p)
	}
}

// File implements exchange.Client.
func (t *deadlineTap) File(x *exchange.Exchange, f *os.File, offset, length int64) {
	if t.cut != nil {
		_ = f.Close()
		return
	}
	t.client.File(x, f, offset, length)
}

// End implements exchange.Client.
func (t *deadlineTap) End(x *exchange.Exchange) {
	t.stop()
	if t.cut != nil && !t.answered {
		t.leave(x).Abort(x, t.cut)
		return
	}
	t.leave(x).End(x)
}

// Abort implements exchange.Client.
func (t *deadlineTap) Abort(x *exchange.Exchange, cause error) {
	t.stop()
	switch {
	case t.answered:
		x.Stats.Err = t.cut
		t.leave(x).End(x)
	case t.cut != nil:
		t.leave(x).Abort(x, t.cut)
	default:
		t.leave(x).Abort(x, cause)
	}
}

// stop ends the timers.
func (t *deadlineTap) stop() {
	t.over = true
	t.timer.Stop()
	if t.second != nil {
		t.second.Stop()
	}
}
