package front

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"rickhouse/internal/units"
)

func TestConfigDefaults(t *testing.T) {
	c := Config{}.WithDefaults()
	want := Config{
		MaxLine: 8 * units.KiB, MaxFields: 100, MaxHead: 32 * units.KiB, MaxBody: 100 * units.MiB,
		HeaderTimeout: 10 * time.Second, IdleTimeout: 75 * time.Second, MinRate: 500, MinRateGrace: 5 * time.Second,
		ServerHeader: "rickhouse",
	}
	if !reflect.DeepEqual(c, want) {
		t.Errorf("got %+v, want %+v", c, want)
	}
	if err := (Config{}).Validate(); err != nil {
		t.Errorf("the zero Config: %v", err)
	}
	if err := c.Validate(); err != nil {
		t.Errorf("the defaults: %v", err)
	}
}

func TestConfigMistakes(t *testing.T) {
	for _, c := range []struct {
		cfg  Config
		want string
	}{
		{Config{MaxLine: 1}, "max_line: 1B is not between"},
		{Config{MaxLine: 64 * units.KiB}, "max_line: 64KiB is not between"},
		{Config{MaxHead: units.GiB}, "max_head: 1GiB is not between"},
		{Config{MaxFields: -1}, "max_fields: -1 is less than 1"},
		{Config{MaxBody: -1}, "max_body:"},
		{Config{HeaderTimeout: -1}, "header_timeout:"},
		{Config{IdleTimeout: -1}, "idle_timeout:"},
		{Config{MinRate: -1}, "min_rate:"},
		{Config{MinRateGrace: -1}, "min_rate_grace:"},
		{Config{KeepaliveRequests: -1}, "keepalive_requests:"},
		{Config{MaxConnections: -1}, "max_connections:"},
		{Config{ServerHeader: "a\nb"}, "server_header:"},
		{Config{TrustedProxies: []string{"unix", "10.0.0.1", "::1", "10.0.0.0/8", "example.org"}}, `trusted_proxies[4]: "example.org" is not`},
		{Config{TrustedProxies: []string{"10.0.0.0/33"}}, "trusted_proxies[0]:"},
		{Config{UnderscoreHeaders: []string{"X_A", "X-B"}}, `underscore_headers[1]: "X-B" is not`},
	} {
		err := c.cfg.Validate()
		if err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%+v: got %v, want %q", c.cfg, err, c.want)
		}
	}
	if err := (Config{MaxFields: -1, MaxBody: -1}).Validate(); err == nil || strings.Count(err.Error(), "\n") != 1 {
		t.Errorf("not every mistake is reported: %v", err)
	}
}
