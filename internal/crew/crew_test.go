package crew

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"
)

// notes are what jobs did.
type notes struct {
	mu       sync.Mutex
	began    []int
	release  chan struct{}
	together int
	most     int
}

type job struct {
	n     int
	notes *notes
}

func (j job) Work() {
	o := j.notes
	o.mu.Lock()
	o.began = append(o.began, j.n)
	o.together++
	o.most = max(o.most, o.together)
	o.mu.Unlock()
	<-o.release
	o.mu.Lock()
	o.together--
	o.mu.Unlock()
}

// As many run and as many wait as may, in order; more are refused, and there is room
// again later.
func TestCrewIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &notes{release: make(chan struct{})}
		c := New(2, 3)
		for i := range 7 {
			if done := c.Do(job{i, o}); done != (i < 5) {
				t.Errorf("job %d: %v", i, done)
			}
		}
		synctest.Wait()
		close(o.release)
		c.Wait()
		if slices.Sort(o.began[:2]); !slices.Equal(o.began, []int{0, 1, 2, 3, 4}) || o.most != 2 {
			t.Errorf("%v ran, %d together", o.began, o.most)
		}
		if !c.Do(job{5, o}) {
			t.Error("there is no room")
		}
		c.Wait()
	})
}

func TestCrewWithoutBound(t *testing.T) {
	o := &notes{release: make(chan struct{})}
	c := New(1, 0)
	for i := range 1000 {
		if !c.Do(job{i, o}) {
			t.Fatalf("job %d was refused", i)
		}
	}
	close(o.release)
	c.Wait()
	if len(o.began) != 1000 || o.most != 1 || !slices.IsSorted(o.began) {
		t.Errorf("%d ran, %d together", len(o.began), o.most)
	}
}
