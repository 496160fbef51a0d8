package story

import (
	"net"
	"os"
	"path/filepath"
	"testing"

	"rickhouse/internal/testkit"
)

// application writes an application into a folder of its own.
func application(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// start serves from dir until the test ends; then the server must stop
// cleanly and leave no worker.
func start(t *testing.T, dir string, args ...string) *testkit.Server {
	t.Helper()
	return startWith(t, testkit.Options{Args: args, Dir: dir})
}

// startWith is start with other options.
func startWith(t *testing.T, o testkit.Options) *testkit.Server {
	t.Helper()
	o.Binary, o.Env = tools+"/rickhouse", environment(o.Dir)
	s, err := testkit.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		defer s.Kill()
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
		if err := s.Sane(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("the end of the log:\n%s", tail(s.Log.String()))
		}
	})
	return s
}

// tail is the last part of a long text.
func tail(text string) string { return text[max(0, len(text)-8000):] }

// listenUnix listens on a Unix socket.
func listenUnix(path string) (net.Listener, error) { return net.Listen("unix", path) }
