package main

import (
	"slices"
	"testing"
	"time"
)

func TestScheduleHasAConstantRate(t *testing.T) {
	shots := makeSchedule(180, 2*time.Second, 0.05, 1)
	if len(shots) != 360 {
		t.Fatalf("%d requests, want 360", len(shots))
	}
	for i, s := range shots {
		want := time.Duration(float64(i) / 180 * 1e9)
		if d := s.due - want; d < -time.Microsecond || d > time.Microsecond {
			t.Fatalf("request %d is due at %v, want %v", i, s.due, want)
		}
	}
}

func TestScheduleMixesByTheSeedAlone(t *testing.T) {
	kinds := func(seed uint64) []bool {
		var k []bool
		for _, s := range makeSchedule(1000, 10*time.Second, 0.05, seed) {
			k = append(k, s.slow)
		}
		return k
	}
	one, again, two := kinds(1), kinds(1), kinds(2)
	if !slices.Equal(one, again) {
		t.Error("the same seed gave two loads")
	}
	if slices.Equal(one, two) {
		t.Error("two seeds gave the same load")
	}
	slow := 0
	for _, s := range one {
		if s {
			slow++
		}
	}
	if slow < 400 || slow > 600 {
		t.Errorf("%d of 10000 are slow, want about 500", slow)
	}
}

func TestIdealQueue(t *testing.T) {
	ms := time.Millisecond
	shots := []shot{{due: 0, slow: true}, {due: 10 * ms}, {due: 20 * ms, slow: true}, {due: 30 * ms}, {due: 200 * ms}}
	for _, c := range []struct {
		workers int
		want    []time.Duration
	}{
		{1, []time.Duration{91 * ms, 172 * ms, 3 * ms}},
		{2, []time.Duration{1 * ms, 71 * ms, 1 * ms}},
		{3, []time.Duration{1 * ms, 1 * ms, 1 * ms}},
	} {
		got := idealQueue(shots, c.workers, ms, 100*ms)
		if !slices.Equal(got, c.want) {
			t.Errorf("%d workers: %v, want %v", c.workers, got, c.want)
		}
	}
}

func TestLatencyCountsFromTheDueTime(t *testing.T) {
	s := shot{due: 5, sent: 50, done: 60}
	if s.latency() != 55 {
		t.Errorf("latency %d, want 55", s.latency())
	}
}
