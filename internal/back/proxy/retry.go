package proxy

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"rickhouse/internal/exchange"
)

const (
	// firstRetries and maxRetries are how many retries a shard begins with, and how
	// many it saves up.
	firstRetries, maxRetries = 10, 100
)

var errClosed = &exchange.Error{Status: http.StatusServiceUnavailable, Reason: "the upstreams are no longer in use", Err: exchange.ErrShutdown}

// earn adds what a request allows of retries.
func (s *shard) earn() { s.budget = min(maxRetries, s.budget+s.p.cfg.RetryBudget) }

// spend takes one retry, or reports that there is none.
func (s *shard) spend() bool {
	if s.budget < 1 {
		return false
	}
	s.budget--
	return true
}

// failure is an attempt that failed, as an error with an answer.
func (w *call) failure(err error) error {
	var e *exchange.Error
	if errors.As(err, &e) && errors.Is(err, exchange.ErrShutdown) {
		return err
	}
	return &exchange.Error{Status: status(err), Reason: "upstream " + w.peer.name, Err: err}
}

// refused: the connection could not be made. Nothing was sent, so that any other
// peer may have the request.
func (w *call) refused(err error) {
	s := w.sh
	w.last = w.failure(err)
	w.peer.failed(s.l.Now(), w.mayEject(w.peer))
	if w.settled() {
		return
	}
	if w.attempts++; s.p.cfg.NoRetry || w.attempts > s.p.cfg.Retries {
		w.fail(w.last)
		return
	}
	w.tried = append(w.tried, w.peer)
	s.p.tellRetry(w, err)
	w.release()
	w.again()
}

// lost: the upstream failed with the request, or within the answer. It is tried
// again where that is safe.
func (w *call) lost(err error) {
	s, c, peer := w.sh, w.c, w.peer
	stale := c.used && !c.heard // it was closed while it rested
	if !stale && !w.tunnel {
		peer.failed(s.l.Now(), w.mayEject(peer))
	}
	w.last = w.failure(err)
	if w.settled() {
		return
	}
	if !w.safe(c) || !w.affordable(err, stale) {
		w.cut(w.last)
		return
	}
	if stale {
		w.fresh = true
	} else {
		w.tried = append(w.tried, peer)
	}
	s.p.tellRetry(w, err)
	w.release()
	w.again()
}

// safe reports whether the request may be sent again.
func (w *call) safe(c *conn) bool {
	switch {
	case w.answering || w.sh.p.cfg.NoRetry || w.sh.draining && w.sh.p.closed.Load():
		return false
	case w.total > 0 && !w.whole && (!w.keeping || len(w.kept) > maxReplay):
		return false
	}
	return !c.wrote || w.idempotent && !w.x.Route.NoRerun
}

// affordable reports whether another attempt is within the bounds, and counts it. A
// connection that an upstream closed while it rested says nothing about it: the
// request goes to a new one and counts for nothing.
func (w *call) affordable(err error, stale bool) bool {
	if errors.Is(err, errAnswerTimeout) {
		return false // who is slow is not helped by more to do
	}
	if stale {
		return !w.fresh
	}
	w.attempts++
	return w.attempts <= w.sh.p.cfg.Retries && w.sh.spend()
}

// again starts anew: with another peer, or after a pause with those that have failed.
func (w *call) again() {
	x := w.x
	x.Stats.Reruns++
	x.Response.Reset()
	w.owed = 0
	p, trial := w.sh.pick(x, w.tried)
	if p == nil {
		w.tried = w.tried[:0]
		w.pause()
		return
	}
	if trial {
		p.trying.Store(false)
	}
	w.start()
}

// pause lets some time pass before the request goes on.
func (w *call) pause() {
	w.pausing = true
	w.sh.l.SetTimer(&w.timer, w.sh.l.Now()+firstPause<<min(w.rounds, 4))
	w.rounds++
}

// firstPause is how long a request waits when every peer has failed it, in
// nanoseconds; each time it is twice as long, up to 16 times.
const firstPause = int64(10 * time.Millisecond)

// invalid: the upstream sent what cannot be passed on.
func (w *call) invalid(err error) { w.lost(fmt.Errorf("its answer is not valid: %w", err)) }

// late is called when the connection has waited too long.
func (w *call) late() {
	switch {
	case w.tunnel:
		w.sh.p.tell(w, errTunnelTimeout)
		w.finished(false)
	case w.expecting && !w.contentEnded:
		w.expecting = false
		w.demand(window)
		w.c.arm()
	case w.answering || w.c.blocked || w.c.dead:
		w.lost(errStalled)
	default:
		w.lost(errAnswerTimeout)
	}
}

// cut ends the Exchange with an error: by an answer, or by breaking one off.
func (w *call) cut(err error) {
	if w.tunnel {
		w.finished(false)
		return
	}
	w.fail(err)
}

// answered notes how the peer does that has answered.
func (w *call) answered(p *peer, status int) {
	now := w.sh.l.Now()
	for _, s := range w.sh.p.failing {
		if s.has(status) {
			p.failed(now, w.mayEject(p))
			return
		}
	}
	p.succeeded(now)
}

// mayEject tells whether another peer would be left.
func (w *call) mayEject(p *peer) func() bool {
	return func() bool {
		proxy := w.sh.p
		if proxy.cfg.Breaker {
			return true
		}
		now := w.sh.l.Now()
		for _, o := range *proxy.peers.Load() {
			if ok, _ := o.available(now); ok && o != p {
				return true
			}
		}
		return false
	}
}

// tell logs why a request failed.
func (p *Proxy) tell(w *call, err error) {
	name := ""
	if w.peer != nil {
		name = w.peer.name
	}
	var e *exchange.Error
	if errors.As(err, &e) && e.Status < 500 {
		return // it is the client's
	}
	p.log.Warn("an upstream failed", "upstream", name, "method", string(w.x.Request.Method), "path", string(w.x.Request.Path), "error", err)
}

func (p *Proxy) tellRetry(w *call, err error) {
	p.log.Info("a request is tried again", "upstream", w.peer.name, "method", string(w.x.Request.Method), "path", string(w.x.Request.Path), "error", err)
}
