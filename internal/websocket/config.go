package websocket

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"rickhouse/internal/units"
)

// Config is what WebSockets can be told. The zero value of a field means its
// default.
type Config struct {
	MaxSize       units.Size    `toml:"websocket_max_size" default:"16MiB" help:"The largest WebSocket message, decompressed; a larger one closes the WebSocket with 1009."`
	PingInterval  time.Duration `toml:"websocket_ping_interval" default:"20s" help:"How long a WebSocket client may be silent before it is sent a ping."`
	PingTimeout   time.Duration `toml:"websocket_ping_timeout" default:"20s" help:"How long a WebSocket client may take to answer a ping; then its WebSocket is closed with 1011."`
	CloseTimeout  time.Duration `toml:"websocket_close_timeout" default:"10s" help:"How long a WebSocket client may take to answer a close; then it is cut."`
	NoCompression bool          `toml:"websocket_compression,inverted" default:"true" help:"Compress WebSocket messages (permessage-deflate) for clients that offer it."`
}

// WithDefaults returns c with its zero fields replaced.
func (c Config) WithDefaults() Config {
	c.MaxSize = cmp.Or(c.MaxSize, 16*units.MiB)
	c.PingInterval = cmp.Or(c.PingInterval, 20*time.Second)
	c.PingTimeout = cmp.Or(c.PingTimeout, 20*time.Second)
	c.CloseTimeout = cmp.Or(c.CloseTimeout, 10*time.Second)
	return c
}

// Validate reports every mistake in c, each as "key: what is wrong".
func (c Config) Validate() error {
	var errs []error
	if c.MaxSize < 0 {
		errs = append(errs, fmt.Errorf("websocket_max_size: %v is less than 0", c.MaxSize))
	}
	for _, d := range []struct {
		key   string
		value time.Duration
	}{
		{"websocket_ping_interval", c.PingInterval},
		{"websocket_ping_timeout", c.PingTimeout},
		{"websocket_close_timeout", c.CloseTimeout},
	} {
		if d.value < 0 {
			errs = append(errs, fmt.Errorf("%s: %v is less than 0", d.key, d.value))
		}
	}
	return errors.Join(errs...)
}
