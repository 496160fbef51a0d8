package chain

import "sync"

// job is something that may take long.
type job interface{ work() }

// crew runs jobs on goroutines, a bounded number at a time. Those that have
// nothing to do end.
type crew struct {
	most    int // goroutines
	longest int // jobs that wait; 0 for no bound

	mu      sync.Mutex
	running int
	waiting []job
}

// do has j run some time and reports whether it will: false says that too many
// wait.
func (c *crew) do(j job) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.running < c.most {
		c.running++
		go c.run(j)
		return true
	}
	if c.longest > 0 && len(c.waiting) >= c.longest {
		return false
	}
	c.waiting = append(c.waiting, j)
	return true
}

func (c *crew) run(j job) {
	for j != nil {
		j.work()
		j = c.next()
	}
}

func (c *crew) next() job {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.waiting) == 0 {
		c.running--
		return nil
	}
	j := c.waiting[0]
	n := copy(c.waiting, c.waiting[1:])
	c.waiting[n] = nil
	c.waiting = c.waiting[:n]
	return j
}
