package proxy

import (
	"os"

	"rickhouse/internal/exchange"
	"rickhouse/internal/front"
)

func frontConfig() front.Config { return front.Config{} }

// stand is the Server of an Exchange on its loop, and the Client of the one that
// stands for it on another Executor.
type stand struct {
	x    *exchange.Exchange
	l    exchange.Executor
	exec *executor
	y    exchange.Exchange
	over bool
}

func (s *stand) to(f func()) { s.exec.Post(exchange.TaskFunc(f)) }

func (s *stand) back(f func()) {
	s.l.Post(exchange.TaskFunc(func() {
		if !s.over {
			f()
		}
	}))
}

func (s *stand) Content(_ *exchange.Exchange, p []byte) {
	p = append([]byte(nil), p...)
	s.to(func() { s.y.Server.Content(&s.y, p) })
}

func (s *stand) ContentEnd(_ *exchange.Exchange, err error) {
	s.to(func() { s.y.Server.ContentEnd(&s.y, err) })
}

func (s *stand) Drained(_ *exchange.Exchange, n int) {
	s.to(func() { s.y.Server.Drained(&s.y, n) })
}

func (s *stand) Gone(_ *exchange.Exchange, err error) {
	s.to(func() { s.y.Server.Gone(&s.y, err) })
}

func (s *stand) Demand(_ *exchange.Exchange, n int) { s.back(func() { s.x.Demand(n) }) }

func (s *stand) Head(y *exchange.Exchange) {
	res := copyResponse(&y.Response)
	s.back(func() {
		s.x.Response = res
		s.x.Head()
	})
}

func (s *stand) Data(_ *exchange.Exchange, p []byte) {
	p = append([]byte(nil), p...)
	s.back(func() { s.x.Data(p) })
}

func (s *stand) File(_ *exchange.Exchange, f *os.File, offset, length int64) {
	s.back(func() { s.x.File(f, offset, length) })
}

func (s *stand) End(y *exchange.Exchange) {
	trailers := copyFields(y.Response.Trailers)
	s.back(func() {
		s.over = true
		s.x.Response.Trailers = trailers
		s.x.End()
	})
}

func (s *stand) Abort(_ *exchange.Exchange, err error) {
	s.back(func() {
		s.over = true
		s.x.Abort(err)
	})
}
