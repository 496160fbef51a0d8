package main

import (
	"math"
	"slices"
	"time"
)

// summary describes latencies in microseconds.
type summary struct {
	Count int     `json:"count"`
	Mean  float64 `json:"mean_us"`
	P50   float64 `json:"p50_us"`
	P90   float64 `json:"p90_us"`
	P99   float64 `json:"p99_us"`
	Max   float64 `json:"max_us"`
}

// summarize sorts samples in place and describes them. The zero summary stands
// for no samples.
func summarize(samples []time.Duration) summary {
	if len(samples) == 0 {
		return summary{}
	}
	slices.Sort(samples)
	var sum time.Duration
	for _, s := range samples {
		sum += s
	}
	return summary{
		Count: len(samples),
		Mean:  micros(sum) / float64(len(samples)),
		P50:   micros(percentile(samples, 50)),
		P90:   micros(percentile(samples, 90)),
		P99:   micros(percentile(samples, 99)),
		Max:   micros(samples[len(samples)-1]),
	}
}

// percentile returns the nearest-rank percentile of sorted, non-empty samples:
// the smallest sample that at least p percent of the samples do not exceed.
// p is in (0, 100].
func percentile(sorted []time.Duration, p float64) time.Duration {
	rank := int(math.Ceil(p * float64(len(sorted)) / 100))
	return sorted[max(rank, 1)-1]
}

func micros(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }
