package proxy

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"rickhouse/internal/back/transport"
	"rickhouse/internal/exchange"
)

// multiplexed is HTTP/2, with which one connection carries many requests: it is
// net/http's, on goroutines, and serves all loops.
type multiplexed struct {
	*transport.Transport
	trip      *http.Transport
	scheme    string
	authority string
	write     string // which scheme is the right one for who does not speak HTTP/2
}

// openHTTP2 makes what speaks HTTP/2 to u at addr, or returns nil if that does not.
func (p *Proxy) openHTTP2(u *upstream, addr address) *multiplexed {
	if !u.multiplexed() {
		return nil
	}
	o := transport.Options{
		Protocol: transport.H2C, HeadTimeout: p.cfg.AnswerTimeout, TLSTimeout: p.cfg.ConnectTimeout,
		IdleTimeout: p.cfg.KeepaliveTimeout, ContinueTimeout: time.Duration(expectTime), MaxIdle: 1,
		Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			ctx, cancel := context.WithTimeout(ctx, p.cfg.ConnectTimeout)
			defer cancel()
			return dial(ctx, addr, nil)
		},
	}
	m := &multiplexed{scheme: "http", authority: u.authority(), write: "http:// in place of h2c://"}
	if u.scheme == "h2" {
		o.Protocol, m.scheme, m.write = transport.HTTP2, "https", "https:// in place of h2://"
		o.TLS = p.tlsFor(u)
		o.TLS.NextProtos = nil // net/http says what there is
	}
	m.trip = o.RoundTripper()
	stall := max(p.cfg.StallTimeout, p.cfg.AnswerTimeout)
	// Nothing in this Config can be wrong.
	m.Transport, _ = transport.New(transport.Config{Window: window, Stall: stall}, m.trip, p.log)
	return m
}

// isCall reports whether r is a call of gRPC, whose client may say nothing for as long
// as it likes.
func isCall(r *exchange.Request) bool {
	return r.Version >= exchange.HTTP2 && bytes.HasPrefix(r.Get("content-type"), []byte("application/grpc"))
}

// close ends what is under way.
func (m *multiplexed) close() {
	m.Transport.Close()
	m.trip.CloseIdleConnections()
}

// over sends the request over HTTP/2. The call, which is told how it goes, is not
// used again for another request.
func (w *call) over(m *multiplexed) {
	s, x, peer := w.sh, w.x, w.peer
	r, err := s.builder.build(x, w.peer.authority, w.expecting)
	if err != nil {
		w.fail(err)
		return
	}
	m.Serve(x, transport.Call{
		Scheme: m.scheme, Authority: m.authority, Host: string(r.host), Target: string(r.target), Fields: copyFields(r.fields), HTTP2: true,
		Edit: func(x *exchange.Exchange) {
			w.answering = true
			w.answered(peer, x.Response.Status)
			w.stick()
		},
		Failed: func(x *exchange.Exchange, f transport.Failure) {
			w.peer = peer
			peer.active.Add(1)
			w.overFailed(x, f)
		},
		Done: func(err error) {
			if err != nil && w.answering && !errors.Is(err, exchange.ErrClientGone) {
				s.p.tell(w, err)
			}
			w.release()
		},
	})
}

// overFailed takes the Exchange back, of which nothing was answered.
func (w *call) overFailed(x *exchange.Exchange, f transport.Failure) {
	s := w.sh
	x.Server = w
	if f.Err.Status < 500 || f.Err.Status == http.StatusNotImplemented || x.Canceled {
		w.fail(f.Err)
		return
	}
	err := explain(f.Err, "HTTP/2", w.peer.http2.write)
	w.last = &exchange.Error{Status: f.Err.Status, Reason: "upstream " + w.peer.name, Err: err}
	w.peer.failed(s.l.Now(), w.mayEject(w.peer))
	cause := f.Cause
	if f.Err.Status == http.StatusGatewayTimeout && f.Sent {
		cause = errAnswerTimeout
	}
	safe := !s.p.cfg.NoRetry && !f.Taken && (!f.Sent || w.idempotent && !x.Route.NoRerun) && !s.p.closed.Load()
	if !safe || !w.affordable(cause, false) {
		w.fail(w.last)
		return
	}
	w.tried = append(w.tried, w.peer)
	s.p.tellRetry(w, err)
	w.release()
	w.again()
}
