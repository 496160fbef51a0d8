package http3

import (
	"strings"
	"testing"

	"rickhouse/internal/units"
)

func TestConfig(t *testing.T) {
	c := Config{}.WithDefaults()
	if want := (Config{MaxConnections: 10000, MaxStreams: 100, Window: units.MiB, MaxResets: 200}); c != want {
		t.Errorf("got %+v, want %+v", c, want)
	}
	if err := (Config{}).Validate(); err != nil {
		t.Errorf("the zero Config: %v", err)
	}
	for _, c := range []struct {
		cfg  Config
		want string
	}{
		{Config{MaxConnections: -1}, "http3_max_connections: -1 is not between"},
		{Config{MaxStreams: 20000}, "http3_max_streams: 20000 is not between"},
		{Config{Window: 1}, "http3_window: 1B is not between"},
		{Config{MaxResets: -1}, "http3_max_resets: -1 is not between"},
	} {
		if err := c.cfg.Validate(); err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%+v: got %v, want %q", c.cfg, err, c.want)
		}
	}
}
