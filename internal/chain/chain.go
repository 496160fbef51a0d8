package chain

import (
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"

	"rickhouse/internal/crew"
	"rickhouse/internal/exchange"
)

// Config is what a route carries besides what answers it. The zero value is
// nothing.
type Config struct {
	Edits       EditsConfig
	Security    SecurityConfig
	Compress    CompressConfig
	ErrorPages  ErrorPagesConfig
	Access      AccessConfig
	CORS        CORSConfig
	Maintenance MaintenanceConfig
	Rate        RateConfig
	Limit       LimitConfig
	BasicAuth   BasicAuthConfig
	ForwardAuth ForwardAuthConfig
	Concurrency ConcurrencyConfig
}

// WithDefaults returns c with the zero fields of what it asks for replaced.
func (c Config) WithDefaults() Config {
	c.Compress = c.Compress.WithDefaults()
	c.CORS = c.CORS.WithDefaults()
	c.Rate = c.Rate.WithDefaults()
	c.BasicAuth = c.BasicAuth.WithDefaults()
	c.ForwardAuth = c.ForwardAuth.WithDefaults()
	c.Concurrency = c.Concurrency.WithDefaults()
	return c
}

// Validate reports every mistake in c, each as "key: what is wrong".
func (c Config) Validate() error {
	return errors.Join(
		c.Edits.Validate(), c.Compress.Validate(), c.ErrorPages.Validate(), c.Access.Validate(), c.CORS.Validate(), c.Maintenance.Validate(),
		c.Rate.Validate(), c.Limit.Validate(), c.BasicAuth.Validate(), c.ForwardAuth.Validate(), c.Concurrency.Validate(),
	)
}

// CheckFiles reads the files that a valid Config names and reports what is wrong
// with them, as Validate does. It blocks.
func (c Config) CheckFiles() error {
	_, pages := newErrorPages(c.ErrorPages)
	_, maintenance := newMaintenance(c.Maintenance)
	_, _, users := c.BasicAuth.readUsers()
	return errors.Join(pages, maintenance, users)
}

// Files are those that a Config names and New reads.
func (c Config) Files() []string {
	names := append(slices.Collect(maps.Values(c.ErrorPages.Pages)), c.Maintenance.Page, c.BasicAuth.File)
	return slices.DeleteFunc(names, func(name string) bool { return name == "" })
}

// wrapper puts a Handler before another. It may be called by any number of
// Executors once made.
type wrapper func(next exchange.Handler) exchange.Handler

// Shared is what the chains of all routes use together: goroutines for what takes
// long. There are none while nothing is to be done, so that it needs no end.
type Shared struct {
	packers, hashers *crew.Crew
}

// NewShared makes what New needs. Any number of goroutines may use it.
func NewShared() *Shared {
	processors := runtime.GOMAXPROCS(0)
	return &Shared{packers: crew.New(processors, 0), hashers: crew.New(max(1, processors/2), maxHashesWaiting)}
}

// maxHashesWaiting is how many passwords may wait to be verified.
const maxHashesWaiting = 64

// New makes what puts the chain of a valid Config before a Handler, or nil if
// that asks for nothing. What it returns may be used once. It reads files. keep has
// what earlier chains of the route have counted and know; nil for nothing.
func New(c Config, s *Shared, keep Keep) (func(next exchange.Handler) exchange.Handler, error) {
	c = c.WithDefaults()
	pages, err1 := newErrorPages(c.ErrorPages)
	maintenance, err2 := newMaintenance(c.Maintenance)
	users, err3 := newBasicAuth(c.BasicAuth, s, keep)
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, err
	}
	list := []wrapper{
		newEdits(c.Edits), newSecurity(c.Security), newCompress(c.Compress, s, keep), pages, newAccess(c.Access), newCORS(c.CORS), maintenance,
		newRate(c.Rate, keep), newBodyLimit(c.Limit), newDeadlines(c.Limit), users, newForwardAuth(c.ForwardAuth, keep), newConcurrency(c.Concurrency, keep),
	}
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
