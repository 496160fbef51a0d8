package worker

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
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

// What another user may not enter is named, with who has to.
func TestSpawnWhereTheUserMayNot(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can start processes as other users")
	}
	dir := filepath.Join(t.TempDir(), "private")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	s := NewSpawner()
	defer s.Close()
	l, err := newLedger(1)
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	_, err = s.spawn(Program{Interpreter: "/bin/sh", Directory: dir, Identity: &Identity{UID: 65534, GID: 65534}}, l.file)
	for _, want := range []string{dir + " as user 65534, group 65534: ", ": that user has to be allowed to enter the folder"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
