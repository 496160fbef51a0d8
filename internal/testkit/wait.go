package testkit

import (
	"fmt"
	"time"
)

// Patience is how long tests wait for what should happen soon. It is long, as
// machines that run tests are slow; nothing that passes takes it.
const Patience = 60 * time.Second

// Until calls done until it reports true, and fails after within with what
// done said last.
func Until(within time.Duration, done func() (ok bool, seen string)) error {
	deadline := time.Now().Add(within)
	for pause := time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		ok, seen := done()
		if ok {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("after %v: %s", within, seen)
		}
		time.Sleep(pause)
	}
}
