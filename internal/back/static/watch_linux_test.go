package static

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"rickhouse/internal/testkit"
)

// told waits until the kernel has told that what is at name may have changed.
func told(t *testing.T, h *Handler, name string) {
	t.Helper()
	if err := testkit.Until(testkit.Patience, func() (bool, string) { return !h.quiet(name), "nobody tells of a change" }); err != nil {
		t.Error(err)
	}
}

// quiet reports whether nothing was told of what is at name since it was looked at.
func (h *Handler) quiet(name string) bool {
	h.folder.cache.mu.Lock()
	defer h.folder.cache.mu.Unlock()
	i := h.folder.cache.items[name].Value.(*item)
	return i.watch.quietSince(i.checked)
}

// watched serves a folder with a watcher.
func watched(t *testing.T, dir string, c Config) *Handler {
	t.Helper()
	f, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if !tells(f) {
		t.Skip("temporary files are on a file system that is not watched")
	}
	c.Files = dir
	h := serve(t, c)
	if h.folder.watcher == nil {
		t.Skip("inotify is at its limit")
	}
	return h
}

// settle asks for a path until the kernel has told all about its making.
func settle(t *testing.T, h *Handler, path string) {
	t.Helper()
	if err := testkit.Until(testkit.Patience, func() (bool, string) {
		ask(t, h, "GET", "", path)
		return h.quiet(path[1:]), "it is never quiet"
	}); err != nil {
		t.Fatal(err)
	}
}

func TestChangesAreTold(t *testing.T) {
	for name, c := range map[string]struct {
		path   string
		change func(dir string) error
		status int
		want   string
	}{
		"written": {"/a.css", func(dir string) error { return os.WriteFile(filepath.Join(dir, "a.css"), []byte("new"), 0o644) }, 200, "new"},
		"replaced": {"/a.css", func(dir string) error {
			if err := os.WriteFile(filepath.Join(dir, ".new"), []byte("new"), 0o644); err != nil {
				return err
			}
			return os.Rename(filepath.Join(dir, ".new"), filepath.Join(dir, "a.css"))
		}, 200, "new"},
		"removed":      {"/a.css", func(dir string) error { return os.Remove(filepath.Join(dir, "a.css")) }, 404, "404 Not Found\n"},
		"made":         {"/b.css", func(dir string) error { return os.WriteFile(filepath.Join(dir, "b.css"), []byte("new"), 0o644) }, 200, "new"},
		"closed to us": {"/a.css", func(dir string) error { return os.Chmod(filepath.Join(dir, "a.css"), 0) }, 0, ""},
		"below written": {"/sub/deep/c.css", func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "sub/deep/c.css"), []byte("new"), 0o644)
		}, 200, "new"},
		"moved away above": {"/sub/deep/c.css", func(dir string) error {
			return os.Rename(filepath.Join(dir, "sub"), filepath.Join(dir, "other"))
		}, 404, "404 Not Found\n"},
		"another folder in its place": {"/sub/deep/c.css", func(dir string) error {
			if err := os.Rename(filepath.Join(dir, "sub"), filepath.Join(dir, "old")); err != nil {
				return err
			}
			return os.Rename(filepath.Join(dir, "next"), filepath.Join(dir, "sub"))
		}, 200, "next"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := folder(t, map[string]string{"a.css": "old", "sub/deep/c.css": "old", "next/deep/c.css": "next"})
			h := watched(t, dir, Config{})
			settle(t, h, c.path)
			if err := c.change(dir); err != nil {
				t.Fatal(err)
			}
			told(t, h, c.path[1:])
			d := ask(t, h, "GET", "", c.path)
			if c.status != 0 && (d.status != c.status || d.content.String() != c.want) {
				t.Errorf("%d %q, want %d %q", d.status, d.content.String(), c.status, c.want)
			}
		})
	}
}

// What is watched is not looked at again before its time, unless something
// changes; and what happens in another folder is no change.
func TestWhatIsQuietIsNotLookedAt(t *testing.T) {
	dir := folder(t, map[string]string{"a/x.css": "x", "b/y.css": "y"})
	h := watched(t, dir, Config{})
	settle(t, h, "/a/x.css")
	settle(t, h, "/b/y.css")
	if err := os.WriteFile(filepath.Join(dir, "b/y.css"), []byte("new"), 0o644); err != nil {
		t.Fatal(err)
	}
	told(t, h, "b/y.css")
	if !h.quiet("a/x.css") {
		t.Error("a change in another folder is one in this")
	}
	i := h.folder.cache.items["a/x.css"].Value.(*item)
	for _, c := range []struct {
		age   time.Duration
		fresh bool
	}{{0, true}, {5 * validity, true}, {watchedValidity, false}} {
		if got := i.fresh(i.checked + c.age); got != c.fresh {
			t.Errorf("fresh after %v: %v", c.age, got)
		}
	}
	h.folder.watcher.close()
	if h.quiet("a/x.css") {
		t.Error("quiet, and nobody is there to tell")
	}
	h.folder.watcher = nil
}
