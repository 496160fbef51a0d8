package proxy

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"rickhouse/internal/loop"
)

// watch checks all peers again and again, one look at all of them at a time. It is a
// goroutine of its own.
type watch struct {
	p      *Proxy
	streak map[*peer]int // looks in a row that disagree with what is thought of a peer
}

func (w *watch) run() {
	for {
		w.look()
		select {
		case <-w.p.stop.Done():
			return
		case <-time.After(w.p.cfg.HealthInterval):
		}
	}
}

// look checks every peer once.
func (w *watch) look() {
	peers := *w.p.peers.Load()
	errs := make([]error, len(peers))
	var wg sync.WaitGroup
	for i, peer := range peers {
		wg.Go(func() { errs[i] = w.p.check(peer) })
	}
	wg.Wait()
	streak := make(map[*peer]int, len(peers))
	for i, peer := range peers {
		if w.p.stop.Err() != nil {
			return
		}
		sick := peer.sick.Load()
		if (errs[i] != nil) == sick {
			continue
		}
		streak[peer] = w.streak[peer] + 1
		switch {
		case !sick && streak[peer] >= w.p.cfg.HealthFall:
			peer.sick.Store(true)
			w.p.log.Warn("an upstream fails its health check", "upstream", peer.name, "error", errs[i])
		case sick && streak[peer] >= w.p.cfg.HealthRise:
			peer.recovered.Store(loop.Monotonic())
			peer.fails.Store(0)
			peer.sick.Store(false)
			w.p.log.Info("an upstream passes its health check again", "upstream", peer.name)
		default:
			continue
		}
		delete(streak, peer)
	}
	w.streak = streak
}

// check asks one peer how it is. One that does not speak HTTP/1 has to take a
// connection.
func (p *Proxy) check(peer *peer) error {
	ctx, cancel := context.WithTimeout(p.stop, p.cfg.HealthTimeout)
	defer cancel()
	if _, speaks := peer.protocol.(*http1); !speaks || peer.http2 != nil {
		c, err := dial(ctx, peer.addr, peer.tls)
		if err != nil {
			return err
		}
		return c.Close()
	}
	transport := &http.Transport{
		DisableKeepAlives: true,
		DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx, peer.addr, peer.tls) },
	}
	host := p.cfg.Host
	if host == "" {
		host = string(peer.authority)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+host+p.cfg.HealthPath, nil)
	if err != nil {
		return fmt.Errorf("health_path: %w", err)
	}
	r.Header.Set("User-Agent", "rickhouse")
	answer, err := transport.RoundTrip(r)
	if err != nil {
		return err
	}
	_, _ = io.CopyN(io.Discard, answer.Body, maxCheck)
	_ = answer.Body.Close()
	if !p.healthy(answer.StatusCode) {
		return fmt.Errorf("it answers %s", answer.Status)
	}
	return nil
}

// maxCheck is how much of the answer to a check is read, in octets.
const maxCheck = 64 << 10

func (p *Proxy) healthy(status int) bool {
	good, _ := parseStatuses(p.cfg.HealthStatus)
	return good.has(status)
}

// statuses are two statuses and what is between them.
type statuses struct{ low, high int }

func (s statuses) has(status int) bool { return s.low <= status && status <= s.high }

// parseStatuses reads a status, or a range.
func parseStatuses(text string) (s statuses, err error) {
	first, last, isRange := strings.Cut(text, "-")
	if !isRange {
		last = first
	}
	s.low, err = strconv.Atoi(first)
	if err == nil {
		s.high, err = strconv.Atoi(last)
	}
	if err != nil || s.low < 100 || s.high > 999 || s.low > s.high {
		return statuses{}, fmt.Errorf("%q is neither a status nor a range, as 200-299", text)
	}
	return s, nil
}
