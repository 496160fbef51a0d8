package main

import (
	"math/rand/v2"
	"time"
)

// shot is one request of an open loop. Times are offsets from the start of the
// loop.
type shot struct {
	due  time.Duration
	slow bool

	sent time.Duration
	done time.Duration
	err  error
}

// latency is counted from the time the request was due, whether or not the
// generator or the server was ready for it then.
func (s *shot) latency() time.Duration { return s.done - s.due }

// makeSchedule returns the requests of a constant rate. Which are slow depends
// on the seed alone, so that every server of a round gets the same load.
func makeSchedule(rate float64, length time.Duration, slowShare float64, seed uint64) []shot {
	n := int(rate * length.Seconds())
	random := rand.New(rand.NewPCG(seed, 0))
	shots := make([]shot, n)
	for i := range shots {
		shots[i].due = time.Duration(float64(i) * float64(time.Second) / rate)
		shots[i].slow = random.Float64() < slowShare
	}
	return shots
}

// idealQueue returns the latencies of the fast requests if workers took them
// from one queue, in order, with no cost but their own time: what no server
// without more workers can better.
func idealQueue(shots []shot, workers int, fast, slow time.Duration) []time.Duration {
	free := make([]time.Duration, workers)
	var latencies []time.Duration
	for _, s := range shots {
		first := 0
		for w := range free {
			if free[w] < free[first] {
				first = w
			}
		}
		begin := max(s.due, free[first])
		if s.slow {
			free[first] = begin + slow
			continue
		}
		free[first] = begin + fast
		latencies = append(latencies, free[first]-s.due)
	}
	return latencies
}
