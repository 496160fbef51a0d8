package loop

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"time"
)

const (
	// secureChunk is how much plaintext is made ciphertext at a time, and so about
	// how much ciphertext waits for a peer that does not take it.
	secureChunk = 32 << 10
	// secureHeld is how much ciphertext may be held before reading rests.
	secureHeld = 2 * secureChunk
	// secureFile is the most of a file that one SendFile sends.
	secureFile = 8 * secureChunk
	// secureIn is the most ciphertext that is read at a time.
	secureIn = 64<<10 + maxRecord
	// secureFlush is how long a closed Stream tries to be rid of what it holds.
	secureFlush = int64(10 * time.Second)
)

// TLSConfig says how a Loop speaks TLS. It does not change once it is used.
type TLSConfig struct {
	// TLS is that of the server.
	TLS *tls.Config
	// Handshakes bounds the handshakes that are being computed; nil for no bound.
	Handshakes *Handshakes
}

// TLSHandler is a Handler that is told of the handshake.
type TLSHandler interface {
	Handler
	// Secured is called once, before all events, when the handshake is done.
	// Hup comes instead if it fails: with a *HandshakeError, the Stream being
	// closed by then, with a *CleartextError, or with what ended the connection.
	Secured(state tls.ConnectionState)
}

// HandshakeError is what Hup gets when a handshake fails.
type HandshakeError struct{ Err error }

// Error says what failed.
func (e *HandshakeError) Error() string { return "TLS handshake: " + e.Err.Error() }

// Unwrap returns the cause.
func (e *HandshakeError) Unwrap() error { return e.Err }

// CleartextError is what Hup gets when a client begins with text, as one does
// that speaks HTTP without TLS.
type CleartextError struct {
	// Stream is the connection without TLS. It is the Handler's, whose events come
	// from it now; the Stream that was to be TLS is closed.
	Stream Stream
	// Octets are what was read of it.
	Octets []byte
}

// Error says what was seen.
func (e *CleartextError) Error() string { return "the client does not speak TLS" }

// secure is a Stream that speaks TLS on another. Its handshake is computed on a
// goroutine (see handshake); from then on crypto/tls works on the Loop, between
// two buffers: it is given whole records, so that it never waits within one, and
// what it writes is sent when it has returned.
type secure struct {
	l     *Loop
	h     Handler
	inner Stream
	conn  *tls.Conn
	wire  *secureWire
	hs    *handshake // nil when it is done

	in    ciphertext // what has come and conn has not taken
	kept  []byte     // room for in between two calls
	room  int        // how much of in is wanted now
	inErr error      // follows in
	out   []byte     // what conn has written and inner has not taken

	wantRead, wantWrite bool
	more                bool // Read may give something that inner will not tell of
	scheduled           bool // Run will be called
	finish              bool // CloseWrite was called: FIN follows out
	closed              bool
	flushing            Timer // bounds the flush of a closed Stream
}

// secureScratch is the space that the TLS Streams of a Loop share.
type secureScratch struct{ in, out []byte }

// AttachTLS makes a Stream of fd, as Attach does, that speaks TLS as the server.
// It may be written and read when h is told that it is secured; until then both
// give ErrAgain, and it is h that closes it if that takes too long. What is
// written is held in memory, at most about 32 KiB, until the kernel has taken it;
// Close(false) leaves it 10 s for that.
func (l *Loop) AttachTLS(fd int, cfg *TLSConfig, h TLSHandler) (Stream, error) {
	s := l.newSecure(cfg, h)
	inner, err := l.Attach(fd, s)
	if err != nil {
		return nil, err
	}
	s.start(inner)
	return s, nil
}

// Secure makes a Stream of inner, likewise, whose Handler has read no octet of TLS.
// inner is the new Stream's.
func (l *Loop) Secure(inner Stream, cfg *TLSConfig, h TLSHandler) Stream {
	s := l.newSecure(cfg, h)
	inner.SetHandler(s)
	s.start(inner)
	return s
}

