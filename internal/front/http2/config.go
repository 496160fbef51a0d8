package http2

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"rickhouse/internal/units"
)

// Config is what a Front is told besides what every front end is told. The zero
// value of a field means its default.
type Config struct {
	Off              bool       `toml:"http2,inverted" reload:"live" default:"true" help:"Serve HTTP/2 as well, on the same addresses: over TLS, and in cleartext to clients that begin with it."`
	MaxStreams       int        `toml:"http2_max_streams" reload:"live" default:"100" help:"The most requests of an HTTP/2 connection at a time. One that was reset counts while the application is still at it."`
	Window           units.Size `toml:"http2_window" reload:"live" default:"1MiB" help:"How much request content an HTTP/2 connection may have on its way or waiting for the application, of all its requests together."`
	MaxContinuations int        `toml:"http2_max_continuations" reload:"live" default:"16" help:"The most CONTINUATION frames of an HTTP/2 head; more close the connection."`
	MaxResets        int        `toml:"http2_max_resets" reload:"live" default:"200" help:"How many requests of an HTTP/2 connection may be reset within 10 seconds, by the client or for its mistakes; more close the connection."`
	MaxControls      int        `toml:"http2_max_controls" reload:"live" default:"1000" help:"How many HTTP/2 frames that carry nothing (PING, SETTINGS, PRIORITY, empty DATA, WINDOW_UPDATE that no answer needs) a connection may send within 10 seconds; more close it."`
}

// period is what MaxResets and MaxControls are counted over.
const period = int64(10 * time.Second)

// WithDefaults returns c with its zero fields replaced.
func (c Config) WithDefaults() Config {
	c.MaxStreams = cmp.Or(c.MaxStreams, 100)
	c.Window = cmp.Or(c.Window, units.MiB)
	c.MaxContinuations = cmp.Or(c.MaxContinuations, 16)
	c.MaxResets = cmp.Or(c.MaxResets, 200)
	c.MaxControls = cmp.Or(c.MaxControls, 1000)
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
	between("http2_max_streams", d.MaxStreams, 1, 10000)
	if d.Window < 64*units.KiB || d.Window > units.GiB {
		errs = append(errs, fmt.Errorf("http2_window: %v is not between %v and %v", d.Window, 64*units.KiB, units.GiB))
	}
	between("http2_max_continuations", d.MaxContinuations, 1, 10000)
	between("http2_max_resets", d.MaxResets, 1, 1000000)
	between("http2_max_controls", d.MaxControls, 10, 1000000)
	return errors.Join(errs...)
}
