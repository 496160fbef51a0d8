package front

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"rickhouse/internal/disk"
	"rickhouse/internal/exchange"
	"rickhouse/internal/loop"
	"rickhouse/internal/testkit"
	"rickhouse/internal/testkit/onloop"
)

func newTestOutput(t *testing.T, s loop.Stream) *Output {
	t.Helper()
	o := NewOutput(&OutputParts{Loop: onloop.Idle(t), Sent: new(uint64)})
	o.Stream, o.Settings = s, &Settings{Config: Config{}.WithDefaults(), Memory: 1 << 20}
	return &o
}

func openFile(t *testing.T, content string) *os.File {
	t.Helper()
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// Memory and files leave in order, whatever the kernel takes at a time, and what
// has left is counted once.
func TestOutputOrder(t *testing.T) {
	for _, room := range []int{1, 3, 1000} {
		s := &onloop.Stream{Room: room}
		o := newTestOutput(t, s)
		o.Put([]byte("head "))
		o.PutContent([]byte("abc "), 4)
		o.PutFile(openFile(t, "0123456789"), 2, 7, func(dst []byte, left int64) ([]byte, int64) {
			n := min(left, 3)
			return append(dst, '<', byte('0'+n), '>'), n
		})
		o.PutContent([]byte(" def"), 4)
		for !o.Flush() {
			if o.Err() != nil {
				t.Fatal(o.Err())
			}
			o.Blocked = false
		}
		if want := "head abc <3>234<3>567<1>8 def"; string(s.Out) != want {
			t.Errorf("by %d: got %q", room, s.Out)
		}
		if n := o.Drained(); n != 8+exchange.FileCost || o.Drained() != 0 || o.Pending() {
			t.Errorf("by %d: %d octets are counted", room, n)
		}
	}
}

// Large content is written from where it is, behind what waits; what the kernel
// does not take of it is kept.
func TestOutputWritesThrough(t *testing.T) {
	large := strings.Repeat("0123456789", 10000)
	for _, room := range []int{3, 7000, 1 << 20} {
		s := &onloop.Stream{Room: room}
		o := newTestOutput(t, s)
		o.Put([]byte("head "))
		o.PutContent([]byte(large), len(large))
		if len(s.Out) != min(room, len("head ")+len(large)) || o.Blocked != (room < 1<<20) {
			t.Errorf("by %d: %d octets were written, blocked is %v", room, len(s.Out), o.Blocked)
		}
		for s.Room = 1 << 20; o.Pending(); {
			o.Blocked = false
			o.Flush()
		}
		if string(s.Out) != "head "+large || o.Drained() != len(large) || *o.p.Sent != uint64(len(s.Out)) {
			t.Errorf("by %d: %d octets, %d are counted", room, len(s.Out), *o.p.Sent)
		}
	}
}

// A tunnel that is silent holds no buffer, and borrows one to write.
func TestOutputOfTunnels(t *testing.T) {
	s := &onloop.Stream{Room: 100}
	o := newTestOutput(t, s)
	o.Tunnel = true
	for range 3 {
		o.PutContent([]byte("hello"), 5)
		if !o.Flush() || o.Buf != nil || len(o.p.spare) != 1 {
			t.Errorf("it keeps %d octets, and %d buffers are spare", cap(o.Buf), len(o.p.spare))
		}
	}
	if string(s.Out) != "hellohellohello" || o.Drained() != 15 {
		t.Errorf("got %q", s.Out)
	}
}

func TestOutputFails(t *testing.T) {
	o := newTestOutput(t, &onloop.Stream{WriteErr: errors.New("reset")})
	o.Put([]byte("x"))
	if o.Flush() || !errors.Is(o.Err(), exchange.ErrClientGone) {
		t.Errorf("got %v", o.Err())
	}
	o = newTestOutput(t, &onloop.Stream{Room: 100})
	o.PutFile(openFile(t, "short"), 0, 100, nil)
	if o.Flush() || o.Err() == nil || errors.Is(o.Err(), exchange.ErrClientGone) {
		t.Errorf("a file that is too short: %v", o.Err())
	}
	o = newTestOutput(t, &onloop.Stream{})
	f := openFile(t, strings.Repeat("x", 10))
	o.PutFile(f, 0, 10, nil)
	o.Reset()
	if err := f.Close(); err == nil || o.Pending() {
		t.Errorf("a file that was dropped is open")
	}
}

// resumer counts how often it is told to go on.
type resumer struct{ n int }

func (r *resumer) Resume() { r.n++ }

// cold has an Output see no file in memory, and returns what lets disks be read.
func cold(t *testing.T, o *Output) (release func()) {
	t.Helper()
	o.p.Disk = disk.NewPool()
	o.p.Disk.Resident = func(*os.File, int64, int64) bool { return false }
	gate := make(chan struct{})
	for range disk.Goroutines {
		if !o.p.Disk.Do(func() { <-gate }) {
			t.Fatal("the pool is full")
		}
	}
	release = sync.OnceFunc(func() { close(gate) })
	t.Cleanup(func() {
		release()
		o.p.Disk.Close()
	})
	return release
}

// A file that is not in memory is sent once a goroutine has read it; what follows it
// waits.
func TestOutputDoesNotWaitForDisks(t *testing.T) {
	s, r := &onloop.Stream{Room: 1000}, &resumer{}
	o := newTestOutput(t, s)
	o.Owner = r
	release := cold(t, o)
	o.Put([]byte("head "))
	o.PutFile(openFile(t, "0123456789"), 2, 7, nil)
	o.PutContent([]byte(" tail"), 5)
	for range 2 {
		if o.Flush() || o.Blocked || o.Err() != nil || string(s.Out) != "head " {
			t.Fatalf("%q was written before the disk was read; blocked %v, %v", s.Out, o.Blocked, o.Err())
		}
	}
	release()
	run(t, o.p.Loop, func() bool { return r.n > 0 })
	if !o.Flush() || string(s.Out) != "head 2345678 tail" || r.n != 1 {
		t.Errorf("%q, told %d times to go on, %v", s.Out, r.n, o.Err())
	}
	if n := o.Drained(); n != 5+exchange.FileCost {
		t.Errorf("%d octets are counted", n)
	}
}

// A client that takes a file as fast as it comes does not have the Loop to itself.
func TestOutputGivesWay(t *testing.T) {
	const size = 2*disk.Chunk + 5
	s := &onloop.Stream{Room: size}
	o := newTestOutput(t, s)
	o.p.Disk = disk.NewPool()
	t.Cleanup(o.p.Disk.Close)
	o.PutFile(openFile(t, string(make([]byte, size))), 0, size, nil)
	for _, want := range []int{disk.Chunk, 2 * disk.Chunk, size} {
		o.Blocked = false
		if whole := o.Flush(); len(s.Out) != want || whole != (want == size) || o.Blocked == whole {
			t.Fatalf("%d octets were written, want %d; whole %v, blocked %v, %v", len(s.Out), want, whole, o.Blocked, o.Err())
		}
	}
}

// An Output that is used anew while the disk is read knows nothing of that.
func TestOutputForgetsDisks(t *testing.T) {
	s, r := &onloop.Stream{Room: 1000}, &resumer{}
	o := newTestOutput(t, s)
	o.Owner = r
	release := cold(t, o)
	o.PutFile(openFile(t, "0123456789"), 0, 10, nil)
	o.Flush()
	o.Reset()
	release()
	o.PutFile(openFile(t, "abc"), 0, 3, nil)
	o.Flush()
	run(t, o.p.Loop, func() bool { return r.n > 0 })
	if !o.Flush() || string(s.Out) != "abc" || r.n != 1 {
		t.Errorf("%q, told %d times to go on", s.Out, r.n)
	}
}

// run runs a Loop until done says so.
func run(t *testing.T, l *loop.Loop, done func() bool) {
	t.Helper()
	var check func()
	until := time.Now().Add(testkit.Patience)
	check = func() {
		switch {
		case done():
			l.Stop()
		case time.Now().After(until):
			t.Error("it does not come")
			l.Stop()
		default:
			l.Post(exchange.TaskFunc(check))
		}
	}
	l.Post(exchange.TaskFunc(check))
	if err := l.Run(); err != nil {
		t.Error(err)
	}
}
