package app

import (
	"errors"
	"fmt"
	"net/netip"
	"sync/atomic"

	"rickhouse/internal/back/forward"
	"rickhouse/internal/exchange"
	"rickhouse/internal/front/http1"
	"rickhouse/internal/listen"
	"rickhouse/internal/supervise"
)

// forwarder is the forward proxy's way in: its own listeners, front and lanes.
type forwarder struct {
	listeners []*listen.Listener
	front     *http1.Front // nil before it serves
	lanes     []*supervise.Lane
	doors     []*http1.Door
}

// listenForward opens the listening sockets of the forward proxy.
func (s *server) listenForward() error {
	for _, b := range s.cfg.Forward.Bind {
		l, err := listenOn(b, false, s.cfg.Listen)
		if err != nil {
			return fmt.Errorf("forward proxy: %w", err)
		}
		s.forward.listeners = append(s.forward.listeners, l)
	}
	return nil
}

// newForward makes the forward proxy of g.
func (s *server) newForward(g *generation) error {
	if !g.cfg.Forward.On() {
		return nil
	}
	p, err := s.part(g, "forward", g.cfg.Forward, func() (*part, error) {
		p, err := forward.New(g.cfg.Forward, forward.Parts{Log: s.log, Listening: s.forward.addresses()})
		if err != nil {
			return nil, err
		}
		return &part{value: p, close: p.Close}, nil
	})
	if err != nil {
		return fmt.Errorf("forward proxy: %w", err)
	}
	g.forward = p.(*forward.Proxy)
	return nil
}

// addresses are where the forward proxy listens. A name stands for the addresses
// of this machine.
func (f *forwarder) addresses() []netip.AddrPort {
	var list []netip.AddrPort
	for _, l := range f.listeners {
		a := l.Addr()
		ip, err := netip.ParseAddr(a.Host)
		if err != nil {
			ip = netip.IPv6Unspecified()
		}
		if a.Port != 0 {
			list = append(list, netip.AddrPortFrom(ip.Unmap(), uint16(a.Port)))
		}
	}
	return list
}

// useForward has the forward proxy of g answer from now on. unused is told when
// nothing of g is in use; what is returned is for the rest of g to tell.
func (s *server) useForward(g *generation, unused func()) func() {
	if g.forward == nil {
		return unused
	}
	for len(s.forward.lanes) < len(s.loops) {
		s.forward.lanes = append(s.forward.lanes, &supervise.Lane{})
	}
	var left atomic.Int32
	left.Store(2)
	half := func() {
		if left.Add(-1) == 0 {
			unused()
		}
	}
	sg := supervise.NewGeneration(g.forward, len(s.loops), half)
	tasks := make([]func(), len(s.loops))
	for i := range s.loops {
		tasks[i] = func() { s.forward.lanes[i].Use(sg) }
	}
	s.onLoops(s.loops, tasks)
	return half
}

// openForward begins to accept clients of the forward proxy.
func (s *server) openForward() error {
	f := &s.forward
	if len(f.listeners) == 0 {
		return nil
	}
	f.front = http1.New(http1.Parts{Parts: s.parts((*exchange.Exchange).Release)})
	f.doors = make([]*http1.Door, len(s.loops))
	errs := make([]error, len(s.loops))
	tasks := make([]func(), len(s.loops))
	for i, l := range s.loops {
		tasks[i] = func() {
			f.doors[i] = f.front.Door(l, s.settings.forward)
			for _, ln := range f.listeners {
				errs[i] = errors.Join(errs[i], f.doors[i].ServeBy(ln, f.lanes[i]))
			}
		}
	}
	s.onLoops(s.loops, tasks)
	return errors.Join(errs...)
}

// drainForward ends accepting, and returns how many doors will tell when their
// last connection is gone.
func (s *server) drainForward() int {
	for i, d := range s.forward.doors {
		s.loops[i].Post(exchange.TaskFunc(func() {
			d.Drain(func() { s.events.post(event{kind: doorDrained}) })
		}))
	}
	return len(s.forward.doors)
}

// closeForward cuts every connection.
func (s *server) closeForward() {
	tasks := make([]func(), len(s.forward.doors))
	for i, d := range s.forward.doors {
		tasks[i] = func() {
			if d != nil {
				d.Close()
			}
		}
	}
	s.onLoops(s.loops[:len(tasks)], tasks)
}
