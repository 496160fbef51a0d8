package chain

import (
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"rickhouse/internal/exchange"
)

// ConcurrencyConfig bounds how many requests are answered at a time. The zero
// value does not.
type ConcurrencyConfig struct {
	Max   int           `toml:"max_concurrent" default:"0, any number" help:"How many requests of this route are answered at a time. A WebSocket counts while it is open."`
	Queue int           `toml:"concurrent_queue" default:"0, none" help:"How many more may wait for their turn. Further ones are answered 503 at once."`
	Wait  time.Duration `toml:"concurrent_wait" default:"10s" help:"How long they may wait; then 503."`
}

// maxConcurrent is more than there can be connections.
const maxConcurrent = 10_000_000

// WithDefaults returns c with its zero fields replaced, if there is a bound.
func (c ConcurrencyConfig) WithDefaults() ConcurrencyConfig {
	if c.Max != 0 && c.Wait == 0 {
		c.Wait = 10 * time.Second
	}
	return c
}

// Validate reports every mistake in c, each as "key: what is wrong".
func (c ConcurrencyConfig) Validate() error {
	if c.Max == 0 {
		return needs("max_concurrent", map[string]bool{"concurrent_queue": c.Queue != 0, "concurrent_wait": c.Wait != 0})
	}
	var errs []error
	if c.Max < 0 || c.Max > maxConcurrent {
		errs = append(errs, fmt.Errorf("max_concurrent: %d is not between 1 and %d", c.Max, maxConcurrent))
	}
	if c.Queue < 0 || c.Queue > maxConcurrent {
		errs = append(errs, fmt.Errorf("concurrent_queue: %d is not between 0 and %d", c.Queue, maxConcurrent))
	}
	if c.Wait < 0 {
		errs = append(errs, fmt.Errorf("concurrent_wait: %v is less than 0", c.Wait))
	}
	if c.Wait != 0 && c.Queue == 0 {
		errs = append(errs, errors.New("concurrent_wait: it needs concurrent_queue beside it"))
	}
	return errors.Join(errs...)
}

// concurrency is the wrapper that bounds how many requests are answered at a time.
type concurrency struct {
	next exchange.Handler
	wait time.Duration
	full *exchange.Error
	taps sync.Pool // of *turnTap
	*places
}

// places are what there is for requests. Each chain that has them serves its own
// ones: those of all wait in one queue.
type places struct {
	most    int
	longest int

	mu          sync.Mutex
	running     int
	waiting     int
	first, last *turn // who waits, in order
}

// newConcurrency returns nil if there is no bound.
func newConcurrency(c ConcurrencyConfig, keep Keep) wrapper {
	if c.Max == 0 {
		return nil
	}
	p := kept(keep, c, func() *places { return &places{most: c.Max, longest: c.Queue} })
	return func(next exchange.Handler) exchange.Handler {
		return &concurrency{
			next: next, wait: c.Wait, places: p,
			full: &exchange.Error{
				Status: http.StatusServiceUnavailable, Reason: "too many requests of the route are being answered (max_concurrent, concurrent_queue)",
				RetryAfter: time.Second,
			},
		}
	}
}

// Serve implements exchange.Handler.
func (c *concurrency) Serve(x *exchange.Exchange) {
	c.mu.Lock()
	switch {
	case c.running < c.most:
		c.running++
		c.mu.Unlock()
		c.enter(x)
		c.next.Serve(x)
	case c.waiting < c.longest:
		t := &turn{c: c, x: x}
		t.held.hold(x)
		x.Server = t
		c.push(t)
		c.mu.Unlock()
		t.timer = time.AfterFunc(c.wait, func() { x.Executor.Post((*lateTurn)(t)) })
	default:
		c.mu.Unlock()
		x.Fail(c.full)
	}
}

// enter has the place of x given on when it ends.
func (c *concurrency) enter(x *exchange.Exchange) {
	t, ok := c.taps.Get().(*turnTap)
	if !ok {
		t = &turnTap{c: c}
		t.tap = tap{self: t, pool: &c.taps}
	}
	t.put(x)
}

// leave gives a place to whoever waits longest.
func (p *places) leave() {
	p.mu.Lock()
	t := p.first
	if t == nil {
		p.running--
	} else {
		p.remove(t)
	}
	p.mu.Unlock()
	if t != nil {
		t.x.Executor.Post(t)
	}
}

func (p *places) push(t *turn) {
	p.waiting++
	t.queued, t.before = true, p.last
	if p.last == nil {
		p.first = t
	} else {
		p.last.after = t
	}
	p.last = t
}

// remove takes t off the queue.
func (p *places) remove(t *turn) {
	p.waiting--
	t.queued = false
	if t.before == nil {
		p.first = t.after
	} else {
		t.before.after = t.after
	}
	if t.after == nil {
		p.last = t.before
	} else {
		t.after.before = t.before
	}
	t.before, t.after = nil, nil
}

// giveUp takes t off the queue and reports whether it was there: else it has been
// given a place, of which it will hear.
func (p *places) giveUp(t *turn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if t.queued {
		p.remove(t)
		return true
	}
	return false
}

// turn is an Exchange that waits for its turn.
type turn struct {
	held
	c     *concurrency
	x     *exchange.Exchange
	timer *time.Timer
	over  bool // the Exchange has gone on, or ended

	// These belong to the places of c.
	queued        bool
	before, after *turn
}

// Run implements exchange.Task: it is t's turn.
func (t *turn) Run() {
	t.over = true
	t.timer.Stop()
	if t.held.over(t.x) {
		t.c.leave()
		return
	}
	t.c.enter(t.x)
	t.goOn(t.x, t.c.next)
}

// Gone implements exchange.Server.
func (t *turn) Gone(x *exchange.Exchange, cause error) {
	t.gone = cause
	if t.c.giveUp(t) {
		t.over = true
		t.timer.Stop()
		t.held.over(x)
	}
}

// lateTurn is a turn that has waited too long.
type lateTurn turn

// Run implements exchange.Task.
func (l *lateTurn) Run() {
	t := (*turn)(l)
	if t.over || !t.c.giveUp(t) {
		return
	}
	t.over = true
	if !t.held.over(t.x) {
		t.x.Fail(t.c.full)
	}
}

// turnTap gives a place on when its Exchange ends.
type turnTap struct {
	tap
	c *concurrency
}

// End implements exchange.Client.
func (t *turnTap) End(x *exchange.Exchange) {
	c := t.c
	t.leave(x).End(x)
	c.leave()
}

// Abort implements exchange.Client.
func (t *turnTap) Abort(x *exchange.Exchange, cause error) {
	c := t.c
	t.leave(x).Abort(x, cause)
	c.leave()
}
