package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// Config bounds what one request may hold. The zero value of a field means its
// default.
type Config struct {
	// Window is how many octets of content may be on their way, in each direction;
	// 64 KiB by default, at least 1 KiB.
	Window int
	// Stall is how long the upstream may do nothing that it has to do: take
	// content, begin its answer or go on with it. 0 means for ever.
	Stall time.Duration
	// MaxCalls is the most requests at a time; more are answered with 503. 0 means
	// any number.
	MaxCalls int
}

const (
	defaultWindow = 64 << 10
	minWindow     = 1 << 10
)

// Validate reports every mistake in c.
func (c Config) Validate() error {
	var errs []error
	if c.Window != 0 && c.Window < minWindow {
		errs = append(errs, fmt.Errorf("window: %d is less than %d", c.Window, minWindow))
	}
	if c.Stall < 0 {
		errs = append(errs, fmt.Errorf("stall: %v is less than 0", c.Stall))
	}
	if c.MaxCalls < 0 {
		errs = append(errs, fmt.Errorf("max calls: %d is less than 0", c.MaxCalls))
	}
	return errors.Join(errs...)
}

func (c Config) withDefaults() Config {
	if c.Window == 0 {
		c.Window = defaultWindow
	}
	return c
}

// Protocol is what is spoken with an upstream.
type Protocol uint8

// The protocols there are.
const (
	HTTP1  Protocol = iota // HTTP/1.1, in cleartext or over TLS as the scheme says
	HTTP2                  // HTTP/2 over TLS, nothing else
	H2C                    // HTTP/2 in cleartext, with prior knowledge (RFC 9113 §3.3)
	Either                 // HTTP/2 or HTTP/1.1 over TLS, as ALPN chooses; HTTP/1.1 in cleartext
)

// Options are for a RoundTripper that does nothing of its own accord: it follows
// no proxy of the environment, asks for no compression and decodes none.
type Options struct {
	Protocol Protocol
	// Dial opens a connection; address is the host and port of Call.Authority. nil
	// stands for net.Dialer's.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// TLS is how upstreams are verified; nil for the system's roots.
	TLS *tls.Config
	// TLSTimeout bounds a handshake, HeadTimeout the wait for the answer's head once
	// the request is sent, IdleTimeout how long an unused connection is kept.
	// 0 means for ever.
	TLSTimeout, HeadTimeout, IdleTimeout time.Duration
	// ContinueTimeout is how long an upstream is waited for that a client wants to
	// hear 100 (Continue) from before it sends content; 0 does not wait.
	ContinueTimeout time.Duration
	// MaxIdle is how many unused connections are kept for one upstream; 0 for none.
	MaxIdle int
	// MaxConnections is the most connections to one upstream; 0 for any number.
	MaxConnections int
	// MaxHead is the most octets of an answer's head; 0 for 256 KiB.
	MaxHead int64
}

const defaultMaxHead = 256 << 10

// RoundTripper makes the RoundTripper; CloseIdleConnections is its user's to call.
// It repeats a request of its own accord only if that may be repeated (RFC 9110
// §9.2.2) and a connection that had been used before ended without an answer.
func (o Options) RoundTripper() *http.Transport {
	t := &http.Transport{
		DialContext: o.Dial, TLSClientConfig: o.TLS.Clone(), TLSHandshakeTimeout: o.TLSTimeout,
		DisableCompression: true, DisableKeepAlives: o.MaxIdle == 0 && (o.Protocol == HTTP1),
		MaxIdleConnsPerHost: o.MaxIdle, MaxConnsPerHost: o.MaxConnections, IdleConnTimeout: o.IdleTimeout,
		ResponseHeaderTimeout: o.HeadTimeout, ExpectContinueTimeout: o.ContinueTimeout,
		MaxResponseHeaderBytes: o.MaxHead, Protocols: &http.Protocols{},
	}
	if o.MaxHead == 0 {
		t.MaxResponseHeaderBytes = defaultMaxHead
	}
	t.Protocols.SetHTTP1(o.Protocol == HTTP1 || o.Protocol == Either)
	t.Protocols.SetHTTP2(o.Protocol == HTTP2 || o.Protocol == Either)
	t.Protocols.SetUnencryptedHTTP2(o.Protocol == H2C)
	return t
}
