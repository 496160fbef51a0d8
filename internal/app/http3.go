package app

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"

	"rickhouse/internal/config"
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

// listenUDP opens a UDP socket beside each listener with TLS, for HTTP/3, but for
// those that have one.
func (s *server) listenUDP(cfg config.Server, next *listening) error {
	if !cfg.HTTP3.On {
		return nil
	}
	for _, l := range next.listeners {
		if !next.addr(l).TLS {
			continue
		}
		i := slices.IndexFunc(s.quic, func(q *quicSocket) bool { return q.beside == l.Addr() })
		if i >= 0 {
			next.quic = append(next.quic, s.quic[i])
			continue
		}
		socket, err := listen.UDP(l.Addr())
		if err != nil {
			return err
		}
		next.quic = append(next.quic, &quicSocket{socket: socket, beside: l.Addr()})
	}
	if len(next.quic) == 0 {
		return errors.New("http3: no address in bind has TLS and a port: add one, as :443, or leave http3 out")
	}
	return nil
}

// openHTTP3 begins to serve HTTP/3.
func (s *server) openHTTP3() error {
	for _, q := range s.quic {
		if err := s.serveHTTP3(q); err != nil {
			return err
		}
	}
	return nil
}

// makeHTTP3 makes the front of HTTP/3.
func (s *server) makeHTTP3() (err error) {
	// quic-go says by the standard log that the system keeps UDP buffers small.
	slog.SetDefault(s.log)
	t := s.tlsParts()
	parts := http3.Parts{Parts: s.parts(s.observe()), TLS: t.TLS, Describe: t.Describe}
	parts.Handler = s.shared
	if s.http3, err = http3.New(s.settings.http3, parts); err != nil {
		return fmt.Errorf("serve HTTP/3: %w", err)
	}
	return nil
}

func (s *server) serveHTTP3(q *quicSocket) (err error) {
	if s.http3 == nil {
		if err := s.makeHTTP3(); err != nil {
			return err
		}
	}
	q.door, err = s.http3.Serve(q.socket, q.beside)
	return err
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
	for _, q := range append(s.quic[:len(s.quic):len(s.quic)], s.leaving.quic...) {
		if q.door != nil {
			q.door.Close()
		} else {
			_ = q.socket.Close()
		}
	}
}
