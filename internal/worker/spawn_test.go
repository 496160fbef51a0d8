package worker

import (
	"os/exec"
	"sync"
	"testing"
)

func TestSpawnerClosedMeanwhile(t *testing.T) {
	s := NewSpawner()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			cmd := exec.Command("true")
			if s.start(cmd) == nil {
				// Closing ends the thread, and with it what it started: any status will do.
				_ = cmd.Wait()
			}
		})
	}
	s.Close()
	s.Close()
	wg.Wait()
	if err := s.start(exec.Command("true")); err == nil {
		t.Error("started after Close")
	}
}
