package proxy

import (
	"slices"

	"rickhouse/internal/loop"
)

const (
	// readSize is the most that one read takes of an answer, in octets.
	readSize = 64 << 10
	// maxSpare bounds the calls and buffers that a shard keeps for later, and maxKept
	// the octets of each buffer.
	maxSpare = 128
	maxKept  = 32 << 10
)

// shard is a Proxy's part on one loop. It belongs to that.
type shard struct {
	p     *Proxy
	l     *loop.Loop
	index int

	in      []byte // what a read fills
	head    []byte // a request's head
	frame   []byte // what stands around content
	pieces  [3][]byte
	builder builder

	conns    map[*conn]struct{}
	tunnels  map[*call]struct{}
	spare    []*call
	buffers  [][]byte
	draining bool
	budget   float64 // retries that are left
}

func (p *Proxy) newShard(l *loop.Loop, index int) *shard {
	return &shard{
		p: p, l: l, index: index, in: make([]byte, readSize), builder: newBuilder(&p.cfg),
		conns: map[*conn]struct{}{}, tunnels: map[*call]struct{}{}, budget: firstRetries,
	}
}

func (s *shard) takeBuffer() []byte {
	n := len(s.buffers)
	if n == 0 {
		return nil
	}
	b := s.buffers[n-1]
	s.buffers[n-1] = nil
	s.buffers = s.buffers[:n-1]
	return b
}

func (s *shard) giveBuffer(b []byte) {
	if len(s.buffers) < maxSpare && cap(b) <= maxKept {
		s.buffers = append(s.buffers, b[:0])
	}
}

func (s *shard) newCall() *call {
	n := len(s.spare)
	if n == 0 {
		w := &call{sh: s}
		w.timer.Task = (*callTimeout)(w)
		return w
	}
	w := s.spare[n-1]
	s.spare[n-1] = nil
	s.spare = s.spare[:n-1]
	return w
}

// free takes back a call that has ended.
func (s *shard) free(w *call) {
	kept, tried := w.kept[:0], w.tried[:0]
	if cap(kept) > maxKept {
		kept = nil
	}
	clear(w.tried)
	*w = call{sh: s, kept: kept, tried: tried}
	w.timer.Task = (*callTimeout)(w)
	if len(s.spare) < maxSpare {
		s.spare = append(s.spare, w)
	}
}

// drain ends tunnels; requests go on.
func (s *shard) drain() {
	s.draining = true
	for w := range s.tunnels {
		w.finished(false)
	}
}

// close ends everything.
func (s *shard) close() {
	s.drain()
	for _, peer := range *s.p.peers.Load() {
		for _, w := range slices.Clone(peer.pools[s.index].queue) {
			if w.sh == s && w.queued {
				w.fail(errClosed)
			}
		}
	}
	for c := range s.conns {
		if c.call != nil {
			c.call.fail(errClosed)
		}
		c.close(true)
	}
}