func (l *Loop) newSecure(cfg *TLSConfig, h TLSHandler) *secure {
	if l.scratch.in == nil {
		l.scratch = secureScratch{make([]byte, secureIn), make([]byte, 0, secureChunk+secureChunk/4)}
	}
	s := &secure{l: l, h: h, wantRead: true}
	s.wire = &secureWire{s: s}
	s.conn = tls.Server(s.wire, cfg.TLS)
	s.hs = newHandshake(s, cfg.Handshakes)
	s.wire.hs = s.hs
	s.flushing.Task = (*secureCut)(s)
	return s
}

// start begins to wait for the first record.
func (s *secure) start(inner Stream) {
	s.inner = inner
	s.l.shaking[s] = struct{}{}
}

func (s *secure) handler() Handler     { return s.h }
func (s *secure) SetHandler(h Handler) { s.h = h }
func (s *secure) open() bool           { return !s.closed }

// errSent is what follows CloseWrite.
var errSent = os.NewSyscallError("write", syscall.EPIPE)

// writable sends what is held and reports whether more may be taken.
func (s *secure) writable() error {
	switch {
	case s.closed:
		return net.ErrClosed
	case s.hs != nil:
		return ErrAgain
	case s.finish:
		return errSent
	}
	return s.flush()
}

// flush sends what is held.
func (s *secure) flush() error {
	for len(s.out) > 0 {
		n, err := s.inner.Write(s.out)
		s.out = s.out[n:]
		if err != nil {
			return err
		}
	}
	s.out = nil
	return nil
}

// send makes records of p, while nothing is held, and sends them. With ErrAgain
// p is taken, and part of the records held.
func (s *secure) send(p []byte) error {
	s.out = s.l.scratch.out[:0]
	_, err := s.conn.Write(p)
	if err == nil {
		err = s.flush()
	}
	if len(s.out) > 0 {
		s.out = append([]byte(nil), s.out...)
		s.update()
	}
	return err
}

// push is send that counts what was taken.
func (s *secure) push(p []byte) (int, error) {
	err := s.send(p)
	if err != nil && !errors.Is(err, ErrAgain) {
		return 0, err
	}
	return len(p), err
}

func (s *secure) Write(p []byte) (int, error) {
	if err := s.writable(); err != nil {
		return 0, err
	}
	total := 0
	for total < len(p) {
		n, err := s.push(p[total:min(len(p), total+secureChunk)])
		total += n
		if err != nil {
			return total, err
		}
	}
	return total, nil
}

// Writev puts pieces together, so that they make as few records as they can.
func (s *secure) Writev(pieces [][]byte) (int, error) {
	if err := s.writable(); err != nil {
		return 0, err
	}
	total, buf := 0, s.l.scratch.in[:0]
	for _, p := range pieces {
		for len(p) > 0 {
			n := copy(buf[len(buf):secureChunk], p)
			buf, p = buf[:len(buf)+n], p[n:]
			if len(buf) < secureChunk {
				break
			}
			n, err := s.push(buf)
			total += n
			if err != nil {
				return total, err
			}
			buf = buf[:0]
		}
	}
	n, err := s.push(buf)
	return total + n, err
}

// WriteMore is Write: a record is whole.
func (s *secure) WriteMore(p []byte) (int, error) { return s.Write(p) }

// SendFile reads the file on the Loop, as sendfile does on other Streams.
func (s *secure) SendFile(f *os.File, offset, length int64) (int64, error) {
	if err := s.writable(); err != nil {
		return 0, err
	}
	total := int64(0)
	for end := min(length, secureFile); total < end; {
		buf := s.l.scratch.in[:min(end-total, secureChunk)]
		n, err := f.ReadAt(buf, offset+total)
		if n == 0 && total == 0 {
			return 0, fileError(err)
		}
		if n == 0 {
			break
		}
		n, err = s.push(buf[:n])
		total += int64(n)
		if err != nil {
			return total, err
		}
	}
	if total < length {
		return total, ErrAgain
	}
	return total, nil
}

