package listen

import (
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// Whoever connects while the server stops is answered or not let in at all:
// after Quiesce the clients come to an end, and nobody has a connection that
// nothing comes of.
func TestQuiesceUnderLoad(t *testing.T) {
	for range 3 {
		l := mustListen(t, "127.0.0.1:0", Config{})
		var clients sync.WaitGroup
		var answered, left atomic.Int64
		left.Store(4)
		var stopping atomic.Bool
		for range 4 {
			clients.Go(func() {
				defer left.Add(-1)
				for {
					c, err := net.DialTimeout("tcp", l.Addr().String(), 200*time.Millisecond)
					if err != nil && stopping.Load() {
						return
					}
					if err != nil {
						continue // the machine is slow
					}
					_ = c.SetDeadline(time.Now().Add(patience))
					if _, err := c.Read(make([]byte, 1)); err != nil {
						t.Errorf("a connection was cut: %v", err)
					}
					_ = c.Close()
					answered.Add(1)
				}
			})
		}
		serve(t, l, func() bool { return answered.Load() >= 200 })
		stopping.Store(true)
		if err := l.Quiesce(); err != nil {
			t.Error(err)
		}
		serve(t, l, func() bool { return left.Load() == 0 })
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		clients.Wait()
	}
}

// serve answers until enough.
func serve(t *testing.T, l *Listener, enough func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !enough(); {
		if time.Now().After(end) {
			t.Error("waited too long for the clients")
			return
		}
		if !answerOne(t, l) {
			time.Sleep(100 * time.Microsecond)
		}
	}
}

// answerOne reports whether there was a connection.
func answerOne(t *testing.T, l *Listener) bool {
	t.Helper()
	fd, _, err := syscall.Accept(l.FD())
	if errors.Is(err, syscall.EAGAIN) {
		return false
	}
	if err != nil {
		t.Errorf("accept: %v", err)
		return false
	}
	_, _ = syscall.Write(fd, []byte("k"))
	_ = syscall.Close(fd)
	return true
}
