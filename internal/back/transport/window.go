package transport

import (
	"context"
	"sync"
	"time"
)

// window is how much more of an answer may be on its way to the client.
type window struct {
	mu   sync.Mutex
	free int
	wake chan struct{}
}

func (w *window) init(size int) { w.free, w.wake = size, make(chan struct{}, 1) }

// take waits until there is room and takes up to n octets of it.
func (w *window) take(ctx context.Context, n int) (int, error) {
	for {
		w.mu.Lock()
		n := min(n, w.free)
		w.free -= n
		w.mu.Unlock()
		if n > 0 {
			return n, nil
		}
		select {
		case <-w.wake:
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		}
	}
}

// give gives n octets back.
func (w *window) give(n int) {
	w.mu.Lock()
	w.free += n
	w.mu.Unlock()
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// watchdog barks once if, for a while in which it is not paused, nothing moves.
type watchdog struct {
	mu     sync.Mutex
	after  time.Duration
	timer  *time.Timer // nil if it is off
	paused int         // how many wait for the client
	over   bool
}

func (w *watchdog) init(after time.Duration, bark func()) {
	if after > 0 {
		w.after, w.timer = after, time.AfterFunc(after, bark)
	}
}

func (w *watchdog) moved() { w.change(0) }

// pause and resume surround what waits for the client.
func (w *watchdog) pause()  { w.change(1) }
func (w *watchdog) resume() { w.change(-1) }

func (w *watchdog) change(by int) {
	if w.timer == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.paused += by
	if w.paused > 0 || w.over {
		w.timer.Stop()
	} else {
		w.timer.Reset(w.after)
	}
}

// stop ends it.
func (w *watchdog) stop() {
	if w.timer == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.over = true
	w.timer.Stop()
}