func fileError(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

func (s *secure) Read(p []byte) (int, error) {
	switch {
	case s.closed:
		return 0, net.ErrClosed
	case s.hs != nil:
		return 0, ErrAgain
	case len(p) == 0:
		return 0, nil
	case s.clogged():
		return 0, ErrAgain
	}
	s.room = len(p)
	n, err := s.conn.Read(p)
	for err == nil && n < len(p) && s.in.ready() > 0 {
		var m int
		m, err = s.conn.Read(p[n:])
		n += m
	}
	s.keep()
	if len(s.out) > 0 { // an alert, or the answer to a KeyUpdate
		_ = s.flush()
		s.update()
	}
	if errors.Is(err, errWait) {
		err = ErrAgain
	}
	if n == 0 {
		s.more = false
		return 0, plainEOF(err)
	}
	// conn gives an error that stays again at the next Read.
	s.more = n == len(p) || s.in.ready() > 0 || err != nil && !errors.Is(err, ErrAgain)
	s.again()
	return n, nil
}

// clogged reports whether too much is held for a peer to be heard: what it sends
// may call for an answer (KeyUpdate), and it would have us hold any number of
// them.
func (s *secure) clogged() bool { return len(s.out) > secureHeld }

// keep takes what is left of the input out of the Loop's scratch space.
func (s *secure) keep() {
	s.kept = append(s.kept[:0], s.in.octets...)
	if len(s.kept) == 0 && cap(s.kept) > 4<<10 {
		s.kept = nil
	}
	s.in.octets = s.kept
}

// ReadMsg is Read: no descriptor comes this way.
func (s *secure) ReadMsg(p []byte) (int, []*os.File, error) {
	n, err := s.Read(p)
	return n, nil, err
}

// WriteMsg cannot be.
func (s *secure) WriteMsg([]byte, *os.File) (int, error) {
	return 0, errors.New("loop: only a Unix socket carries descriptors")
}

func (s *secure) Want(read, write bool) {
	s.wantRead, s.wantWrite = read, write
	if !s.closed {
		s.update()
		s.again()
	}
}

// update tells inner which events are wanted of it.
func (s *secure) update() {
	read := s.wantRead
	if s.hs != nil {
		read = !s.hs.full
	}
	s.inner.Want(read && s.inErr == nil && !s.clogged(), len(s.out) > 0 || s.wantWrite && s.hs == nil)
}

func (s *secure) CloseWrite() error {
	switch {
	case s.closed:
		return net.ErrClosed
	case s.hs != nil:
		return ErrAgain
	case s.finish:
		return nil
	}
	s.finish = true
	if err := s.conn.CloseWrite(); err != nil {
		return err
	}
	err := s.flush()
	switch {
	case err == nil:
		return s.inner.CloseWrite()
	case errors.Is(err, ErrAgain):
		s.update()
		return nil
	}
	return err
}

// Close tells the peer that this is the end (close_notify), unless it resets.
func (s *secure) Close(reset bool) {
	if s.closed {
		return
	}
	s.closed = true
	shaking := s.hs != nil
	if shaking {
		s.shaken()
	}
	if reset {
		s.inner.Close(true)
		return
	}
	if !shaking && !s.finish {
		_ = s.conn.CloseWrite()
	}
	if errors.Is(s.flush(), ErrAgain) {
		s.inner.Want(false, true)
		s.l.SetTimer(&s.flushing, s.l.Now()+secureFlush)
		return
	}
	s.inner.Close(false)
}

// secureCut is a closed secure as the task of its timer.
type secureCut secure

func (c *secureCut) Run() { (*secure)(c).cut() }

func (s *secure) cut() {
	s.l.StopTimer(&s.flushing)
	s.inner.Close(true)
}
