package loop

import (
	"errors"
	"io"
)

// Readable implements Handler, for inner.
func (s *secure) Readable() {
	if s.hs != nil {
		s.feed()
		return
	}
	s.h.Readable()
}

// Writable implements Handler, for inner.
func (s *secure) Writable() {
	err := s.flush()
	switch {
	case errors.Is(err, ErrAgain):
		return
	case s.closed && err != nil:
		s.cut()
		return
	case s.closed:
		s.l.StopTimer(&s.flushing)
		s.inner.Close(false)
		return
	case err != nil:
		s.h.Hup(err)
		return
	}
	if s.finish {
		if err := s.inner.CloseWrite(); err != nil {
			s.h.Hup(err)
			return
		}
	}
	s.update()
	s.again()
	if s.wantWrite && s.hs == nil {
		s.h.Writable()
	}
}

// Hup implements Handler, for inner. What was read before is delivered first.
func (s *secure) Hup(err error) {
	var bug *PanicError
	switch {
	case s.closed:
		s.cut()
	case s.more && s.wantRead && s.hs == nil && !errors.As(err, &bug):
		s.h.Readable()
	default:
		s.h.Hup(err)
	}
}

// again has Readable delivered where inner has nothing to tell: the octets are
// here already.
func (s *secure) again() {
	if s.more && s.wantRead && !s.clogged() && !s.scheduled {
		s.scheduled = true
		s.l.Defer(s)
	}
}

// Run implements exchange.Task: see again.
func (s *secure) Run() {
	s.scheduled = false
	if s.closed || !s.more || !s.wantRead || s.clogged() {
		return
	}
	s.l.current = s
	s.h.Readable()
	s.l.current = nil
	if !s.closed {
		s.again()
	}
}

// feed gives a handshake what has come.
func (s *secure) feed() {
	n, err := s.inner.Read(s.l.scratch.in)
	if err != nil && !errors.Is(err, ErrAgain) {
		s.inErr = err
	}
	first, start := s.hs.give(s.l.scratch.in[:n], s.inErr)
	switch {
	case isText(first):
		s.cleartext()
		return
	case start:
		go s.hs.run()
	case s.inErr != nil && !s.hs.started:
		s.h.Hup(s.inErr)
		return
	}
	s.update()
}

// isText reports whether a first octet is that of an HTTP method, which none of
// a TLS record is.
func isText(first byte) bool { return first >= 'A' && first <= 'Z' }

// cleartext gives the connection to the Handler as it is.
func (s *secure) cleartext() {
	octets := s.hs.in.octets
	s.shaken()
	s.closed = true
	s.inner.SetHandler(s.h)
	s.h.Hup(&CleartextError{Stream: s.inner, Octets: octets})
}

// shaken takes note that the handshake is over, or given up.
func (s *secure) shaken() {
	s.hs.abort()
	s.hs = nil
	delete(s.l.shaking, s)
}

// secureTurn is a secure as the task that its handshake posts.
type secureTurn secure

func (t *secureTurn) Run() { (*secure)(t).turn() }

// turn sends what a handshake has written, and ends it if it is done.
func (s *secure) turn() {
	if s.closed || s.hs == nil {
		return
	}
	s.l.current = s
	s.advance()
	s.l.current = nil
}

func (s *secure) advance() {
	r := s.hs.collect()
	s.out = append(s.out, r.out...)
	if err := s.flush(); err != nil && !errors.Is(err, ErrAgain) {
		s.h.Hup(err)
		return
	}
	if !r.done {
		s.update()
		return
	}
	s.in = s.hs.in
	s.kept = s.in.octets
	s.wire.hs = nil
	if r.err != nil {
		s.failed(r.err)
		return
	}
	s.shaken()
	s.update()
	s.h.(TLSHandler).Secured(s.conn.ConnectionState())
	if s.closed {
		return
	}
	s.more = s.in.ready() > 0 || s.inErr != nil
	s.again()
}

// failed ends a connection whose handshake has failed. Its alert is sent: a reset
// could have it dropped.
func (s *secure) failed(err error) {
	if errors.Is(err, io.EOF) {
		s.h.Hup(io.EOF)
		s.Close(true)
		return
	}
	s.Close(false)
	s.h.Hup(&HandshakeError{err})
}
