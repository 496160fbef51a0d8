package supervise

import (
	"sync"
	"sync/atomic"

	"rickhouse/internal/exchange"
)

// A Generation is a Handler that is in use on several lanes at once.
type Generation struct {
	handler exchange.Handler
	lanes   atomic.Int64 // on which it is in use, or will be
	unused  func()
}

// NewGeneration returns a Generation that is to be used on so many lanes, each of
// which it has to be given once. unused is called once, by whoever leaves it last:
// when every lane has got another one and every Exchange that h was given is over.
func NewGeneration(h exchange.Handler, lanes int, unused func()) *Generation {
	g := &Generation{handler: h, unused: unused}
	g.lanes.Store(int64(lanes))
	return g
}

// leave is called when a lane uses g no more.
func (g *Generation) leave() {
	if g.lanes.Add(-1) == 0 {
		g.unused()
	}
}

// A Lane is the Handler of one loop, which alone may touch it. It must be given a
// Generation first. Exchange.Release, called where the Lane was, tells it that an
// Exchange is over.
type Lane struct{ now *tenancy }

// tenancy is a Generation's time on a Lane.
type tenancy struct {
	g     *Generation
	count int  // Exchanges that are not over
	over  bool // another one has come
}

// Use has g serve from now on.
func (l *Lane) Use(g *Generation) {
	before := l.now
	l.now = &tenancy{g: g}
	if before != nil {
		before.over = true
		before.check()
	}
}

// Serve implements exchange.Handler.
func (l *Lane) Serve(x *exchange.Exchange) {
	t := l.now
	t.count++
	x.Lease = t
	t.g.handler.Serve(x)
}

// Run implements exchange.Task: an Exchange is over.
func (t *tenancy) Run() {
	t.count--
	t.check()
}

func (t *tenancy) check() {
	if t.over && t.count == 0 {
		t.g.leave()
	}
}

// A SharedLane is a Lane that any goroutine may call.
type SharedLane struct {
	mu  sync.Mutex
	now *sharedTenancy
}

// sharedTenancy counts one more than there are Exchanges until it is over.
type sharedTenancy struct {
	g     *Generation
	count atomic.Int64
}

// Use has g serve from now on.
func (l *SharedLane) Use(g *Generation) {
	t := &sharedTenancy{g: g}
	t.count.Store(1)
	l.mu.Lock()
	before := l.now
	l.now = t
	l.mu.Unlock()
	if before != nil {
		before.Run()
	}
}

// Serve implements exchange.Handler.
func (l *SharedLane) Serve(x *exchange.Exchange) {
	l.mu.Lock()
	t := l.now
	t.count.Add(1) // under the lock, so that Use cannot come between
	l.mu.Unlock()
	x.Lease = t
	t.g.handler.Serve(x)
}

// Run implements exchange.Task: an Exchange, or the tenancy itself, is over.
func (t *sharedTenancy) Run() {
	if t.count.Add(-1) == 0 {
		t.g.leave()
	}
}
