package onloop

import (
	"errors"
	"io"
	"os"
	"slices"
	"testing"

	"rickhouse/internal/loop"
)

// Idle returns a Loop that does not run.
func Idle(t testing.TB) *loop.Loop {
	t.Helper()
	l, err := loop.New(loop.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		l.Stop()
		_ = l.Run()
	})
	return l
}

// Stream is a loop.Stream in memory: In is read, then comes End, and what is written
// is kept in Out. A write takes up to Room octets, if that is not 0.
type Stream struct {
	In     []byte
	End    error // nil for nothing, ErrAgain
	Out    []byte
	Room   int
	Writes int
	// WriteErr is what writes return, and SendErr what SendFile returns, if not nil.
	WriteErr, SendErr error
	Closed            bool
	Deaf              bool // reading is not wanted
	Handler           loop.Handler
}

var _ loop.Stream = (*Stream)(nil)

// Read implements loop.Stream.
func (s *Stream) Read(p []byte) (int, error) {
	switch {
	case len(s.In) > 0:
		n := copy(p, s.In)
		s.In = s.In[n:]
		return n, nil
	case s.End != nil:
		return 0, s.End
	}
	return 0, loop.ErrAgain
}

// Write implements loop.Stream.
func (s *Stream) Write(p []byte) (int, error) {
	s.Writes++
	if s.WriteErr != nil {
		return 0, s.WriteErr
	}
	n := len(p)
	if s.Room > 0 {
		n = min(n, s.Room)
	}
	s.Out = append(s.Out, p[:n]...)
	if n < len(p) {
		return n, loop.ErrAgain
	}
	return n, nil
}

// WriteMore implements loop.Stream.
func (s *Stream) WriteMore(p []byte) (int, error) { return s.Write(p) }

// Writev implements loop.Stream.
func (s *Stream) Writev(pieces [][]byte) (int, error) { return s.Write(slices.Concat(pieces...)) }

// SendFile implements loop.Stream.
func (s *Stream) SendFile(f *os.File, offset, length int64) (int64, error) {
	if s.SendErr != nil {
		return 0, s.SendErr
	}
	b := make([]byte, min(length, 1<<20))
	n, err := f.ReadAt(b, offset)
	if n == 0 && errors.Is(err, io.EOF) {
		return 0, io.ErrUnexpectedEOF
	}
	n, err = s.Write(b[:n])
	return int64(n), err
}

// ReadMsg and WriteMsg do nothing: there is no Unix socket.

// ReadMsg implements loop.Stream.
func (s *Stream) ReadMsg([]byte) (int, []*os.File, error) { return 0, nil, errors.ErrUnsupported }

// WriteMsg implements loop.Stream.
func (s *Stream) WriteMsg([]byte, *os.File) (int, error) { return 0, errors.ErrUnsupported }

// Want implements loop.Stream.
func (s *Stream) Want(read, _ bool) { s.Deaf = !read }

// CloseWrite implements loop.Stream.
func (s *Stream) CloseWrite() error { return nil }

// Close implements loop.Stream.
func (s *Stream) Close(bool) { s.Closed = true }

// SetHandler implements loop.Stream.
func (s *Stream) SetHandler(h loop.Handler) { s.Handler = h }
