package spool

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"rickhouse/internal/exchange"
	"rickhouse/internal/units"
)

// What is over the quota fails alone: others go on, and space that is given back
// can be used again.
func TestQuota(t *testing.T) {
	s := newStore(t, Config{Quota: 100 * units.KiB})
	e := newExecutor(t)
	first, second, third := watch(t, 60<<10), watch(t, -1), watch(t, 90<<10)
	var a, b *File
	e.on(func() {
		a, b = s.New(e, first), s.New(e, second)
		a.Append(make([]byte, 60<<10))
		b.Append(make([]byte, 60<<10))
		b.Append(make([]byte, 1))
		b.Flush()
		a.Flush()
	})
	first.wait()
	second.wait()
	e.on(func() {
		if first.err != nil {
			t.Errorf("the file within the quota failed: %v", first.err)
		}
		if e := exchange.AsError(second.err); e.Status != 507 {
			t.Errorf("over the quota: %v, want status 507", second.err)
		}
		a.Close()
		b.Close()
	})
	settle(t, s)
	e.on(func() {
		f := s.New(e, third)
		f.Append(make([]byte, 90<<10))
		f.Flush()
	})
	third.wait()
	e.on(func() {
		if third.err != nil {
			t.Errorf("after space was given back: %v", third.err)
		}
	})
}

// What a Store goes by can change while it has files.
func TestUse(t *testing.T) {
	s := newStore(t, Config{Quota: 10 * units.KiB})
	e := newExecutor(t)
	small, large := watch(t, -1), watch(t, 60<<10)
	var a, b *File
	fill := func(f **File, w *watcher) {
		e.on(func() {
			*f = s.New(e, w)
			(*f).Append(make([]byte, 60<<10))
			(*f).Flush()
		})
		w.wait()
	}
	fill(&a, small)
	there := t.TempDir()
	s.Use(Config{Directory: there, Quota: units.MiB, Memory: 5})
	fill(&b, large)
	e.on(func() {
		if e := exchange.AsError(small.err); e.Status != 507 {
			t.Errorf("over the first quota: %v, want status 507", small.err)
		}
		if large.err != nil || !strings.HasPrefix(b.OS().Name(), there) || s.Memory() != 5 {
			t.Errorf("then: %v, a file in %s, %d in memory", large.err, b.OS().Name(), s.Memory())
		}
		a.Close()
		b.Close()
	})
	settle(t, s)
	for _, c := range []Config{{Directory: filepath.Join(there, "none")}, {Quota: units.MiB, MaxAnswer: units.GiB}} {
		if c.Try() == nil {
			t.Errorf("%+v is accepted", c)
		}
	}
}

func TestClosedStore(t *testing.T) {
	s := newStore(t, Config{})
	e := newExecutor(t)
	w, late := watch(t, 10), watch(t, -1)
	var f, g *File
	e.on(func() {
		f, g = s.New(e, w), s.New(e, late)
		f.Append(make([]byte, 10))
		f.Flush()
	})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	w.wait()
	e.on(func() {
		g.Append(make([]byte, 10))
		g.Flush()
		f.Close()
	})
	late.wait()
	e.on(func() {
		if !errors.Is(late.err, exchange.ErrShutdown) {
			t.Errorf("a closed store gave %v", late.err)
		}
		g.Close()
	})
	settle(t, s)
}

// Many Files of several Executors at once keep their content apart.
func TestConcurrency(t *testing.T) {
	s := newStore(t, Config{})
	var all sync.WaitGroup
	for range 4 {
		e := newExecutor(t)
		for i := range 25 {
			all.Go(func() {
				size := 1 + rand.IntN(3*chunkSize)
				content := bytes.Repeat([]byte{byte(i + 1)}, size)
				w := watch(t, size)
				var f *File
				e.on(func() { f = s.New(e, w) })
				for p := content; len(p) > 0; {
					n := min(len(p), 10_000)
					e.on(func() { f.Append(p[:n]) })
					p = p[n:]
				}
				e.on(f.Flush)
				<-w.ended
				e.on(func() {
					got, err := io.ReadAll(io.NewSectionReader(f.OS(), 0, int64(size)+1))
					if err != nil || !bytes.Equal(got, content) {
						t.Errorf("content was mixed up: %v", err)
					}
					f.Close()
				})
			})
		}
	}
	all.Wait()
	settle(t, s)
}
