package http3

import (
	"cmp"
	"errors"
	"fmt"

	"rickhouse/internal/units"
)

// Config is what a Front is told besides what every front end is told. The zero
// value of a field means its default.
type Config struct {
	On             bool       `toml:"http3" reload:"live" default:"false" help:"Serve HTTP/3 as well, by UDP on the address and port of each listener with TLS, and say so by Alt-Svc."`
	MaxConnections int        `toml:"http3_max_connections" reload:"live" default:"10000" help:"The most HTTP/3 connections at a time; more are refused."`
	MaxStreams     int        `toml:"http3_max_streams" reload:"live" default:"100" help:"The most requests of an HTTP/3 connection at a time. One that was reset counts while the application is still at it."`
	Window         units.Size `toml:"http3_window" reload:"live" default:"1MiB" help:"How much request content an HTTP/3 connection may have on its way or waiting for the application, of all its requests together."`
	MaxResets      int        `toml:"http3_max_resets" reload:"live" default:"200" help:"How many requests of an HTTP/3 connection may be reset within 10 seconds, by the client or for its mistakes; more close the connection."`
}

// WithDefaults returns c with its zero fields replaced.
func (c Config) WithDefaults() Config {
	c.MaxConnections = cmp.Or(c.MaxConnections, 10000)
	c.MaxStreams = cmp.Or(c.MaxStreams, 100)
	c.Window = cmp.Or(c.Window, units.MiB)
	c.MaxResets = cmp.Or(c.MaxResets, 200)
	return c
}

// Validate reports every mistake in c, each as "key: what is wrong".
func (c Config) Validate() error {
	d := c.WithDefaults()
	var errs []error
	between := func(key string, n, least, most int) {
		if n < least || n > most {
			errs = append(errs, fmt.Errorf("%s: %d is not between %d and %d", key, n, least, most))
		}
	}
	between("http3_max_connections", d.MaxConnections, 1, 10000000)
	between("http3_max_streams", d.MaxStreams, 1, 10000)
	if d.Window < 64*units.KiB || d.Window > units.GiB {
		errs = append(errs, fmt.Errorf("http3_window: %v is not between %v and %v", d.Window, 64*units.KiB, units.GiB))
	}
	between("http3_max_resets", d.MaxResets, 1, 1000000)
	return errors.Join(errs...)
}
