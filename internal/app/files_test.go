package app_test

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rickhouse/internal/app"
	"rickhouse/internal/config"
	"rickhouse/internal/telemetry"
	"rickhouse/internal/testkit"
)

// A reload reads the files that routes name again, though no key has changed.
func TestReloadReadsFilesAgain(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("soon.html", "soon 1")
	write("rickhouse.toml", "bind = [\"127.0.0.1:0\"]\ncontrol_socket = \"off\"\n[[routes]]\nmaintenance = true\nmaintenance_page = \"soon.html\"\nstatus = 204\n")
	load := func() (config.Server, []config.Problem, error) { return config.Load(config.Sources{Directory: dir}) }
	cfg, _, err := load()
	if err != nil {
		t.Fatal(err)
	}
	log := &testkit.Log{}
	signals, reloads, serving := make(chan os.Signal, 1), make(chan struct{}, 1), make(chan []string, 1)
	ended := make(chan error, 1)
	go func() {
		ended <- app.Run(cfg, app.Environment{
			Version: "test", Stdout: telemetry.Stream{Writer: log}, Stderr: telemetry.Stream{Writer: log},
			Signals: signals, Reloads: reloads, Getenv: func(string) string { return "" }, Load: load,
			OnServing: func(addresses []string) { serving <- addresses },
		})
	}()
	address := (<-serving)[0]
	want := func(text string) {
		t.Helper()
		res, err := http.Get("http://" + strings.TrimPrefix(address, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		if got, err := io.ReadAll(res.Body); err != nil || string(got) != text {
			t.Errorf("got %q, %v; want %q", got, err, text)
		}
	}
	reload := func(said string) {
		t.Helper()
		reloads <- struct{}{}
		if _, err := log.Wait(said, 1, testkit.Patience); err != nil {
			t.Fatal(err)
		}
	}
	want("soon 1")
	reload("the configuration is as it was")
	write("soon.html", "soon 2")
	want("soon 1")
	reload("soon.html: as it was read -> as it is now")
	if _, err := log.Wait("the configuration is reloaded", 1, testkit.Patience); err != nil {
		t.Fatal(err)
	}
	want("soon 2")
	signals <- os.Interrupt
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
