package front

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rickhouse/internal/exchange"
	"rickhouse/internal/loop"
)

// narrow is a Stream that takes room octets at a time.
type narrow struct {
	loop.Stream
	out  []byte
	room int
	err  error
}

func (n *narrow) Write(p []byte) (int, error) {
	if n.err != nil {
		return 0, n.err
	}
	k := min(len(p), n.room)
	n.out = append(n.out, p[:k]...)
	if k < len(p) {
		return k, loop.ErrAgain
	}
	return k, nil
}

func (n *narrow) WriteMore(p []byte) (int, error) { return n.Write(p) }

func (n *narrow) SendFile(f *os.File, offset, length int64) (int64, error) {
	b := make([]byte, length)
	k, err := f.ReadAt(b, offset)
	if err != nil {
		return 0, err
	}
	k, err = n.Write(b[:k])
	return int64(k), err
}

func newTestOutput(t *testing.T, s loop.Stream) *Output {
	t.Helper()
	l, err := loop.New(loop.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		l.Stop()
		_ = l.Run()
	})
	cfg := Config{}.WithDefaults()
	o := NewOutput(&OutputParts{Loop: l, Memory: 1 << 20, Config: &cfg})
	o.Stream, o.Resume = s, func() {}
	return o
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
		s := &narrow{room: room}
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
		if want := "head abc <3>234<3>567<1>8 def"; string(s.out) != want {
			t.Errorf("by %d: got %q", room, s.out)
		}
		if n := o.Drained(); n != 8+exchange.FileCost || o.Drained() != 0 || o.Pending() {
			t.Errorf("by %d: %d octets are counted", room, n)
		}
	}
}

func TestOutputFails(t *testing.T) {
	o := newTestOutput(t, &narrow{err: errors.New("reset")})
	o.Put([]byte("x"))
	if o.Flush() || !errors.Is(o.Err(), exchange.ErrClientGone) {
		t.Errorf("got %v", o.Err())
	}
	o = newTestOutput(t, &narrow{room: 100})
	o.PutFile(openFile(t, "short"), 0, 100, nil)
	if o.Flush() || !errors.Is(o.Err(), ErrOutput) {
		t.Errorf("a file that is too short: %v", o.Err())
	}
	o = newTestOutput(t, &narrow{})
	f := openFile(t, strings.Repeat("x", 10))
	o.PutFile(f, 0, 10, nil)
	o.Reset()
	if err := f.Close(); err == nil || o.Pending() {
		t.Errorf("a file that was dropped is open")
	}
}
