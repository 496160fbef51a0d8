package listen

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func TestConfig(t *testing.T) {
	for _, c := range []struct {
		cfg Config
		ok  bool
	}{
		{Config{}, true},
		{Config{Backlog: 1, Mode: "600"}, true},
		{Config{Backlog: -1}, false},
		{Config{Mode: "0999"}, false},
		{Config{Mode: "1777"}, false},
		{Config{Mode: "rw"}, false},
	} {
		if err := c.cfg.Validate(); (err == nil) != c.ok {
			t.Errorf("%+v: %v", c.cfg, err)
		}
	}
	if d := (Config{}).WithDefaults(); d.Backlog <= 0 || d.Backlog > maxBacklog || d.Mode != "0660" {
		t.Errorf("the defaults are %+v", d)
	}
}

func TestSystemBacklog(t *testing.T) {
	for text, want := range map[string]int{
		"128\n":   128,
		"65535\n": maxBacklog,
		"much":    syscall.SOMAXCONN,
		"-3":      syscall.SOMAXCONN,
	} {
		file := filepath.Join(t.TempDir(), "somaxconn")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := systemBacklog(file); got != want {
			t.Errorf("%q gives %d, want %d", text, got, want)
		}
	}
	if got := systemBacklog("/nonexistent"); got != syscall.SOMAXCONN {
		t.Errorf("no limit gives %d", got)
	}
}
