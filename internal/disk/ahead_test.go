package disk

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"rickhouse/internal/exchange"
)

// desk is an Executor whose tasks a test runs.
type desk chan exchange.Task

func (d desk) Post(t exchange.Task) { d <- t }
func (d desk) Now() int64           { return 0 }

// pool returns a Pool to which all files are cold, or none; looks counts how often it
// was asked.
func pool(t *testing.T, cold bool, looks *int) *Pool {
	p := NewPool()
	p.Resident = func(_ *os.File, _, n int64) bool {
		if *looks++; n < 1 || n > Chunk {
			t.Errorf("%d octets were looked for at once", n)
		}
		return !cold
	}
	t.Cleanup(p.Close)
	return p
}

func open(t *testing.T, size int) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err == nil {
		_, err = f.Write(make([]byte, size))
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// All of a file can be had, a chunk at a time, whoever has to be waited for and
// however much is taken at once.
func TestAhead(t *testing.T) {
	const size = 3*Chunk + 5
	f := open(t, size)
	for _, cold := range []bool{false, true} {
		for _, most := range []int64{size, Chunk, Chunk/4 + 1} {
			looks, waits := 0, 0
			p := pool(t, cold, &looks)
			d := make(desk, 1)
			ready := false
			then := exchange.TaskFunc(func() { ready = true })
			var a Ahead
			for at := int64(0); at < size; {
				n, err := a.Next(p, d, f, at, size-at, then)
				if err != nil || n < 0 || n > size-at {
					t.Fatalf("%d, %v at %d", n, err, at)
				}
				if n == 0 {
					if m, _ := a.Next(p, d, f, at, size-at, then); m != 0 {
						t.Errorf("%d octets are there while they are read", m)
					}
					waits++
					if (<-d).Run(); !ready {
						t.Error("it is not told that the disk has been read")
					}
					ready = false
					continue
				}
				n = min(n, most)
				a.Took(n)
				at += n
			}
			want := 0
			if cold {
				want = 4
			}
			if looks != 4 || waits != want {
				t.Errorf("cold %v, by %d: looked %d times, waited %d times, want 4 and %d", cold, most, looks, waits, want)
			}
		}
	}
}

// Who has been used for something else meanwhile is not told.
func TestAheadForgets(t *testing.T) {
	looks := 0
	p, d := pool(t, true, &looks), make(desk, 1)
	f := open(t, 10)
	var a Ahead
	if n, err := a.Next(p, d, f, 0, 10, exchange.TaskFunc(func() { t.Error("it is told") })); n != 0 || err != nil {
		t.Fatalf("%d, %v", n, err)
	}
	a = Ahead{}
	if (<-d).Run(); a.left != 0 {
		t.Error("what was read for another counts")
	}
}

func TestAheadWithoutPool(t *testing.T) {
	var a Ahead
	if n, err := a.Next(nil, nil, nil, 0, 10*Chunk, nil); n != 10*Chunk || err != nil {
		t.Errorf("%d, %v", n, err)
	}
}

// Where too much waits it is an error, and what was asked for can be asked for again.
func TestPoolIsBounded(t *testing.T) {
	looks := 0
	p := NewPool()
	p.Resident = func(*os.File, int64, int64) bool { looks++; return false }
	release := make(chan struct{})
	t.Cleanup(func() {
		close(release)
		p.Close()
	})
	var begun sync.WaitGroup
	begun.Add(Goroutines)
	for range Goroutines {
		p.Do(func() {
			begun.Done()
			<-release
		})
	}
	begun.Wait() // nobody takes anything any more
	for p.Do(func() {}) {
	}
	var a Ahead
	var e *exchange.Error
	for range 2 {
		if n, err := a.Next(p, make(desk, 1), open(t, 10), 0, 10, exchange.TaskFunc(func() {})); n != 0 || !errors.As(err, &e) || e.Status != 503 {
			t.Errorf("%d, %v", n, err)
		}
	}
	if looks != 2 {
		t.Errorf("looked %d times", looks)
	}
}
