package chain

import (
	"sync"

	"rickhouse/internal/exchange"
)

// SecurityConfig has answers tell browsers to be careful. The zero value does not.
type SecurityConfig struct {
	Security bool `toml:"security_headers" default:"false" help:"Add headers that have browsers be careful, to answers that have none of that name: X-Content-Type-Options, X-Frame-Options, Referrer-Policy, Cross-Origin-Opener-Policy, Permissions-Policy and X-Permitted-Cross-Domain-Policies. set_headers and remove_headers change them one by one."`
}

// careful are the fields that are safe to add to the answers of applications that
// know nothing of them. A Content-Security-Policy is each application's own.
func careful() []exchange.Field {
	field := func(name, value string) exchange.Field {
		return exchange.Field{Name: []byte(name), Value: []byte(value)}
	}
	return []exchange.Field{
		field("X-Content-Type-Options", "nosniff"),
		field("X-Frame-Options", "SAMEORIGIN"),
		field("Referrer-Policy", "strict-origin-when-cross-origin"),
		field("Cross-Origin-Opener-Policy", "same-origin-allow-popups"),
		field("Permissions-Policy", "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()"),
		field("X-Permitted-Cross-Domain-Policies", "none"),
	}
}

// security is the wrapper that adds them.
type security struct {
	next   exchange.Handler
	fields []exchange.Field
	taps   sync.Pool // of *securityTap
}

// newSecurity returns nil if nothing is to be added.
func newSecurity(c SecurityConfig) wrapper {
	if !c.Security {
		return nil
	}
	return func(next exchange.Handler) exchange.Handler { return &security{next: next, fields: careful()} }
}

// Serve implements exchange.Handler.
func (s *security) Serve(x *exchange.Exchange) {
	t, ok := s.taps.Get().(*securityTap)
	if !ok {
		t = &securityTap{s: s}
		t.tap = tap{self: t, pool: &s.taps}
	}
	t.put(x)
	s.next.Serve(x)
}

// securityTap adds the fields to one answer.
type securityTap struct {
	tap
	s *security
}

// Head implements exchange.Client.
func (t *securityTap) Head(x *exchange.Exchange) {
	if final(x) && !x.HeadSent {
		for _, f := range t.s.fields {
			if !x.Response.Has(f.Name) {
				x.Response.Fields = append(x.Response.Fields, f)
			}
		}
	}
	t.client.Head(x)
}
