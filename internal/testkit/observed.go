package testkit

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"rickhouse/internal/exchange"
)

// An Observation is what a front's Observe saw of an Exchange.
type Observation struct {
	Method, Path, Client string
	Version              exchange.Version
	Status               int
	In, Out              int64 // octets of content
	Err                  error
	// Finished is true if the Exchange has its times in order.
	Finished bool
}

// Observed is a server under test: its log, and the Exchanges that it finished.
type Observed struct {
	T   *testing.T
	Log Log

	mu  sync.Mutex
	all []Observation
}

// Observe notes a finished Exchange, as fronts call it.
func (s *Observed) Observe(x *exchange.Exchange) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, Observation{
		string(x.Request.Method), string(x.Request.Path), string(x.Request.ClientAddr), x.Request.Version, x.Response.Status,
		x.Stats.ContentIn, x.Stats.ContentOut, x.Stats.Err, x.Stats.Finished >= x.Stats.Received && x.Stats.Finished > 0,
	})
}

// Seen waits until n Exchanges have been observed and returns all of them.
func (s *Observed) Seen(n int) []Observation {
	s.T.Helper()
	var got []Observation
	s.Until(fmt.Sprintf("%d exchanges are observed", n), func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		got = append([]Observation(nil), s.all...)
		return len(got) >= n
	})
	return got
}

// Until polls until done, and fails the test if that does not come.
func (s *Observed) Until(what string, done func() bool) {
	s.T.Helper()
	err := Until(Patience, func() (bool, string) { return done(), "it did not come to this: " + what })
	if err != nil {
		s.T.Fatalf("%v\nlog:\n%s", err, s.Log.String())
	}
}

// On runs f on an Executor and waits for it.
func (s *Observed) On(l exchange.Executor, f func()) {
	s.T.Helper()
	done := make(chan struct{})
	l.Post(exchange.TaskFunc(func() {
		defer close(done)
		f()
	}))
	select {
	case <-done:
	case <-time.After(Patience):
		s.T.Fatal("the loop does not answer")
	}
}
