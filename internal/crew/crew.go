package crew

import "sync"

// A Job is something that may take long.
type Job interface{ Work() }

// Crew runs Jobs, in the order in which they came. Its goroutines end when there is
// nothing to do, so that it needs no end itself. Any goroutine may use it.
type Crew struct {
	most    int
	longest int
	ended   sync.WaitGroup

	mu      sync.Mutex
	running int
	waiting []Job
}

// New makes a Crew of most goroutines, for whom longest Jobs wait; 0 for no bound of
// these.
func New(most, longest int) *Crew { return &Crew{most: most, longest: longest} }

// Do has j run some time and reports whether it will: false says that too many
// wait.
func (c *Crew) Do(j Job) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.running < c.most {
		c.running++
		c.ended.Go(func() { c.run(j) })
		return true
	}
	if c.longest > 0 && len(c.waiting) >= c.longest {
		return false
	}
	c.waiting = append(c.waiting, j)
	return true
}

// Wait waits until nothing runs or waits. Nobody may call Do any more.
func (c *Crew) Wait() { c.ended.Wait() }

func (c *Crew) run(j Job) {
	for j != nil {
		j.Work()
		j = c.next()
	}
}

func (c *Crew) next() Job {
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
