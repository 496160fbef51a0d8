package app

import (
	"rickhouse/internal/front/gateway"
	"rickhouse/internal/front/http1"
)

// gateways makes the front of uwsgi, FastCGI and SCGI.
func (s *server) gateways(parts http1.Parts) (*gateway.Front, error) {
	return gateway.New(s.cfg.Front, s.cfg.Gateway, gateway.Parts{
		Log: parts.Log, Store: parts.Store, Spool: parts.Spool, Disk: parts.Disk, Observe: parts.Observe,
	})
}

// evict closes a connection that is idle, of those that HTTP/1 has handed over.
func (d doors) evict() bool {
	return d.http2 != nil && d.http2.Evict() || d.gateway.Evict()
}
