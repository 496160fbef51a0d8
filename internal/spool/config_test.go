package spool

import (
	"testing"

	"rickhouse/internal/units"
)

func TestConfig(t *testing.T) {
	for _, c := range []struct {
		name string
		cfg  Config
		ok   bool
	}{
		{"zero", Config{}, true},
		{"small quota", Config{Quota: units.MiB}, true},
		{"answer over quota", Config{Quota: units.MiB, MaxAnswer: units.GiB}, false},
		{"negative", Config{Memory: -1}, false},
	} {
		if err := c.cfg.Validate(); (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if _, err := NewStore(Config{Directory: t.TempDir() + "/missing"}); err == nil {
		t.Error("a missing folder was accepted")
	}
}
