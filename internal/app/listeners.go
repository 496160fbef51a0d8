package app

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"rickhouse/internal/config"
	"rickhouse/internal/exchange"
	"rickhouse/internal/front/http1"
	"rickhouse/internal/listen"
)

// listening are the sockets that connections are accepted from.
type listening struct {
	listeners []*listen.Listener // of bind
	redirect  *listen.Listener   // of redirect_http, or nil
	quic      []*quicSocket
	secure    bool // the server speaks TLS
}

// addr is where ln listens, and what is spoken there now.
func (l *listening) addr(ln *listen.Listener) listen.Addr {
	a := ln.Addr()
	a.TLS = a.TLS && l.secure
	return a
}

// all are the listening stream sockets.
func (l *listening) all() []*listen.Listener {
	if l.redirect == nil {
		return l.listeners
	}
	return append(l.listeners[:len(l.listeners):len(l.listeners)], l.redirect)
}

// httpsPort is the port of the first address that is TLS, or 0.
func (l *listening) httpsPort() int {
	for _, ln := range l.listeners {
		if a := l.addr(ln); a.TLS {
			return a.Port
		}
	}
	return 0
}

// find returns the listener of an address as it is written, or nil.
func find(list []*listen.Listener, text string) *listen.Listener {
	i := slices.IndexFunc(list, func(l *listen.Listener) bool { return l.Addr().Text == text })
	if i < 0 {
		return nil
	}
	return list[i]
}

// listen returns the sockets that cfg wants: those of now that it names as well, and
// others, which it opens. On an error what was opened is closed.
func (s *server) listen(cfg config.Server) (next listening, err error) {
	defer func() {
		if err != nil {
			next.closeBut(&s.listening)
		}
	}()
	next.secure = cfg.Certs.On()
	for _, text := range bind(cfg) {
		l := find(s.listeners, text)
		if l == nil {
			if l, err = listenOn(text, true, cfg.Listen); err != nil {
				return next, err
			}
		}
		next.listeners = append(next.listeners, l)
	}
	if text := cfg.Certs.RedirectHTTP; text != "" {
		if next.httpsPort() == 0 {
			return next, errors.New("redirect_http has nowhere to send clients: no address in bind is TLS")
		}
		next.redirect = s.redirect
		if old := s.redirect; old == nil || old.Addr().Text != text {
			if next.redirect, err = listenOn(text, false, cfg.Listen); err != nil {
				return next, err
			}
		}
	}
	return next, s.listenUDP(cfg, &next)
}

// bind are the addresses that routes answer at; none where there is a forward proxy
// and nothing else.
func bind(cfg config.Server) []string {
	if len(cfg.Routes) == 0 {
		return nil
	}
	return cfg.General.Bind
}

// listenOn opens an address. With TLS its connections are TLS, if secure, but for
// Unix sockets, gateways, and what was written as http://.
func listenOn(text string, secure bool, cfg listen.Config) (*listen.Listener, error) {
	addr, err := listen.Parse(text)
	if err != nil {
		return nil, err
	}
	addr.Text = text
	addr.TLS = secure && !addr.HTTP && addr.Path == "" && addr.Gateway == ""
	return listen.Listen(addr, cfg)
}

// closeBut closes the sockets that keep does not have.
func (l *listening) closeBut(keep *listening) {
	for _, ln := range l.all() {
		if !slices.Contains(keep.all(), ln) {
			_ = ln.Close()
		}
	}
	for _, q := range l.quic {
		if !slices.Contains(keep.quic, q) {
			_ = q.socket.Close()
		}
	}
}

// accept has every loop accept from ln.
func (s *server) accept(ln *listen.Listener) error {
	errs := make([]error, len(s.loops))
	tasks := make([]func(), len(s.loops))
	for i, d := range s.doors {
		tasks[i] = func() {
			if ln == s.redirect {
				errs[i] = d.http1.ServeBy(ln, exchange.HandlerFunc(s.toHTTPS))
			} else {
				errs[i] = d.http1.ServeBy(ln, s.lanes[i])
			}
		}
	}
	s.onLoops(s.loops, tasks)
	return errors.Join(errs...)
}

// listenTo accepts from the sockets of next, and no more from those that it does
// not have. What came by these is answered.
func (s *server) listenTo(next listening) error {
	before := s.listening
	s.listening = next
	s.httpsAt.Store(int64(next.httpsPort()))
	var errs []error
	for _, ln := range next.all() {
		if !slices.Contains(before.all(), ln) {
			errs = append(errs, s.accept(ln))
		}
	}
	for _, q := range next.quic {
		if !slices.Contains(before.quic, q) {
			errs = append(errs, s.serveHTTP3(q))
		}
	}
	for _, ln := range before.all() {
		if !slices.Contains(next.all(), ln) {
			s.leaveListener(ln)
		}
	}
	for _, q := range before.quic {
		if !slices.Contains(next.quic, q) {
			s.leaving.quic = append(s.leaving.quic, q)
			q.door.Drain(func() { s.events.post(event{kind: socketLeft, quic: q}) })
		}
	}
	return errors.Join(errs...)
}

// changeListeners has the sockets go by the configuration of now.
func (s *server) changeListeners() {
	for _, ln := range slices.Concat(s.all(), s.forward.listeners) {
		if err := ln.Change(s.cfg.Listen); err != nil {
			s.log.Warn("a listening socket stays as it was", "address", ln.Addr().String(), "error", err)
		}
	}
}

// leaveListener ends accepting from ln: an event tells when it can be closed.
func (s *server) leaveListener(ln *listen.Listener) {
	s.quiesce(ln)
	s.leaving.listeners = append(s.leaving.listeners, ln)
	var left atomic.Int64
	tasks := make([]func(), len(s.doors))
	for i, d := range s.doors {
		tasks[i] = func() {
			d.http1.Leave(ln, func() {
				if left.Add(1) == int64(len(s.doors)) {
					s.events.post(event{kind: socketLeft, listener: ln})
				}
			})
		}
	}
	s.onLoops(s.loops, tasks)
}

func (s *server) quiesce(ln *listen.Listener) {
	if err := ln.Quiesce(); err != nil {
		s.log.Warn("connections may still arrive", "address", ln.Addr().String(), "error", err)
	}
}

// left closes a socket that is not used any more.
func (s *server) left(e event) {
	if e.quic != nil { // its door has closed it
		s.leaving.quic = slices.DeleteFunc(s.leaving.quic, func(q *quicSocket) bool { return q == e.quic })
		return
	}
	s.leaving.listeners = slices.DeleteFunc(s.leaving.listeners, func(l *listen.Listener) bool { return l == e.listener })
	s.closeListener(e.listener)
}

func (s *server) closeListener(ln *listen.Listener) {
	if err := ln.Close(); err != nil {
		s.log.Warn("cannot close a listening socket", "address", ln.Addr().String(), "error", err)
	}
}

// leave has the connections that d has got from HTTP/1 and that came by a gate end.
func (d doors) leave(g *http1.Gate) {
	d.http2.Leave(g)
	d.gateway.Leave(g)
}

// notLive returns what cfg wants that a reload cannot change although its keys can.
func (s *server) notLive(cfg config.Server) error {
	for _, text := range bind(cfg) {
		if ln := find(s.leaving.listeners, text); ln != nil {
			return fmt.Errorf("bind: %s was removed a moment ago, and is still being closed: try again", text)
		}
	}
	if cfg.HTTP3.On && !s.cfg.HTTP3.On && len(s.leaving.quic) > 0 {
		return errors.New("http3: it was turned off a moment ago, and its connections are still being closed: try again")
	}
	return nil
}
