package loop

import (
	"testing"
	"time"
)

func TestDate(t *testing.T) {
	l := startLoop(t, Config{})
	on(t, l, func() {
		date, wall := string(l.Date()), l.WallClock()
		parsed, err := time.Parse(dateFormat, date)
		if err != nil || len(date) != len(dateFormat) {
			t.Errorf("Date is %q: %v", date, err)
			return
		}
		if d := time.Since(wall).Abs(); d > patience {
			t.Errorf("WallClock is %v, which is off by %v", wall, d)
		}
		if d := wall.Sub(parsed); d < 0 || d > 2*time.Second {
			t.Errorf("Date is %v, WallClock %v", parsed, wall)
		}
	})
}

// The date is written anew when the second is over, and not before.
func TestDateIsRefreshed(t *testing.T) {
	l := idleLoop(t)
	first := string(l.Date())
	l.clock.date[0] = '?'
	if got := l.Date(); got[0] != '?' {
		t.Errorf("the date %q was written again within a second", got)
	}
	l.clock.now = l.clock.next
	if got := string(l.Date()); got[0] == '?' || len(got) != len(first) {
		t.Errorf("the date is %q", got)
	}
	if n := testing.AllocsPerRun(100, func() {
		l.clock.now = l.clock.next
		l.Date()
	}); n != 0 {
		t.Errorf("refreshing allocates %v times", n)
	}
}

func TestNowStandsStill(t *testing.T) {
	l := startLoop(t, Config{})
	var first int64
	on(t, l, func() {
		first = l.Now()
		for end := time.Now().Add(2 * time.Millisecond); time.Now().Before(end); {
			if l.Now() != first {
				t.Error("Now changed within a turn")
				return
			}
		}
	})
	on(t, l, func() {
		if l.Now() <= first || first <= 0 {
			t.Errorf("Now was %d and is %d", first, l.Now())
		}
	})
}
