package http3

import (
	"sync"

	"rickhouse/internal/exchange"
)

// inbox holds the tasks of a goroutine that stands for an event loop.
type inbox struct {
	mu    sync.Mutex
	tasks []exchange.Task
	// interrupt, if not nil, ends a write that the goroutine waits in.
	interrupt func()
	over      bool // the goroutine has gone
	running   bool // another one runs what comes since

	wake chan struct{} // has room for one
	// panicked is told of a panic of a task that runs after the goroutine has gone.
	panicked func(value any)
}

// Post implements exchange.Executor. What comes after the goroutine has gone is
// run by another one, so that nothing that a task was to free is lost.
func (b *inbox) Post(t exchange.Task) {
	b.mu.Lock()
	b.tasks = append(b.tasks, t)
	if b.over && !b.running {
		b.running = true
		go b.drain()
	}
	if b.interrupt != nil {
		b.interrupt()
		b.interrupt = nil
	}
	b.mu.Unlock()
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// take returns the tasks that wait; spare is used for those to come.
func (b *inbox) take(spare []exchange.Task) []exchange.Task {
	b.mu.Lock()
	defer b.mu.Unlock()
	tasks := b.tasks
	b.tasks = spare[:0]
	return tasks
}

// beginWait has the next Post call interrupt, or reports false if a task is
// there already.
func (b *inbox) beginWait(interrupt func()) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.tasks) > 0 {
		return false
	}
	b.interrupt = interrupt
	return true
}

// endWait reports whether interrupt was called.
func (b *inbox) endWait() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	interrupted := b.interrupt == nil
	b.interrupt = nil
	return interrupted
}

// leave says that the goroutine runs no more tasks.
func (b *inbox) leave() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.over = true
	if len(b.tasks) > 0 {
		b.running = true
		go b.drain()
	}
}

// drain runs what has come since the goroutine has gone.
func (b *inbox) drain() {
	for {
		b.mu.Lock()
		tasks := b.tasks
		b.tasks = nil
		b.running = len(tasks) > 0
		b.mu.Unlock()
		if len(tasks) == 0 {
			return
		}
		for _, t := range tasks {
			b.run(t)
		}
	}
}

func (b *inbox) run(t exchange.Task) {
	defer func() {
		if value := recover(); value != nil {
			b.panicked(value)
		}
	}()
	t.Run()
}
