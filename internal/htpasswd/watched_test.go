package htpasswd

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestWatched(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users")
	age := 0
	write := func(text string) {
		t.Helper()
		age++
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		at := time.Unix(int64(1_000_000+age), 0) // clocks of disks are coarse
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Watch(path, nil, nil); err == nil {
		t.Error("a file that is not there is watched")
	}
	write("ann:" + bcryptOf(t, "secret"))
	var failures []error
	w, err := Watch(path, nil, func(err error) { failures = append(failures, err) })
	if err != nil {
		t.Fatal(err)
	}
	w.Close() // from here on the test looks
	first := w.Checker()
	first.remember(first.id("ann", "secret"))
	w.look()
	if w.Checker() != first {
		t.Error("a file that has not changed is read again")
	}
	write("bob:" + bcryptOf(t, "secret"))
	w.look()
	if w.Has("ann") || !w.Has("bob") || w.Checker().Known("ann", "secret") {
		t.Error("who is gone is still known")
	}
	write("bob:plain")
	w.look()
	w.look()
	if len(failures) != 1 || !w.Has("bob") {
		t.Errorf("a broken file is told of %d times, or believed", len(failures))
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	w.look()
	if len(failures) != 2 || !w.Has("bob") {
		t.Error("a file that is gone takes the users along")
	}
	write("cid:" + bcryptOf(t, "secret"))
	w.look()
	if w.Has("bob") || !w.Has("cid") {
		t.Error("a file that has come back is not read")
	}
}
