package app_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"rickhouse/internal/app"
	"rickhouse/internal/config"
	"rickhouse/internal/telemetry"
	"rickhouse/internal/testkit"
)

// reloadable is a configuration with all that answers without an application; each
// version of it differs in all of that.
func reloadable(t *testing.T, dir string, version int) config.Server {
	t.Helper()
	text := fmt.Sprintf(`
bind = ["127.0.0.1:0", "unix:%[1]d.sock"]
control_socket = "off"
shutdown_timeout = "%[1]ds"

[[routes]]
path = "/proxy/*"
proxy = ["http://127.0.0.1:%[1]d"]

[[routes]]
path = "/files/*"
files = "."
cache_control = {"*" = "max-age=%[1]d"}
try = ["{path}", "next"]

[[routes]]
respond = "%[1]d"
`, version)
	if err := os.WriteFile(filepath.Join(dir, "rickhouse.toml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, _, err := config.Load(config.Sources{Directory: dir})
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// What a configuration alone needs ends with it: reloads leave no goroutine each. Some
// come and go beside them, so that not each one counts.
func TestReloadsLeaveNoGoroutine(t *testing.T) {
	dir, err := os.MkdirTemp("", "app-") // a Unix socket needs a short path
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	const rounds = 50
	configs := make([]config.Server, rounds+4)
	for i := range configs {
		configs[i] = reloadable(t, dir, i+1)
	}
	log := &testkit.Log{}
	signals, reloads, serving := make(chan os.Signal, 1), make(chan struct{}, 1), make(chan struct{})
	next := 0
	ended := make(chan error, 1)
	go func() {
		ended <- app.Run(configs[0], app.Environment{
			Version: "test", Stdout: telemetry.Stream{Writer: log}, Stderr: telemetry.Stream{Writer: log},
			Signals: signals, Reloads: reloads, Getenv: func(string) string { return "" },
			Load: func() (config.Server, []config.Problem, error) {
				next++
				return configs[next], nil, nil
			},
			OnServing: func([]string) { close(serving) },
		})
	}()
	<-serving
	done := 0
	reload := func() {
		t.Helper()
		done++
		reloads <- struct{}{}
		if _, err := log.Wait("the configuration is reloaded", done, testkit.Patience); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 { // all that is made but once
		reload()
	}
	before := runtime.NumGoroutine()
	for range rounds {
		reload()
	}
	err = testkit.Until(testkit.Patience, func() (bool, string) {
		n := runtime.NumGoroutine()
		return n < before+rounds/2, fmt.Sprintf("there are %d goroutines, and were %d", n, before)
	})
	if err != nil {
		stacks := make([]byte, 1<<20)
		t.Errorf("%v\n%s", err, stacks[:runtime.Stack(stacks, true)])
	}
	signals <- syscall.SIGTERM
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
