package loop

import (
	"errors"
	"io"
	"net"
	"time"
)

const (
	// recordHeader is the length of a record's header, and maxRecord that of the
	// longest record there may be (RFC 5246 §6.2.3; RFC 8446 §5.2 allows less).
	recordHeader = 5
	maxRecord    = recordHeader + 16<<10 + 2<<10
)

// ciphertext is what has come of a connection, taken record by record.
type ciphertext struct {
	octets []byte
	left   int // of the record of which part was taken
}

// ready says how many octets may be taken: the rest of a record that is there as
// a whole, or the header of one that no peer may send; else 0.
func (c *ciphertext) ready() int {
	if c.left > 0 {
		return c.left
	}
	if len(c.octets) < recordHeader {
		return 0
	}
	n := recordHeader + int(c.octets[3])<<8 + int(c.octets[4])
	if kind := c.octets[0]; kind < 20 || kind > 23 || n > maxRecord {
		return recordHeader
	}
	if n > len(c.octets) {
		return 0
	}
	return n
}

// take moves what is ready, as far as it fits, to p.
func (c *ciphertext) take(p []byte) int {
	c.left = c.ready()
	n := copy(p, c.octets[:c.left])
	c.octets = c.octets[n:]
	c.left -= n
	return n
}

// secureWire is the connection that crypto/tls sees. While there is a handshake
// it is used from that one's goroutine, afterwards on the Loop.
type secureWire struct {
	s  *secure
	hs *handshake
}

// errCut: the connection ended within a record. It is no io.ErrUnexpectedEOF
// as crypto/tls would take that for an end between records.
var errCut = errors.New("the connection ended within a TLS record")

// waitError says that nothing is there: crypto/tls keeps such an error from
// ending the connection.
type waitError struct{}

func (waitError) Error() string   { return "no TLS record has come" }
func (waitError) Timeout() bool   { return true }
func (waitError) Temporary() bool { return true }

var errWait net.Error = waitError{}

func (w *secureWire) Read(p []byte) (int, error) {
	if w.hs != nil {
		return w.hs.read(p)
	}
	s := w.s
	if s.in.ready() == 0 && s.inErr == nil {
		s.receive()
	}
	switch {
	case s.in.ready() > 0:
		return s.in.take(p), nil
	case s.inErr == nil:
		return 0, errWait
	}
	return 0, s.in.end(s.inErr)
}

// end is the error that follows what is there, which is no whole record.
func (c *ciphertext) end(err error) error {
	if errors.Is(err, io.EOF) && len(c.octets) > 0 {
		return errCut
	}
	return err
}

// receive reads from inner behind what is there of a record.
func (s *secure) receive() {
	buf := s.l.scratch.in
	have := copy(buf, s.in.octets)
	room := min(len(buf), max(s.room, maxRecord)+maxRecord)
	n, err := s.inner.Read(buf[have:room])
	s.in.octets = buf[:have+n]
	if err != nil && !errors.Is(err, ErrAgain) {
		s.inErr = err
	}
}

// Write never fails: the Loop sends what is written.
func (w *secureWire) Write(p []byte) (int, error) {
	if w.hs != nil {
		return w.hs.write(p)
	}
	w.s.out = append(w.s.out, p...)
	return len(p), nil
}

// Close does nothing: the Stream is closed by its own.
func (w *secureWire) Close() error { return nil }

// LocalAddr and RemoteAddr tell nothing: only the Loop may ask the socket.
func (w *secureWire) LocalAddr() net.Addr { return &net.TCPAddr{} }

// RemoteAddr is as LocalAddr.
func (w *secureWire) RemoteAddr() net.Addr { return &net.TCPAddr{} }

// SetDeadline does nothing: nothing here waits but a handshake, which is aborted.
func (w *secureWire) SetDeadline(time.Time) error { return nil }

// SetReadDeadline is as SetDeadline.
func (w *secureWire) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline is as SetDeadline.
func (w *secureWire) SetWriteDeadline(time.Time) error { return nil }
