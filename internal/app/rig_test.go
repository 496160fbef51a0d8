package app_test

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"rickhouse/internal/app"
	"rickhouse/internal/config"
	"rickhouse/internal/telemetry"
	"rickhouse/internal/testkit"
)

// rig is a server in this process, with a configuration that a test changes.
type rig struct {
	t       *testing.T
	dir     string
	url     string
	log     *testkit.Log
	client  *http.Client
	reloads chan struct{}
	done    int // reloads
}

// run starts a server with a configuration, which is in a folder of its own.
func run(t *testing.T, text string) *rig {
	t.Helper()
	r := &rig{t: t, dir: t.TempDir(), log: &testkit.Log{}, reloads: make(chan struct{}, 1)}
	r.client = &http.Client{Timeout: testkit.Patience, Transport: &http.Transport{}, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
	r.configure(text)
	load := func() (config.Server, []config.Problem, error) { return config.Load(config.Sources{Directory: r.dir}) }
	cfg, _, err := load()
	if err != nil {
		t.Fatal(err)
	}
	signals, serving, ended := make(chan os.Signal, 1), make(chan string, 1), make(chan error, 1)
	go func() {
		ended <- app.Run(cfg, app.Environment{
			Version: "test", Stdout: telemetry.Stream{Writer: r.log}, Stderr: telemetry.Stream{Writer: r.log},
			Signals: signals, Reloads: r.reloads, Getenv: func(string) string { return "" }, Load: load,
			OnServing: func(urls []string) { serving <- urls[0] },
		})
	}()
	select {
	case r.url = <-serving:
	case err := <-ended:
		t.Fatal(err)
	}
	t.Cleanup(func() {
		r.client.CloseIdleConnections()
		signals <- syscall.SIGTERM
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return r
}

func (r *rig) configure(text string) {
	r.t.Helper()
	text = "bind = [\"127.0.0.1:0\"]\ncontrol_socket = \"off\"\nloops = 1\n" + text
	if err := os.WriteFile(filepath.Join(r.dir, "rickhouse.toml"), []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

// reload loads another configuration.
func (r *rig) reload(text string) {
	r.t.Helper()
	r.configure(text)
	r.done++
	r.reloads <- struct{}{}
	if _, err := r.log.Wait("the configuration is (reloaded|as it was|not reloaded)", r.done, testkit.Patience); err != nil {
		r.t.Fatal(err)
	}
	if n := strings.Count(r.log.String(), "the configuration is reloaded"); n != r.done {
		r.t.Fatalf("%d of %d reloads have changed something:\n%s", n, r.done, r.log)
	}
}

// get asks for a path with fields like "Name: value", and returns the status and the
// content.
func (r *rig) get(path string, fields ...string) string {
	r.t.Helper()
	q, err := http.NewRequest(http.MethodGet, r.url+path, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, f := range fields {
		name, value, _ := strings.Cut(f, ": ")
		q.Header.Add(name, value)
	}
	a, err := r.client.Do(q)
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = a.Body.Close() }()
	content, err := io.ReadAll(a.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return fmt.Sprint(a.StatusCode, " ", string(content))
}
