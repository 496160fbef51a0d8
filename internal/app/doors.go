package app

import (
	"slices"

	"rickhouse/internal/exchange"
	"rickhouse/internal/front"
	"rickhouse/internal/front/gateway"
	"rickhouse/internal/front/http1"
	"rickhouse/internal/front/http2"
)

// doors are the fronts' parts on one loop.
type doors struct {
	http1   *http1.Door
	http2   *http2.Door
	gateway *gateway.Door
}

// open begins to accept, with doors on every loop.
func (s *server) open() error {
	s.makeDoors()
	for _, ln := range s.all() {
		if err := s.accept(ln); err != nil {
			return err
		}
	}
	if err := s.openHTTP3(); err != nil {
		return err
	}
	return s.openForward()
}

// makeDoors makes the fronts and their doors. HTTP/1 accepts connections and hands
// those of HTTP/2 to the door of the same loop.
func (s *server) makeDoors() {
	parts := http1.Parts{Parts: s.parts(s.observe()), TLS: s.tlsParts()}
	multiplexed, behind := http2.New(parts.Parts), gateway.New(parts.Parts)
	beside := map[*http1.Door]doors{} // does not change once connections come
	parts.HTTP2 = func(d *http1.Door, h http1.Handoff) { beside[d].http2.Serve(h) }
	parts.Gateway = func(d *http1.Door, h http1.Handoff) { beside[d].gateway.Serve(h) }
	parts.Leave = func(d *http1.Door, g *http1.Gate) { beside[d].leave(g) }
	parts.Evict = func(d *http1.Door) bool { return beside[d].evict() }
	s.front = http1.New(parts)
	all := make([]doors, len(s.loops))
	tasks := make([]func(), len(s.loops))
	for i, l := range s.loops {
		tasks[i] = func() {
			all[i] = doors{s.front.Door(l, s.settings.http1), multiplexed.Door(l, s.settings.http2), behind.Door(l, s.settings.gateway)}
		}
	}
	s.onLoops(s.loops, tasks)
	for _, d := range all {
		beside[d.http1] = d
	}
	s.doors = all
}

// use has what begins on the loop of d go by other settings.
func (d doors) use(s *settings) {
	d.http1.Use(s.http1)
	d.http2.Use(s.http2)
	d.gateway.Use(s.gateway)
}

// evict closes a connection that is idle, of those that HTTP/1 has handed over.
func (d doors) evict() bool { return d.http2.Evict() || d.gateway.Evict() }

// parts are what every front works with that tells observe of its Exchanges.
func (s *server) parts(observe func(*exchange.Exchange)) front.Parts {
	return front.Parts{Log: s.log, Store: s.store, Disk: s.filePool(), Observe: observe}
}

// observe returns what is told of every Exchange that is over.
func (s *server) observe() func(*exchange.Exchange) {
	return func(x *exchange.Exchange) {
		s.tele.Access().Finished(x)
		x.Release()
	}
}

// drainDoors ends accepting, and returns how many doors there are: every one tells
// when its last connection is gone.
func (s *server) drainDoors() int {
	for _, l := range slices.Concat(s.all(), s.forward.listeners) {
		s.quiesce(l)
	}
	for i, d := range s.doors {
		s.loops[i].Post(exchange.TaskFunc(func() {
			d.http1.Drain(func() { s.events.post(event{kind: doorDrained}) })
			d.http2.Drain()
			d.gateway.Drain()
		}))
	}
	return len(s.doors) + s.drainHTTP3() + s.drainForward()
}

// closeDoors cuts every connection.
func (s *server) closeDoors() {
	tasks := make([]func(), len(s.doors))
	for i, d := range s.doors {
		tasks[i] = func() {
			d.http2.Close()
			d.gateway.Close()
			d.http1.Close()
		}
	}
	s.onLoops(s.loops[:len(tasks)], tasks)
	s.closeForward()
	s.closeHTTP3()
}

func (s *server) openConnections() int64 {
	n := int64(0)
	if s.front != nil {
		n += s.front.Open()
	}
	if s.forward.front != nil {
		n += s.forward.front.Open()
	}
	if s.http3 != nil {
		n += s.http3.Open()
	}
	return n
}
