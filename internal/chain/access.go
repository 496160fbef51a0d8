package chain

import (
	"errors"
	"fmt"
	"net/http"
	"slices"

	"rickhouse/internal/exchange"
	"rickhouse/internal/units"
)

// AccessConfig says which clients may come, by their address. The zero value lets
// all come.
type AccessConfig struct {
	Allow []string `toml:"allow" default:"all" help:"The clients that may come: addresses, networks such as 10.0.0.0/8, or unix for the clients of Unix sockets. Others are answered 403. Behind a trusted proxy it is the client that counts."`
	Deny  []string `toml:"deny" default:"none" help:"The clients that are answered 403. Where allow and deny both name a client the smaller network counts: allow = [\"10.0.0.0/8\"] and deny = [\"10.1.2.3\"] is all of 10.0.0.0/8 but one."`
}

// Validate reports every mistake in c, each as "key[index]: what is wrong".
func (c AccessConfig) Validate() error {
	errs := slices.Concat(units.CheckNetworks("allow", c.Allow, true), units.CheckNetworks("deny", c.Deny, true))
	for i, s := range c.Deny {
		if slices.Contains(c.Allow, s) {
			errs = append(errs, fmt.Errorf("deny[%d]: %s stands in allow as well", i, s))
		}
	}
	return errors.Join(errs...)
}

// access is the wrapper that lets some clients pass.
type access struct {
	next    exchange.Handler
	clients networks
	others  bool // whether who is in no network passes
	refusal *exchange.Error
}

// newAccess returns nil if everybody may come.
func newAccess(c AccessConfig) wrapper {
	if len(c.Allow)+len(c.Deny) == 0 {
		return nil
	}
	return func(next exchange.Handler) exchange.Handler {
		a := &access{
			next: next, others: len(c.Allow) == 0,
			refusal: &exchange.Error{Status: http.StatusForbidden, Reason: "the client may not come here (allow, deny)"},
		}
		a.clients.add(c.Allow, true)
		a.clients.add(c.Deny, false)
		return a
	}
}

// Serve implements exchange.Handler.
func (a *access) Serve(x *exchange.Exchange) {
	if !a.clients.get(&x.Request, a.others) {
		x.Fail(a.refusal)
		return
	}
	a.next.Serve(x)
}
