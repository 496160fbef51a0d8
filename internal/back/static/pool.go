package static

import "sync"

// Pool is a bounded number of goroutines that may wait for disks, for all
// Handlers.
type Pool struct {
	jobs chan func()
	done chan struct{}
	wg   sync.WaitGroup
}

const (
	// poolSize is how many may wait for a disk at once.
	poolSize = 16
	// poolQueue is how many requests may wait for one of these.
	poolQueue = 4096
)

// NewPool starts a Pool.
func NewPool() *Pool {
	p := &Pool{jobs: make(chan func(), poolQueue), done: make(chan struct{})}
	for range poolSize {
		p.wg.Go(p.run)
	}
	return p
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

// do has f called on a goroutine of the Pool, or reports false if too much waits
// already. It does not block.
func (p *Pool) do(f func()) bool {
	select {
	case p.jobs <- f:
		return true
	default:
		return false
	}
}

// Close ends the goroutines once each is done with what it is at. What waits is
// dropped.
func (p *Pool) Close() {
	close(p.done)
	p.wg.Wait()
}
