package chain

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"rickhouse/internal/exchange"
)

// Config is what a route carries besides what answers it. The zero value is
// nothing.
type Config struct {
	Edits    EditsConfig
	Compress CompressConfig
}

// WithDefaults returns c with the zero fields of what it asks for replaced.
func (c Config) WithDefaults() Config {
	c.Compress = c.Compress.WithDefaults()
	return c
}

// Validate reports every mistake in c, each as "key: what is wrong".
func (c Config) Validate() error {
	return errors.Join(c.Edits.Validate(), c.Compress.Validate())
}

// wrapper puts a Handler before another. It may be called by any number of
// Executors once made.
type wrapper func(next exchange.Handler) exchange.Handler

// New makes what puts the chain of a valid Config before a Handler, or nil if
// that asks for nothing. What it returns may be used once.
func New(c Config) (func(next exchange.Handler) exchange.Handler, error) {
	c = c.WithDefaults()
	list := []wrapper{newEdits(c.Edits), newCompress(c.Compress)}
	list = slices.DeleteFunc(list, func(w wrapper) bool { return w == nil })
	if len(list) == 0 {
		return nil, nil
	}
	return func(next exchange.Handler) exchange.Handler {
		for _, w := range slices.Backward(list) {
			next = w(next)
		}
		return next
	}, nil
}

// needs reports the keys that are set and mean nothing without another one.
func needs(what string, set map[string]bool) error {
	var errs []error
	for _, key := range slices.Sorted(maps.Keys(set)) {
		if set[key] {
			errs = append(errs, fmt.Errorf("%s: it needs %s beside it", key, what))
		}
	}
	return errors.Join(errs...)
}
