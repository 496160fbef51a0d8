package disk

import (
	"os"
	"sync"
)

// Pool is a bounded number of goroutines that may wait for disks. They start when
// there is something to do first.
type Pool struct {
	// Resident reports whether a part of a file can be had without waiting; tests put
	// something else in its place, before anything is done.
	Resident func(f *os.File, offset, n int64) bool

	start sync.Once
	jobs  chan func()
	done  chan struct{}
	wg    sync.WaitGroup
}

const (
	// Goroutines is how many may wait for a disk at once.
	Goroutines = 16
	// poolQueue is how many may wait for one of these.
	poolQueue = 4096
)

// NewPool makes a Pool.
func NewPool() *Pool {
	return &Pool{Resident: resident, jobs: make(chan func(), poolQueue), done: make(chan struct{})}
}

func (p *Pool) run() {
	for {
		select {
		case job := <-p.jobs:
			job()
		case <-p.done:
			return
		}
	}
}

// Do has f called on a goroutine of the Pool, or reports false if too much waits
// already. It does not block.
func (p *Pool) Do(f func()) bool {
	p.start.Do(func() {
		for range Goroutines {
			p.wg.Go(p.run)
		}
	})
	select {
	case p.jobs <- f:
		return true
	default:
		return false
	}
}

// Close ends the goroutines once each is done with what it is at. What waits is
// dropped. Nobody calls Do any more.
func (p *Pool) Close() {
	close(p.done)
	p.wg.Wait()
}
