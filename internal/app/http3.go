package app

import (
	"errors"
	"fmt"
	"log/slog"
	"net"

	"rickhouse/internal/front/http3"
	"rickhouse/internal/listen"
)

// quicSocket is the UDP socket beside a listener, and the door that serves it once
// there is one.
type quicSocket struct {
	socket *net.UDPConn
	beside listen.Addr
	door   *http3.Door
}

// listenUDP opens a UDP socket beside each listener with TLS, for HTTP/3.
func (s *server) listenUDP() error {
	if !s.cfg.HTTP3.On {
		return nil
	}
	for _, l := range s.listeners {
		if !l.Addr().TLS {
			continue
		}
		socket, err := listen.UDP(l.Addr())
		if err != nil {
			return err
		}
		s.quic = append(s.quic, quicSocket{socket: socket, beside: l.Addr()})
	}
	if len(s.quic) == 0 {
		return errors.New("http3: no address in bind has TLS and a port: add one, as :443, or leave http3 out")
	}
	return nil
}

// openHTTP3 begins to serve HTTP/3.
func (s *server) openHTTP3() error {
	if len(s.quic) == 0 {
		return nil
	}
	// quic-go says by the standard log that the system keeps UDP buffers small.
	slog.SetDefault(s.log)
	t := s.tlsParts()
	parts := http3.Parts{
		Handler: s.shared, TLS: t.TLS, Describe: t.Describe, Extra: t.Extra, Log: s.log, Store: s.store, Spool: s.cfg.Spool,
		Observe: s.observe(),
	}
	var err error
	if s.http3, err = http3.New(s.cfg.Front, s.cfg.HTTP3, parts); err != nil {
		return fmt.Errorf("serve HTTP/3: %w", err)
	}
	for i := range s.quic {
		q := &s.quic[i]
		if q.door, err = s.http3.Serve(q.socket, q.beside); err != nil {
			return err
		}
	}
	return nil
}

// drainHTTP3 ends accepting, and returns how many doors will tell when their last
// connection is gone.
func (s *server) drainHTTP3() int {
	n := 0
	for _, q := range s.quic {
		if q.door != nil {
			q.door.Drain(func() { s.events.post(event{kind: doorDrained}) })
			n++
		}
	}
	return n
}

// closeHTTP3 cuts every connection and closes the sockets.
func (s *server) closeHTTP3() {
	for _, q := range s.quic {
		if q.door != nil {
			q.door.Close()
		} else {
			_ = q.socket.Close()
		}
	}
}
