package story

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"rickhouse/internal/testkit"
)

// tools is a folder with rickhouse and python3; cache is where the binary
// unpacks its Python side.
var tools, cache string

func TestMain(m *testing.M) {
	folder, err := os.MkdirTemp("", "story-")
	if err == nil {
		err = prepare(folder)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	_ = os.RemoveAll(folder)
	os.Exit(code)
}

func prepare(folder string) error {
	tools, cache = filepath.Join(folder, "bin"), filepath.Join(folder, "cache")
	for _, dir := range []string{tools, cache} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
	}
	binary, err := testkit.Binary(folder)
	if err != nil {
		return err
	}
	python, err := testkit.Python()
	if err != nil {
		return err
	}
	if err := os.Symlink(binary, filepath.Join(tools, "rickhouse")); err != nil {
		return err
	}
	return os.Symlink(python, filepath.Join(tools, "python3"))
}

// short says that the long stories are to be shorter.
func short() bool { return testing.Short() || os.Getenv("RICKHOUSE_STORY_SHORT") != "" }

// environment is what a server is started with: nothing of the machine but
// its programs.
func environment(home string) []string {
	return []string{
		"PATH=" + tools + string(os.PathListSeparator) + os.Getenv("PATH"),
		"HOME=" + home, "TMPDIR=" + home, "XDG_CACHE_HOME=" + cache, "PYTHONDONTWRITEBYTECODE=1",
	}
}

// Every script runs with the side that fits the interpreter, and in pure
// Python.
func TestStories(t *testing.T) {
	for _, twin := range []string{"auto", "python"} {
		t.Run(twin, func(t *testing.T) { runScripts(t, twin) })
	}
}

func runScripts(t *testing.T, twin string) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(e *testscript.Env) error {
			c := &cast{env: append(environment(e.WorkDir), "RICKHOUSE_TWIN="+twin), servers: map[string]*testkit.Server{}}
			e.Vars = append(e.Vars, c.env...)
			e.Values[castKey{}] = c
			e.Defer(func() { c.end(e.T()) })
			return nil
		},
		Cmds: commands(),
	})
}
