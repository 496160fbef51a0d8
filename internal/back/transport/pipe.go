package transport

import (
	"io"
	"net/http"
	"sync"

	"rickhouse/internal/exchange"
	wire "rickhouse/internal/wire/http1"
)

// pipe is request content on its way from the Executor, which writes, to the
// RoundTripper, which reads. It holds no more than was demanded: window octets.
type pipe struct {
	window int
	demand func(n int) // from any goroutine
	watch  *watchdog
	// patient says that who waits for content is not what watch is about.
	patient bool
	// trailers is filled before the end is read; nil for none.
	trailers http.Header

	mu       sync.Mutex
	changed  *sync.Cond
	buf      []byte // buf[read:] is there
	read     int
	end      error // io.EOF when all is there, or why it will not be
	trail    http.Header
	asked    bool // the first Demand was made
	consumed int  // octets that were read since the last Demand
}

func newPipe(window int, demand func(n int), watch *watchdog) *pipe {
	p := &pipe{window: window, demand: demand, watch: watch}
	p.changed = sync.NewCond(&p.mu)
	return p
}

// write takes content in, within what was demanded.
func (p *pipe) write(b []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.end != nil {
		return
	}
	if p.read > 0 {
		p.buf = p.buf[:copy(p.buf, p.buf[p.read:])]
		p.read = 0
	}
	p.buf = append(p.buf, b...)
	p.changed.Broadcast()
}

// finish says that nothing follows: err is io.EOF if the content is whole. The
// first call counts.
func (p *pipe) finish(err error, trailers []exchange.Field) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.end != nil {
		return
	}
	p.end = err
	for _, f := range trailers {
		if wire.AllowedTrailer(f.Name) {
			if p.trail == nil {
				p.trail = http.Header{}
			}
			p.trail.Add(string(f.Name), string(f.Value))
		}
	}
	p.changed.Broadcast()
}

// failure is why the content did not come whole, or nil.
func (p *pipe) failure() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.end == io.EOF || p.end == errUnread {
		return nil
	}
	return p.end
}

// begun reports whether content was asked for.
func (p *pipe) begun() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked
}

// Read implements io.Reader.
func (p *pipe) Read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	n, more, err := p.take(b)
	if more > 0 {
		p.demand(more)
	}
	return n, err
}

// take reads and says how much is to be demanded.
func (p *pipe) take(b []byte) (n, more int, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.watch.moved()
	if !p.asked {
		p.asked = true
		p.mu.Unlock()
		p.demand(p.window)
		p.mu.Lock()
	}
	if p.read == len(p.buf) && p.end == nil {
		if !p.patient {
			p.watch.pause()
			defer p.watch.resume()
		}
		for p.read == len(p.buf) && p.end == nil {
			p.changed.Wait()
		}
	}
	if p.end != nil && p.end != io.EOF {
		return 0, 0, p.end
	}
	n = copy(b, p.buf[p.read:])
	p.read += n
	if n == 0 {
		for name, values := range p.trail {
			if p.trailers != nil {
				p.trailers[name] = values
			}
		}
		return 0, 0, io.EOF
	}
	if p.consumed += n; p.consumed >= p.window/2 && p.end == nil {
		more, p.consumed = p.consumed, 0
	}
	return n, more, nil
}

// Close implements io.Closer: no more is read.
func (p *pipe) Close() error {
	p.finish(errUnread, nil)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.buf, p.read = nil, 0
	return nil
}
