package spool

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"rickhouse/internal/exchange"
)

const patience = 20 * time.Second

// executor runs tasks on one goroutine until the test ends.
type executor struct {
	tasks chan exchange.Task
}

func newExecutor(t *testing.T) *executor {
	e := &executor{tasks: make(chan exchange.Task, 1024)}
	var ended sync.WaitGroup
	ended.Go(func() {
		for task := range e.tasks {
			if task == nil {
				return
			}
			task.Run()
		}
	})
	t.Cleanup(func() {
		e.tasks <- nil
		ended.Wait()
	})
	return e
}

func (e *executor) Post(t exchange.Task) { e.tasks <- t }
func (e *executor) Now() int64           { return 1 }

// on runs f on the executor and waits for it.
func (e *executor) on(f func()) {
	done := make(chan struct{})
	e.Post(exchange.TaskFunc(func() { f(); close(done) }))
	<-done
}

// watcher is an Observer that says when so much has been written, or an error
// came.
type watcher struct {
	t      *testing.T
	total  int
	want   int
	calls  int
	err    error
	ended  chan struct{}
	closed bool
}

func watch(t *testing.T, want int) *watcher {
	return &watcher{t: t, want: want, ended: make(chan struct{})}
}

func (w *watcher) Spooled(f *File, n int, err error) {
	w.total += n
	w.calls++
	if w.err != nil || w.closed {
		w.t.Errorf("Spooled(%d, %v) after the last call", n, err)
	}
	if int64(w.total) != f.Written() {
		w.t.Errorf("Written is %d after %d were told", f.Written(), w.total)
	}
	w.err = err
	if err != nil || w.total == w.want {
		close(w.ended)
	}
}

func (w *watcher) wait() {
	w.t.Helper()
	select {
	case <-w.ended:
	case <-time.After(patience):
		w.t.Fatal("waited too long for the disk")
	}
}

func newStore(t *testing.T, c Config) *Store {
	t.Helper()
	if c.Directory == "" {
		c.Directory = t.TempDir()
	}
	s, err := NewStore(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func noise(n int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(rand.Uint32())
	}
	return p
}

// settle waits until the store holds nothing any more.
func settle(t *testing.T, s *Store) {
	t.Helper()
	for end := time.Now().Add(patience); s.Used() != 0; {
		if time.Now().After(end) {
			t.Fatalf("%d octets of the quota were never given back", s.Used())
		}
		time.Sleep(time.Millisecond)
	}
}

func TestContentIsKept(t *testing.T) {
	for _, size := range []int{1, chunkSize - 1, chunkSize, chunkSize + 1, 5*chunkSize + 77} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			directory := t.TempDir()
			s := newStore(t, Config{Directory: directory})
			e := newExecutor(t)
			content := noise(size)
			w := watch(t, size)
			var f *File
			e.on(func() {
				f = s.New(e, w)
				for p := content; len(p) > 0; {
					n := min(len(p), 1+rand.IntN(100_000))
					f.Append(p[:n])
					p = p[n:]
				}
				f.Flush()
				f.Flush()
			})
			w.wait()
			e.on(func() {
				got, err := io.ReadAll(io.NewSectionReader(f.OS(), 0, int64(size)+1))
				if err != nil || !bytes.Equal(got, content) {
					t.Errorf("the file has %d octets (%v), want the %d appended", len(got), err, size)
				}
				if f.Size() != int64(size) || s.Used() != int64(size) || w.err != nil {
					t.Errorf("Size %d, Used %d, error %v; want %d octets", f.Size(), s.Used(), w.err, size)
				}
				if st, err := f.OS().Stat(); err != nil || st.Mode().Perm() != 0o600 {
					t.Errorf("mode %v, %v", st.Mode(), err)
				}
				w.closed = true
				f.Close()
				f.Close()
				f.Append([]byte("late"))
			})
			settle(t, s)
			if left, err := os.ReadDir(directory); err != nil || len(left) != 0 {
				t.Errorf("the folder has %v, %v; want nothing", left, err)
			}
		})
	}
}

// Small pieces, each flushed, take no more memory than large ones while the disk
// is slow.
func TestFlushGathers(t *testing.T) {
	s := newStore(t, Config{})
	entered, leave := make(chan struct{}, 1000), make(chan struct{})
	s.write = func(f *os.File, p []byte, offset int64) (int, error) {
		entered <- struct{}{}
		<-leave
		return f.WriteAt(p, offset)
	}
	e := newExecutor(t)
	content := noise(1000)
	w := watch(t, len(content))
	var f *File
	piece := func(i int) {
		f.Append(content[i : i+1])
		f.Flush()
	}
	e.on(func() {
		f = s.New(e, w)
		piece(0)
	})
	<-entered
	e.on(func() {
		for i := 1; i < len(content); i++ {
			piece(i)
		}
	})
	close(leave)
	w.wait()
	e.on(func() {
		if got, err := io.ReadAll(io.NewSectionReader(f.OS(), 0, int64(len(content))+1)); err != nil || !bytes.Equal(got, content) {
			t.Errorf("the file has %d octets (%v), want the %d appended", len(got), err, len(content))
		}
		f.Close()
	})
	if n := len(entered); n > 1 {
		t.Errorf("%d chunks were taken for what was flushed meanwhile", n)
	}
}

// An error of the disk is told once, with the status it calls for.
func TestDiskErrors(t *testing.T) {
	for _, c := range []struct {
		err    error
		status int
	}{{syscall.ENOSPC, 507}, {syscall.EDQUOT, 507}, {syscall.EIO, 500}} {
		t.Run(c.err.Error(), func(t *testing.T) {
			s := newStore(t, Config{})
			s.write = func(f *os.File, p []byte, offset int64) (int, error) {
				if offset > 0 {
					return 10, &os.PathError{Op: "write", Path: "x", Err: c.err}
				}
				return f.WriteAt(p, offset)
			}
			e := newExecutor(t)
			w := watch(t, -1)
			var f *File
			e.on(func() {
				f = s.New(e, w)
				f.Append(make([]byte, 3*chunkSize))
			})
			w.wait()
			e.on(func() {
				f.Append(make([]byte, 3*chunkSize))
				f.Flush()
				if w.total != chunkSize+10 {
					t.Errorf("%d octets were told, want %d", w.total, chunkSize+10)
				}
				if got := exchange.AsError(w.err); got.Status != c.status || !errors.Is(w.err, c.err) {
					t.Errorf("%v with status %d, want %d", w.err, got.Status, c.status)
				}
				f.Close()
			})
			settle(t, s)
		})
	}
}

// A File that is closed while the disk is at it tells nothing more, and gives
// everything back.
func TestCloseWhileWriting(t *testing.T) {
	s := newStore(t, Config{})
	entered, leave := make(chan struct{}), make(chan struct{})
	s.write = func(f *os.File, p []byte, offset int64) (int, error) {
		entered <- struct{}{}
		<-leave
		return f.WriteAt(p, offset)
	}
	e := newExecutor(t)
	w := watch(t, -1)
	var f *File
	e.on(func() {
		f = s.New(e, w)
		f.Append(make([]byte, 4*chunkSize+5))
	})
	<-entered
	e.on(func() {
		f.Close()
		w.closed = true
	})
	if s.Used() == 0 {
		t.Error("the space was given back under the writer")
	}
	go func() {
		for range entered {
		}
	}()
	close(leave)
	settle(t, s)
	e.on(func() {})
}
