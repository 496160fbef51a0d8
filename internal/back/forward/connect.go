package forward

import (
	"context"
	"net"

	"rickhouse/internal/back/transport"
	"rickhouse/internal/exchange"
)

// connect opens a tunnel.
func (r *request) connect() {
	p := r.p
	if f := p.tunnels.enter(r.client); f != nil {
		r.fail(f)
		return
	}
	home := r.x.Executor
	ctx, cancel := context.WithCancel(p.ctx)
	r.cancel = cancel
	p.dialer.running.Go(func() {
		defer cancel()
		c, err := p.dialer.dial(ctx, r.role, r.to.host, r.to.port)
		home.Post(exchange.TaskFunc(func() { r.join(c, err) }))
	})
}

// join joins the client to c, or says why there is none.
func (r *request) join(c net.Conn, err error) {
	p := r.p
	switch {
	case r.x == nil:
		if err == nil {
			_ = c.Close()
		}
		p.tunnels.leave(r.client)
		return
	case err != nil:
		p.tunnels.leave(r.client)
		r.fail(asFailure(err))
		return
	}
	x := r.x
	r.x = nil
	x.Stats.Started = x.Executor.Now()
	transport.Join(p.ctx, x, c, transport.Tunnel{
		Idle: p.cfg.IdleTimeout, MaxOctets: int64(p.cfg.MaxTunnelBytes),
		Done: func(up, down int64, err error) {
			p.tunnels.leave(r.client)
			r.log(x, err, up, down)
		},
	})
}
