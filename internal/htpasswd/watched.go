package htpasswd

import (
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"rickhouse/internal/crew"
)

// lookEvery is how often a file is looked at.
const lookEvery = 2 * time.Second

// Watched is a Checker of a file on disk, and of what that file is later. Any
// goroutine may use it.
type Watched struct {
	path   string
	crew   *crew.Crew
	failed func(error)
	now    atomic.Pointer[Checker]
	closed chan struct{}
	ended  sync.WaitGroup

	seen os.FileInfo // of the goroutine that looks
}

// Watch reads a file, and again when it has changed, within seconds. What cannot
// be read then leaves the users as they were, and is told to failed, on another
// goroutine. c checks.
func Watch(path string, c *crew.Crew, failed func(error)) (*Watched, error) {
	w := &Watched{path: path, crew: c, failed: failed, closed: make(chan struct{})}
	var err error
	if w.seen, err = os.Stat(path); err != nil {
		return nil, fmt.Errorf("read the file of users: %w", err)
	}
	f, err := Load(path)
	if err != nil {
		return nil, err
	}
	w.now.Store(NewChecker(f, w.crew))
	w.ended.Go(w.watch)
	return w, nil
}

func (w *Watched) watch() {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			w.look()
		case <-w.closed:
			return
		}
	}
}

// look reads the file if it is not what it was.
func (w *Watched) look() {
	info, err := os.Stat(w.path)
	if err == nil && os.SameFile(info, w.seen) && info.ModTime().Equal(w.seen.ModTime()) && info.Size() == w.seen.Size() {
		return
	}
	var f *File
	if err == nil {
		w.seen = info
		f, err = Load(w.path)
	}
	if err != nil {
		w.failed(err)
		return
	}
	w.now.Store(NewChecker(f, w.crew))
}

// Checker is that of the file as it is. What it knows is forgotten when the file
// changes.
func (w *Watched) Checker() *Checker { return w.now.Load() }

// Has reports whether there is a user of that name.
func (w *Watched) Has(name string) bool { return w.Checker().file.Has(name) }

// Close ends looking. Checks that are under way go on.
func (w *Watched) Close() {
	close(w.closed)
	w.ended.Wait()
}
