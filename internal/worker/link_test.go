package worker

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"rickhouse/internal/exchange"
	"rickhouse/internal/loop"
	wire "rickhouse/internal/wire/worker"
)

// pair is a link on a running loop, and the worker's end of it.
type pair struct {
	t      testing.TB
	loop   *loop.Loop
	link   *link
	theirs *os.File
	frames []wire.Header
	end    chan error
}

func newPair(t testing.TB) *pair {
	t.Helper()
	p := &pair{t: t, loop: runLoop(t), end: make(chan error, 2)}
	ours, theirs, err := linkPair()
	if err != nil {
		t.Fatal(err)
	}
	p.theirs = theirs
	p.link = &link{
		loop: p.loop,
		onFrame: func(h wire.Header, _ []byte, file *os.File) error {
			p.frames = append(p.frames, h)
			return closeFile(file)
		},
		onEnd: func(err error) { p.end <- err },
	}
	p.on(func() {
		if p.link.stream, err = p.loop.Attach(ours, p.link); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { theirs.Close() })
	return p
}

func runLoop(t testing.TB) *loop.Loop {
	t.Helper()
	l, err := loop.New(loop.Config{})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- l.Run() }()
	t.Cleanup(func() {
		l.Stop()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return l
}

func (p *pair) on(f func()) {
	p.t.Helper()
	done := make(chan struct{})
	p.loop.Post(exchange.TaskFunc(func() { defer close(done); f() }))
	select {
	case <-done:
	case <-time.After(time.Minute):
		p.t.Fatal("the loop is stuck")
	}
}

func (p *pair) wantEnd() error {
	p.t.Helper()
	select {
	case err := <-p.end:
		return err
	case <-time.After(time.Minute):
		p.t.Fatal("the link does not end")
		return nil
	}
}

// A worker that is always a little behind gets all, in order, each descriptor
// with its frame, and costs no more than what it is behind.
func TestLinkToASlowWorker(t *testing.T) {
	p := newPair(t)
	const total, size = 600, 100 << 10
	name := filepath.Join(t.TempDir(), "f")
	longest, sent := 0, 0
	var more func()
	more = func() {
		for ; sent < total && len(p.link.out)-p.link.sent < 512<<10; sent++ {
			h := wire.Header{Type: wire.Data, Slot: uint16(sent)}
			if sent%7 == 0 {
				f, err := os.Create(name)
				if err != nil {
					t.Error(err)
				} else if _, err := f.Write([]byte{byte(sent)}); err != nil {
					t.Error(err)
				}
				os.Remove(name)
				h.Flags = wire.HasFile
				p.link.attach(f, len(p.link.out))
			}
			p.link.out = wire.AppendFrame(p.link.out, h, bytes.Repeat([]byte{byte(sent)}, size))
			p.link.queue()
		}
		longest = max(longest, len(p.link.out))
		if sent < total {
			p.loop.Post(exchange.TaskFunc(more))
		}
	}
	p.on(more)
	frame := make([]byte, wire.HeaderSize+size)
	var files []int
	for i := range total {
		for have := 0; have < len(frame); {
			control := make([]byte, 256)
			n, c, flags, _, err := syscall.Recvmsg(int(p.theirs.Fd()), frame[have:], control, 0)
			if err != nil || n == 0 || flags&syscall.MSG_CTRUNC != 0 {
				t.Fatalf("recvmsg: %d, %v", n, err)
			}
			have += n
			messages, err := syscall.ParseSocketControlMessage(control[:c])
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range messages {
				fds, err := syscall.ParseUnixRights(&m)
				if err != nil {
					t.Fatal(err)
				}
				files = append(files, fds...)
			}
		}
		h, _, err := wire.ParseHeader(frame)
		if err != nil || int(h.Slot) != i || frame[len(frame)-1] != byte(i) {
			t.Fatalf("frame %d is %+v, %v", i, h, err)
		}
		if h.Has(wire.HasFile) {
			var b [1]byte
			if len(files) != 1 {
				t.Fatalf("frame %d comes with %d descriptors", i, len(files))
			}
			if _, err := syscall.Pread(files[0], b[:], 0); err != nil || b[0] != byte(i) {
				t.Errorf("frame %d comes with the descriptor of %d", i, b[0])
			}
			syscall.Close(files[0])
			files = nil
		}
	}
	p.on(func() {
		if longest > 4<<20 {
			t.Errorf("what waits took %d octets", longest)
		}
		if len(p.link.attached) != 0 || p.link.blocked {
			t.Error("something is left to write")
		}
	})
}

// What a worker wrote before its end is read, even if writing to it fails first.
func TestLinkReadsToTheEnd(t *testing.T) {
	p := newPair(t)
	p.on(func() {
		out := wire.AppendFrame(nil, wire.Header{Type: wire.Done, Slot: 7}, make([]byte, 4))
		if _, err := p.theirs.Write(out); err != nil {
			t.Error(err)
		}
		p.theirs.Close()
		p.link.out = wire.AppendFrame(p.link.out, wire.Header{Type: wire.Stop}, nil)
		p.link.queue()
	})
	if err := p.wantEnd(); err != nil {
		t.Errorf("the end is %v", err)
	}
	p.on(func() {
		if len(p.frames) != 1 || p.frames[0].Slot != 7 {
			t.Errorf("read %+v", p.frames)
		}
		if len(p.end) != 0 {
			t.Error("the end was told twice")
		}
	})
}

func TestLinkEndClosesDescriptors(t *testing.T) {
	p := newPair(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	rights := syscall.UnixRights(int(w.Fd()))
	// A descriptor ahead of a frame that does not come, and one never sent.
	if err := syscall.Sendmsg(int(p.theirs.Fd()), []byte{1, 0, 0}, rights, nil, 0); err != nil {
		t.Fatal(err)
	}
	p.on(func() { p.link.attach(w, 10) })
	p.theirs.Close()
	if err := p.wantEnd(); err != nil {
		t.Errorf("the end is %v", err)
	}
	wantEOF(t, r)
}

// wantEOF checks that nobody holds the other end of a pipe any more.
func wantEOF(t testing.TB, r *os.File) {
	t.Helper()
	if err := r.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if n, err := r.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("a descriptor is still open: %d, %v", n, err)
	}
	r.Close()
}

// endless is the link to a child of a dead worker, which writes for ever.
type endless struct {
	loop.Stream
	closed bool
}

func (s *endless) ReadMsg(p []byte) (int, []*os.File, error) {
	frame := wire.AppendFrame(nil, wire.Header{Type: wire.AnswerData, Generation: 1}, make([]byte, 1000))
	n := 0
	for len(p)-n >= len(frame) {
		n += copy(p[n:], frame)
	}
	return n, nil, nil
}

func (s *endless) Close(bool) { s.closed = true }

// What a worker wrote before its end is read, and not what is written for ever.
func TestHupIsBounded(t *testing.T) {
	s, octets, ends := &endless{}, 0, 0
	l := &link{
		stream: s,
		onFrame: func(h wire.Header, _ []byte, _ *os.File) error {
			octets += wire.HeaderSize + int(h.Length)
			return nil
		},
		onEnd: func(err error) {
			if ends++; err != nil {
				t.Error(err)
			}
		},
	}
	l.Hup(nil)
	if octets < maxLeft/2 || octets > maxLeft+maxRead || ends != 1 || !s.closed {
		t.Errorf("read %d octets, ended %d times, closed %v", octets, ends, s.closed)
	}
}
