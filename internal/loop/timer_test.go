package loop

import (
	"math/rand/v2"
	"sort"
	"testing"
	"time"

	"rickhouse/internal/exchange"
	"rickhouse/internal/testkit"
)

// idleLoop is a Loop that does not run: its clock stands where the test puts it.
func idleLoop(t testing.TB) *Loop {
	t.Helper()
	l, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		l.Stop()
		if err := l.Run(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// Timers run in order of time, whatever was set, moved and stopped before.
func TestTimersAgainstAModel(t *testing.T) {
	l := idleLoop(t)
	l.clock.now = 0
	const n = 200
	all := make([]Timer, n)
	model := map[int]int64{}
	var ran []int
	for i := range all {
		all[i].Task = exchange.TaskFunc(func() { ran = append(ran, i) })
	}
	for range 20_000 {
		i, at := rand.IntN(n), 1+rand.Int64N(1_000_000)
		switch rand.IntN(10) {
		case 0, 1, 2:
			l.StopTimer(&all[i])
			delete(model, i)
		case 3:
			l.clock.now += rand.Int64N(2000)
			ran = ran[:0]
			l.runTimers()
			checkRun(t, ran, model, l.clock.now)
		case 4, 5:
			at += l.clock.now
			l.Hasten(&all[i], 0)
			l.Hasten(&all[i], at)
			if set, ok := model[i]; !ok || at < set {
				model[i] = at
			}
		default:
			at += l.clock.now
			l.SetTimer(&all[i], at)
			model[i] = at
		}
		if all[i].Active() != (model[i] != 0) {
			t.Fatalf("timer %d: Active is %v", i, all[i].Active())
		}
	}
	l.clock.now += 2_000_000
	ran = ran[:0]
	l.runTimers()
	checkRun(t, ran, model, l.clock.now)
	if len(model) != 0 || len(l.timers) != 0 {
		t.Errorf("%d timers are left, %d expected", len(l.timers), len(model))
	}
}

// checkRun compares what ran with what the model says is due, and removes that
// from the model.
func checkRun(t *testing.T, ran []int, model map[int]int64, now int64) {
	t.Helper()
	if !sort.SliceIsSorted(ran, func(i, j int) bool { return model[ran[i]] < model[ran[j]] }) {
		t.Fatalf("timers ran out of order: %v", ran)
	}
	for _, i := range ran {
		if at, ok := model[i]; !ok || at > now {
			t.Fatalf("timer %d ran at %d, it was set to %d", i, now, at)
		}
		delete(model, i)
	}
	for i, at := range model {
		if at <= now {
			t.Fatalf("timer %d was due at %d and did not run at %d", i, at, now)
		}
	}
}

// A timer that sets itself to a time past runs once per turn, not for ever.
func TestTimerSetAgainByItself(t *testing.T) {
	l := idleLoop(t)
	var a, b Timer
	runs := map[string]int{}
	a.Task = exchange.TaskFunc(func() { runs["a"]++; l.SetTimer(&a, l.clock.now) })
	b.Task = exchange.TaskFunc(func() { runs["b"]++ })
	l.SetTimer(&a, l.clock.now)
	l.SetTimer(&b, l.clock.now)
	l.runTimers()
	if runs["a"] > 2 || runs["a"] == 0 {
		t.Errorf("the timer ran %d times in a turn", runs["a"])
	}
	l.runTimers()
	if runs["b"] != 1 {
		t.Errorf("the other timer ran %d times", runs["b"])
	}
	l.StopTimer(&a)
}

func TestTimerWakesTheLoop(t *testing.T) {
	l := startLoop(t, Config{})
	var first, second Timer
	ran := make(chan string, 2)
	on(t, l, func() {
		set := func(timer *Timer, name string, after time.Duration) {
			due := l.Now() + int64(after)
			timer.Task = exchange.TaskFunc(func() {
				if early := due - l.Now(); early > 0 {
					t.Errorf("the %s ran %v early", name, time.Duration(early))
				}
				ran <- name
			})
			l.SetTimer(timer, due)
		}
		set(&second, "second", 30*time.Millisecond)
		set(&first, "first", 20*time.Millisecond)
	})
	for _, want := range []string{"first", "second"} {
		if got := testkit.Wait(t, ran, "a timer"); got != want {
			t.Errorf("the %s ran, want the %s", got, want)
		}
	}
}

func TestUntilTimer(t *testing.T) {
	l := idleLoop(t)
	l.clock.now = 1
	if got := l.untilTimer(); got != -1 {
		t.Errorf("without a timer: %d", got)
	}
	var a Timer
	for at, want := range map[int64]int{0: 0, 1: 0, 2: 1, 1_000_001: 1, 1_000_002: 2, 1 << 62: 1<<31 - 1} {
		l.SetTimer(&a, at)
		if got := l.untilTimer(); got != want {
			t.Errorf("a timer at %d: %d ms, want %d", at, got, want)
		}
	}
	l.StopTimer(&a)
}

func BenchmarkSetTimer(b *testing.B) {
	l := idleLoop(b)
	all := make([]Timer, 10_000)
	for i := range all {
		l.SetTimer(&all[i], rand.Int64N(1_000_000))
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		l.SetTimer(&all[i%len(all)], int64(1_000_000+i))
		i++
	}
}
