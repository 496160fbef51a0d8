package front

import "time"

// Pace is the time by which a client that is being waited for must have done
// more: at first a grace, then what its octets so far have earned.
type Pace struct {
	// MaxPause is how long the client may do nothing, in nanoseconds, in place of any
	// rate; 0 where the rate of the Config holds.
	MaxPause int64

	by   int64 // 0 while nobody waits
	rest int64 // what was left when the last wait ended
}

// minRest is the least time given when waiting goes on.
const minRest = int64(time.Second)

// Run has the clock run if the client is being waited for, else stand still, and
// returns By.
func (p *Pace) Run(waits bool, now int64, c *Config) int64 {
	if waits {
		p.Wait(now, c)
	} else {
		p.Pause(now)
	}
	return p.by
}

// Wait starts the clock if it stands still.
func (p *Pace) Wait(now int64, c *Config) {
	if p.by != 0 {
		return
	}
	if p.MaxPause > 0 {
		p.by = now + p.MaxPause
		return
	}
	if p.rest == 0 {
		p.rest = int64(c.MinRateGrace)
	}
	p.by = now + max(p.rest, min(minRest, int64(c.MinRateGrace)))
}

// Pause stops the clock.
func (p *Pace) Pause(now int64) {
	if p.by != 0 {
		p.rest = max(p.by-now, 1)
		p.by = 0
	}
}

// Progress gives the client time for n octets, at most until an idle timeout
// from now.
func (p *Pace) Progress(n int, now int64, c *Config) {
	if p.MaxPause > 0 {
		if p.by != 0 {
			p.by = now + p.MaxPause
		}
		return
	}
	earned := int64(n) * int64(time.Second) / int64(c.MinRate)
	limit := int64(max(c.IdleTimeout, c.MinRateGrace))
	if p.by != 0 {
		p.by = min(p.by+earned, now+limit)
		return
	}
	if p.rest == 0 {
		p.rest = int64(c.MinRateGrace)
	}
	p.rest = min(p.rest+earned, limit)
}

// By is when the client must have done more, on the scale of the Loop; 0 while
// nobody waits for it.
func (p *Pace) By() int64 { return p.by }

// Sooner returns the earlier of two times, of which 0 is none.
func Sooner(a, b int64) int64 {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}
