//go:build linux && (amd64 || arm64) && !noepoll

package loop

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"rickhouse/internal/testkit"
)

// An event that was fetched for a Stream never reaches the next Stream on the
// same descriptor.
func TestStaleEvent(t *testing.T) {
	l := startLoop(t, Config{})
	var fds [2]int
	var peers [2]net.Conn
	for i := range fds {
		fds[i], peers[i] = pair(t, "unix")
	}
	newFD, newPeer := pair(t, "unix")
	called := make(chan int, 2)
	heir := &probe{t: t}
	var streams [2]Stream
	on(t, l, func() {
		for i := range fds {
			p := &probe{t: t}
			p.readable = func() {
				// Both events were fetched together: whichever comes first replaces
				// the other's Stream.
				other := 1 - i
				streams[i].Close(false)
				streams[other].Close(false)
				if err := syscall.Dup3(newFD, fds[other], syscall.O_CLOEXEC); err != nil {
					t.Errorf("dup3: %v", err)
				}
				s, err := l.Attach(fds[other], heir)
				if err != nil {
					t.Errorf("attach: %v", err)
					return
				}
				heir.attached(s)
				called <- i
			}
			var err error
			if streams[i], err = l.Attach(fds[i], p); err != nil {
				t.Errorf("attach: %v", err)
			}
		}
		// Made ready within a turn, so that one wait fetches both.
		for _, p := range peers {
			if _, err := p.Write([]byte("x")); err != nil {
				t.Error(err)
			}
		}
	})
	testkit.Wait(t, called, "the first event")
	on(t, l, func() {})
	if len(called) != 0 {
		t.Error("both handlers were called")
	}
	got := make(chan struct{})
	on(t, l, func() {
		heir.readable = func() {
			heir.s.Close(false)
			close(got)
		}
	})
	if _, err := newPeer.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	testkit.Wait(t, got, "an event of the new stream")
	_ = syscall.Close(newFD)
}

// flat is a Handler that echoes without holding anything.
type flat struct {
	s   Stream
	buf [4096]byte
}

func (f *flat) attached(s Stream) { f.s = s }

func (f *flat) Readable() {
	n, err := f.s.Read(f.buf[:])
	if err == ErrAgain {
		return
	}
	if err == nil {
		_, err = f.s.Write(f.buf[:n])
	}
	if err != nil {
		f.s.Close(false)
	}
}

func (f *flat) Writable() {}
func (f *flat) Hup(error) { f.s.Close(false) }

func TestAnEventAllocatesNothing(t *testing.T) {
	l := startLoop(t, Config{})
	peer := attach(t, l, "tcp", &flat{})
	var buf [16]byte
	if n := testing.AllocsPerRun(500, func() {
		if _, err := peer.Write(buf[:]); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(peer, buf[:]); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("an event allocates %v times", n)
	}
}

func TestWritevAllocatesNothing(t *testing.T) {
	l := startLoop(t, Config{})
	p := &probe{t: t}
	peer := attach(t, l, "unix", p)
	go func() { _, _ = io.Copy(io.Discard, peer) }()
	pieces := [][]byte{[]byte("a"), nil, []byte("bc")}
	on(t, l, func() {
		if n := testing.AllocsPerRun(20, func() {
			if _, err := p.s.Writev(pieces); err != nil {
				t.Error(err)
			}
		}); n != 0 {
			t.Errorf("Writev allocates %v times", n)
		}
	})
}

func BenchmarkEcho(b *testing.B) {
	l := startLoop(b, Config{})
	peer := attach(b, l, "tcp", &flat{})
	_ = peer.SetDeadline(time.Time{})
	var buf [64]byte
	b.ReportAllocs()
	for b.Loop() {
		if _, err := peer.Write(buf[:]); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(peer, buf[:]); err != nil {
			b.Fatal(err)
		}
	}
}

// What WriteMore took leaves with the file behind it, in one segment. The kernel
// waits for no more than 200 ms, which a busy machine may pass: one time of many
// is enough.
func TestWriteMoreGoesWithTheFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, []byte("and a file"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	l := startLoop(t, Config{})
	segments := uint32(0)
	for range 50 {
		fd, peer := pair(t, "tcp")
		on(t, l, func() {
			p := &probe{t: t}
			s, err := l.Attach(fd, p)
			if err != nil {
				t.Errorf("attach: %v", err)
				return
			}
			defer s.Close(false)
			if n, err := s.WriteMore([]byte("a head ")); n != 7 || err != nil {
				t.Errorf("WriteMore = %d, %v", n, err)
			}
			if n, err := s.SendFile(f, 0, 10); n != 10 || err != nil {
				t.Errorf("SendFile = %d, %v", n, err)
			}
			info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
			if err != nil {
				t.Errorf("TCP_INFO: %v", err)
				return
			}
			segments = info.Data_segs_out
		})
		if got, err := io.ReadAll(peer); string(got) != "a head and a file" || err != nil {
			t.Fatalf("got %q, %v", got, err)
		}
		if segments == 1 || t.Failed() {
			return
		}
	}
	t.Errorf("a head and its file left in %d segments", segments)
}
