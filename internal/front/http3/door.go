package http3

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quic-go/quic-go"
	h3 "github.com/quic-go/quic-go/http3"

	"rickhouse/internal/front"
	"rickhouse/internal/listen"
)

const (
	// uniStreams is how many unidirectional streams a client may have: HTTP/3
	// needs three, and some clients open others to see that they are refused.
	uniStreams = 10
	// calm is how many connections may begin within a second before the addresses
	// of further ones are validated.
	calm = 256
	// silence is how long nothing may be heard of a client: it is asked now and then
	// whether it is still there, as its answer may take long.
	silence = 30 * time.Second
	// lingerTime is how long after its last answer a connection that is to end gives
	// its client to take it.
	lingerTime = time.Second
	// lastOnes is how long after Drain began idle connections are left open: what
	// was sent before the client knew is refused in a way that it may repeat.
	lastOnes = 100 * time.Millisecond
)

// Door is a Front's part on one UDP socket.
type Door struct {
	f         *Front
	o         *front.Origin
	transport *quic.Transport
	listener  *quic.EarlyListener

	linger time.Duration // lingerTime, but for tests

	attempts atomic.Int64 // connections that began in this second
	second   atomic.Int64

	mu       sync.Mutex
	conns    map[*conn]struct{}
	servers  map[int]*h3.Server // by the largest head
	draining bool
	drained  func()
	closed   bool
}

// Serve serves the connections of a UDP socket, which becomes the Door's. addr is
// the listener's: its port is what requests are told.
func (f *Front) Serve(socket *net.UDPConn, addr listen.Addr) (*Door, error) {
	d := &Door{f: f, o: front.NewOrigin(addr), conns: map[*conn]struct{}{}, servers: map[int]*h3.Server{}, linger: lingerTime}
	d.o.Scheme = []byte("https")
	d.transport = &quic.Transport{Conn: socket, VerifySourceAddress: d.suspicious, ConnContext: d.admit}
	config := f.settings.Load().quic()
	config.GetConfigForClient = func(*quic.ClientInfo) (*quic.Config, error) { return f.settings.Load().quic(), nil }
	var err error
	if d.listener, err = d.transport.ListenEarly(h3.ConfigureTLSConfig(f.parts.TLS), config); err != nil {
		_ = socket.Close()
		return nil, fmt.Errorf("serve HTTP/3 on %v: %w", addr, err)
	}
	go func() {
		if err := d.accept(); !errors.Is(err, quic.ErrServerClosed) && !d.isClosed() {
			f.parts.Log.Error("HTTP/3 is no longer served", "address", addr.String(), "error", err)
		}
	}()
	return d, nil
}

// accept serves the connections that come, each on a goroutine of its own.
func (d *Door) accept() error {
	for {
		q, err := d.listener.Accept(context.Background())
		if err != nil {
			return fmt.Errorf("accept a connection: %w", err)
		}
		go func() {
			if err := d.server().ServeQUICConn(q); err != nil {
				d.f.parts.Log.Debug("an HTTP/3 connection ended", "client", q.RemoteAddr().String(), "error", err)
				_ = q.CloseWithError(quic.ApplicationErrorCode(h3.ErrCodeNoError), "")
			}
		}()
	}
}

// server returns what serves connections with the largest head of now.
func (d *Door) server() *h3.Server {
	largest := d.f.settings.Load().Limits.Head
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.servers[largest]
	if s == nil {
		s = &h3.Server{Handler: d, MaxHeaderBytes: largest, ConnContext: d.connected, Logger: d.f.parts.Log}
		d.servers[largest] = s
		if d.draining || d.closed {
			_ = s.Close()
		}
	}
	return s
}

// quic are the settings of a connection. A request before the handshake is whole
// (0-RTT) could be a repetition by somebody else, so there is none.
func (s *Settings) quic() *quic.Config {
	window := uint64(s.own.Window)
	return &quic.Config{
		HandshakeIdleTimeout:           max(s.HeaderTimeout/2, time.Millisecond), // quic-go allows twice that in all
		MaxIdleTimeout:                 silence,
		KeepAlivePeriod:                silence / 3,
		InitialStreamReceiveWindow:     min(window, 256<<10),
		MaxStreamReceiveWindow:         window,
		InitialConnectionReceiveWindow: min(window, 512<<10),
		MaxConnectionReceiveWindow:     window,
		MaxIncomingStreams:             int64(s.own.MaxStreams),
		MaxIncomingUniStreams:          uniStreams,
	}
}

var errFull = errors.New("there are http3_max_connections connections")

// admit counts a connection that begins, or refuses it.
func (d *Door) admit(ctx context.Context, _ *quic.ClientInfo) (context.Context, error) {
	if d.f.open.Add(1) > int64(d.f.settings.Load().own.MaxConnections) {
		d.f.open.Add(-1)
		d.f.counters.refused.Add(1)
		return nil, errFull
	}
	context.AfterFunc(ctx, func() { d.f.open.Add(-1) })
	return ctx, nil
}

// suspicious reports whether a client has to show first that it is where it says
// to be (RFC 9000 §8.1.2): while many connections begin, or many are there.
func (d *Door) suspicious(net.Addr) bool {
	second := time.Now().Unix()
	if d.second.Swap(second) != second {
		d.attempts.Store(0)
	}
	if d.attempts.Add(1) <= calm && d.f.open.Load() <= int64(d.f.settings.Load().own.MaxConnections)/2 {
		return false
	}
	d.f.counters.retries.Add(1)
	return true
}

// Drain lets what is there be answered: no connection is accepted any more,
// clients are told to send no more requests (GOAWAY, RFC 9114 §5.2), and
// connections are closed when their last request is answered. done is called
// once, from a goroutine of its own, when none is left. Call Close when waiting
// has to end.
func (d *Door) Drain(done func()) {
	d.mu.Lock()
	d.draining, d.drained = true, done
	servers := slices.Collect(maps.Values(d.servers))
	d.mu.Unlock()
	_ = d.listener.Close()
	go func() {
		var ends sync.WaitGroup
		for _, s := range servers {
			ends.Go(func() { _ = s.Shutdown(context.Background()) }) // ends when the connections have
		}
		ends.Wait()
		d.finish()
	}()
	time.AfterFunc(lastOnes, func() {
		for _, c := range d.all() {
			c.leaveIfIdle(0)
		}
	})
}

// finish is called when there is no connection left.
func (d *Door) finish() {
	d.Close()
	d.mu.Lock()
	done := d.drained
	d.drained = nil
	d.mu.Unlock()
	if done != nil {
		done()
	}
}

// all returns the connections there are.
func (d *Door) all() []*conn {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := make([]*conn, 0, len(d.conns))
	for c := range d.conns {
		all = append(all, c)
	}
	return all
}

// Close cuts every connection at once and closes the socket. Servers that hold an
// Exchange are told by Gone with exchange.ErrShutdown; Close does not wait for
// them.
func (d *Door) Close() {
	d.mu.Lock()
	again := d.closed
	d.closed = true
	servers := slices.Collect(maps.Values(d.servers))
	d.mu.Unlock()
	if again {
		return
	}
	for _, c := range d.all() {
		_ = c.q.CloseWithError(quic.ApplicationErrorCode(h3.ErrCodeNoError), "")
	}
	for _, s := range servers {
		go func() { _ = s.Close() }()
	}
	_ = d.transport.Close()
	_ = d.transport.Conn.Close()
}

// isClosed reports whether Close was called, isDraining whether Drain was.
func (d *Door) isClosed() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.closed
}

func (d *Door) isDraining() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.draining
}
