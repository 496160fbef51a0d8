package front

import (
	"testing"
	"time"
)

func TestPace(t *testing.T) {
	const s = int64(time.Second)
	cfg := Config{MinRate: 100, MinRateGrace: 5 * time.Second, IdleTimeout: 20 * time.Second}
	var p Pace
	step := func(what string, want int64) {
		t.Helper()
		if p.by != want {
			t.Errorf("%s: by %v, want %v", what, time.Duration(p.by), time.Duration(want))
		}
	}
	p.Wait(100*s, &cfg)
	step("the grace", 105*s)
	p.Wait(104*s, &cfg)
	step("waiting goes on", 105*s)
	p.Progress(200, 104*s, &cfg)
	step("200 octets are 2 s", 107*s)
	p.Progress(1<<20, 105*s, &cfg)
	step("never more than the idle timeout", 125*s)
	p.Pause(110 * s)
	step("nobody waits", 0)
	p.Wait(200*s, &cfg)
	step("what was left", 215*s)
	p.Pause(215 * s)
	p.Wait(300*s, &cfg)
	step("at least a second", 301*s)
	p.Pause(300 * s)
	p.Progress(300, 300*s, &cfg)
	p.Wait(400*s, &cfg)
	step("earned while nobody waited", 404*s)

	p = Pace{MaxPause: 60 * s}
	p.Wait(500*s, &cfg)
	step("a pause", 560*s)
	p.Progress(1, 559*s, &cfg)
	step("another pause", 619*s)
	p.Pause(600 * s)
	p.Progress(1, 601*s, &cfg)
	p.Wait(700*s, &cfg)
	step("a pause is no rate", 760*s)
}
