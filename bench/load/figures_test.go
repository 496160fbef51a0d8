package main

import (
	"testing"
	"time"
)

func ascending(n int) []time.Duration {
	s := make([]time.Duration, n)
	for i := range s {
		s[i] = time.Duration(i+1) * time.Microsecond
	}
	return s
}

func TestPercentileIsNearestRank(t *testing.T) {
	for _, c := range []struct {
		n    int
		p    float64
		want time.Duration
	}{
		{1, 50, 1 * time.Microsecond},
		{1, 99, 1 * time.Microsecond},
		{2, 50, 1 * time.Microsecond},
		{3, 50, 2 * time.Microsecond},
		{100, 99, 99 * time.Microsecond},
		{101, 99, 100 * time.Microsecond},
		{1000, 99, 990 * time.Microsecond},
		{1000, 99.9, 999 * time.Microsecond},
		{10, 100, 10 * time.Microsecond},
		{10, 0.001, 1 * time.Microsecond},
	} {
		if got := percentile(ascending(c.n), c.p); got != c.want {
			t.Errorf("percentile(%d samples, %v) = %v, want %v", c.n, c.p, got, c.want)
		}
	}
}

func TestSummarizeSortsFirst(t *testing.T) {
	got := summarize([]time.Duration{3000, 1000, 2000})
	want := summary{Count: 3, Mean: 2, P50: 2, P90: 3, P99: 3, Max: 3}
	if got != want {
		t.Errorf("summarize = %+v, want %+v", got, want)
	}
	if got := summarize(nil); got != (summary{}) {
		t.Errorf("summarize(nil) = %+v, want the zero value", got)
	}
}
