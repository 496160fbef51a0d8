package supervise

import (
	"sync"
	"testing"

	"rickhouse/internal/exchange"
)

// server is what a lane is: something that serves.
type server interface {
	exchange.Handler
	Use(g *Generation)
}

// counted is a Generation that remembers what it served and whether it is unused.
type counted struct {
	*Generation
	served int
	unused int
}

func newCounted(lanes int) *counted {
	c := &counted{}
	c.Generation = NewGeneration(exchange.HandlerFunc(func(*exchange.Exchange) { c.served++ }), lanes, func() { c.unused++ })
	return c
}

func TestAnExchangeKeepsItsGeneration(t *testing.T) {
	for name, lane := range map[string]server{"lane": &Lane{}, "shared lane": &SharedLane{}} {
		t.Run(name, func(t *testing.T) {
			first, second := newCounted(1), newCounted(1)
			lane.Use(first.Generation)
			var early, late exchange.Exchange
			lane.Serve(&early)
			lane.Use(second.Generation)
			lane.Serve(&late)
			if first.served != 1 || second.served != 1 {
				t.Fatalf("served %d and %d, not one each", first.served, second.served)
			}
			if first.unused != 0 {
				t.Fatal("a generation is unused while an exchange of it is not over")
			}
			late.Release()
			if first.unused != 0 || second.unused != 0 {
				t.Fatal("the end of a later exchange ended a generation")
			}
			early.Release()
			if first.unused != 1 || second.unused != 0 {
				t.Fatalf("unused were told %d and %d times, not once and never", first.unused, second.unused)
			}
		})
	}
}

func TestAGenerationWithoutExchangesIsUnusedAtOnce(t *testing.T) {
	for name, lane := range map[string]server{"lane": &Lane{}, "shared lane": &SharedLane{}} {
		t.Run(name, func(t *testing.T) {
			first := newCounted(1)
			lane.Use(first.Generation)
			var x exchange.Exchange
			lane.Serve(&x)
			x.Release()
			if first.unused != 0 {
				t.Fatal("the generation of now is unused")
			}
			lane.Use(newCounted(1).Generation)
			if first.unused != 1 {
				t.Fatalf("unused was told %d times, not once", first.unused)
			}
		})
	}
}

func TestAGenerationIsUnusedWhenEveryLaneHasLeftIt(t *testing.T) {
	var lanes [2]Lane
	var shared SharedLane
	first, second := newCounted(3), newCounted(3)
	all := []server{&lanes[0], &lanes[1], &shared}
	for _, l := range all {
		l.Use(first.Generation)
	}
	for i, l := range all {
		if first.unused != 0 {
			t.Fatalf("unused with %d lanes to go", len(all)-i)
		}
		l.Use(second.Generation)
	}
	if first.unused != 1 {
		t.Fatalf("unused was told %d times, not once", first.unused)
	}
}

func TestAnExchangeIsReleasedOnce(t *testing.T) {
	var lane Lane
	first := newCounted(1)
	lane.Use(first.Generation)
	var x, y exchange.Exchange
	y.Release() // nobody served it
	lane.Serve(&x)
	lane.Serve(&y)
	x.Release()
	x.Release()
	lane.Use(newCounted(1).Generation)
	if first.unused != 0 {
		t.Fatal("a second release of one exchange counts for another")
	}
	y.Release()
	if first.unused != 1 {
		t.Fatalf("unused was told %d times, not once", first.unused)
	}
}

// TestSharedLanesAreUsedByManyAtOnce is for the race detector: whatever comes
// between, each generation but the last is unused once, and after its exchanges.
func TestSharedLanesAreUsedByManyAtOnce(t *testing.T) {
	const generations, clients, requests = 200, 8, 500
	var lane SharedLane
	var mu sync.Mutex
	unused := map[int]int{}
	use := func(i int) {
		lane.Use(NewGeneration(exchange.HandlerFunc(func(*exchange.Exchange) {
			mu.Lock()
			defer mu.Unlock()
			if unused[i] != 0 {
				t.Errorf("generation %d serves although it was said to be unused", i)
			}
		}), 1, func() {
			mu.Lock()
			defer mu.Unlock()
			unused[i]++
		}))
	}
	use(0)
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			for range requests {
				var x exchange.Exchange
				lane.Serve(&x)
				x.Release()
			}
		})
	}
	for i := 1; i <= generations; i++ {
		use(i)
	}
	wg.Wait()
	for i := range generations {
		if unused[i] != 1 {
			t.Errorf("generation %d was said to be unused %d times, not once", i, unused[i])
		}
	}
}
