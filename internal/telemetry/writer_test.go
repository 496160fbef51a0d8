package telemetry

import (
	"bytes"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// gate is a stream that takes nothing until it is opened.
type gate struct {
	mu   sync.Mutex
	buf  bytes.Buffer
	open chan struct{}
	err  error
}

func (g *gate) Write(p []byte) (int, error) {
	<-g.open
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.err != nil {
		return 0, g.err
	}
	return g.buf.Write(p)
}

func (g *gate) String() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.buf.String()
}

func opened() *gate {
	g := &gate{open: make(chan struct{})}
	close(g.open)
	return g
}

func TestWriterKeepsOrderAndFlushes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := opened()
		w := NewWriter(g, 0, nil)
		var want strings.Builder
		for i := range 1000 {
			line := strings.Repeat("x", i%50) + "\n"
			want.WriteString(line)
			if n, err := w.Write([]byte(line)); n != len(line) || err != nil {
				t.Fatalf("Write = %d, %v", n, err)
			}
			if i == 500 {
				time.Sleep(10 * time.Millisecond)
			}
		}
		if err := w.Close(time.Second); err != nil {
			t.Fatal(err)
		}
		if g.String() != want.String() {
			t.Errorf("got %d octets, want %d in order", len(g.String()), want.Len())
		}
		if w.Dropped() != 0 {
			t.Errorf("Dropped = %d", w.Dropped())
		}
		_, _ = w.Write([]byte("late\n"))
		if w.Dropped() != 1 {
			t.Errorf("a line after Close: Dropped = %d, want 1", w.Dropped())
		}
	})
}

func TestWriterNeverStalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gate{open: make(chan struct{})}
		var reports []int64
		w := NewWriter(g, 100, func(n int64) { reports = append(reports, n) })
		line := []byte("123456789\n")
		_, _ = w.Write(line)
		synctest.Wait()
		time.Sleep(time.Second) // the goroutine now holds the first line
		for range 25 {
			_, _ = w.Write(line)
		}
		if got := w.Dropped(); got != 15 {
			t.Errorf("Dropped = %d, want 15: 10 of 25 lines have room", got)
		}
		close(g.open)
		time.Sleep(time.Second)
		for range 11 {
			_, _ = w.Write(line)
		}
		if err := w.Close(time.Second); err != nil {
			t.Fatal(err)
		}
		if got := strings.Count(g.String(), "\n"); got != 21 {
			t.Errorf("%d lines written, want 21", got)
		}
		if len(reports) != 2 || reports[0] != 15 || reports[1] != 1 {
			t.Errorf("reports = %v, want [15 1]", reports)
		}
	})
}

// slow is a stream that never gets to the end of what it is given.
type slow struct {
	again func()
}

func (s *slow) Write(p []byte) (int, error) {
	time.Sleep(100 * time.Millisecond)
	s.again()
	return len(p), nil
}

// That lines are dropped is told while they are, not when it is over.
func TestWriterReportsMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var reported, over atomic.Int64
		s := &slow{}
		w := NewWriter(s, 100, func(n int64) { reported.Add(n) })
		s.again = func() {
			for range 25 {
				if over.Load() == 0 {
					_, _ = w.Write([]byte("123456789\n"))
				}
			}
		}
		_, _ = w.Write([]byte("first\n"))
		time.Sleep(10 * time.Second)
		if reported.Load() == 0 {
			t.Errorf("nothing was reported, and %d lines dropped", w.Dropped())
		}
		over.Store(1)
		if err := w.Close(time.Second); err != nil {
			t.Fatal(err)
		}
		if reported.Load() != w.Dropped() {
			t.Errorf("%d lines were reported, %d dropped", reported.Load(), w.Dropped())
		}
	})
}

func TestWriterCloseIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gate{open: make(chan struct{})}
		w := NewWriter(g, 0, nil)
		_, _ = w.Write([]byte("x\n"))
		start := time.Now()
		if err := w.Close(3 * time.Second); !errors.Is(err, ErrNotFlushed) {
			t.Errorf("Close = %v, want ErrNotFlushed", err)
		}
		if d := time.Since(start); d != 3*time.Second {
			t.Errorf("Close took %v, want 3s", d)
		}
		close(g.open)
	})
}

func TestWriterCountsWhatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := opened()
		g.err = errors.New("broken pipe")
		reported := int64(0)
		w := NewWriter(g, 0, func(n int64) { reported += n })
		for range 7 {
			_, _ = w.Write([]byte("x\n"))
		}
		if err := w.Close(time.Second); err != nil {
			t.Fatal(err)
		}
		if w.Dropped() != 7 || reported != 7 {
			t.Errorf("Dropped = %d, reported = %d, want 7 and 7", w.Dropped(), reported)
		}
	})
}

func TestWriterConcurrent(t *testing.T) {
	g := opened()
	w := NewWriter(g, 0, nil)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 200 {
				_, _ = w.Write([]byte("a whole line\n"))
			}
		})
	}
	wg.Wait()
	if err := w.Close(time.Minute); err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(g.String(), "a whole line\n"); got != 800 {
		t.Errorf("%d whole lines, want 800", got)
	}
}
