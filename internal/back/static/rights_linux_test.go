package static

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"rickhouse/internal/disk"
	"rickhouse/internal/exchange"
)

// somebody is a user whom no system has, in a group that none has.
func somebody(t *testing.T) *exchange.Rights {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can open files with the rights of another user")
	}
	rights := &exchange.Rights{UID: 64001, GID: 64002, Groups: []uint32{64003}}
	name := filepath.Join(t.TempDir(), "his")
	if err := os.WriteFile(name, nil, 0o400); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(name, 64001, 64002); err != nil {
		t.Skipf("root cannot give files away here: %v", err)
	}
	if f, err := os.Open(name); err != nil {
		t.Skipf("root cannot open the files of others here: %v", err)
	} else if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	switch err := with(rights, func() {}); {
	case errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EINVAL):
		t.Skipf("root cannot have the rights of others here: %v", err)
	case err != nil:
		t.Fatal(err)
	}
	return rights
}

// own gives files to a user and a group, with a mode.
func own(t *testing.T, dir string, uid, gid int, mode os.FileMode, names ...string) {
	t.Helper()
	for _, n := range names {
		if err := os.Chown(filepath.Join(dir, n), uid, gid); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(filepath.Join(dir, n), mode); err != nil {
			t.Fatal(err)
		}
	}
}

// reachable lets everybody come to a folder of the test.
func reachable(t *testing.T, dir string, rights *exchange.Rights) {
	t.Helper()
	own(t, dir, 0, 0, 0o755, ".", "..")
	var err error
	if wrong := with(rights, func() { _, err = os.Stat(dir) }); wrong != nil {
		t.Fatal(wrong)
	}
	if err != nil {
		t.Skipf("only root can reach folders for temporary files: %v", err)
	}
}

// What is named for somebody is what the kernel would let them open, folders on the
// way included, however often it was sent to others.
func TestFilesWithTheRightsOfAnother(t *testing.T) {
	rights := somebody(t)
	large := strings.Repeat("l", smallFile+1)
	dir := folder(t, map[string]string{
		"open": "o", "closed": "c", "his": "h", "group": "g", "more": "m", "but": "b", "large": large, "closed-large": large,
		"a.css": "a", "a.css.gz": "packed", "shut/open": "o", "blind/open": "o",
	})
	reachable(t, dir, rights)
	own(t, dir, 0, 0, 0o600, "closed", "closed-large", "a.css.gz")
	own(t, dir, 64001, 0, 0o400, "his")
	own(t, dir, 0, 64002, 0o040, "group")
	own(t, dir, 0, 64003, 0o040, "more")
	own(t, dir, 64001, 0, 0o044, "but")
	own(t, dir, 0, 0, 0o744, "shut")
	own(t, dir, 0, 0, 0o711, "blind")

	pool := disk.NewPool()
	named, opened := openNamed(t, dir, rights, pool)
	beside := NewBeside(exchange.HandlerFunc(func(x *exchange.Exchange) { x.Answer(299, "next\n") }), rights, pool)
	if err := beside.Add("/static/", dir); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		pool.Close()
		if err := opened.Close(); err != nil {
			t.Error(err)
		}
		if err := beside.Close(); err != nil {
			t.Error(err)
		}
	})
	public := serve(t, Config{Files: dir})
	for _, c := range []struct {
		name   string
		status int
	}{
		{"open", 200},
		{"closed", 403},
		{"his", 200},
		{"group", 200},
		{"more", 200},
		{"but", 403},
		{"large", 200},
		{"closed-large", 403},
		{"a.css", 200},
		{"shut/open", 403},
		{"blind/open", 200},
		{"nothing", 404},
	} {
		for range 2 { // from the disk, and from what is kept
			if d := ask(t, public, "GET", "", "/"+c.name); d.status != 200 && c.name != "nothing" {
				t.Errorf("%s: a client gets %d of a public file", c.name, d.status)
			}
			for how, h := range map[string]exchange.Handler{
				"X-Sendfile":       exchange.HandlerFunc(func(x *exchange.Exchange) { named.Serve(x, c.name) }),
				"X-Accel-Redirect": exchange.HandlerFunc(func(x *exchange.Exchange) { x.Route.Rights = rights; public.Serve(x) }),
			} {
				d := ask(t, h, "GET", "", "/"+c.name, "Accept-Encoding: gzip")
				if d.status != c.status || d.field("Content-Encoding") != "" {
					t.Errorf("%s: %s gives %d, want %d\n%s", c.name, how, d.status, c.status, d.fields)
				}
			}
			want := c.status
			if want == 404 {
				want = 299
			}
			if d := ask(t, beside, "GET", "", "/static/"+c.name); d.status != want {
				t.Errorf("%s: in a static folder it is answered %d, want %d", c.name, d.status, want)
			}
		}
	}
}

// The folder that an application names is opened with its rights.
func TestStaticFoldersWithTheRightsOfAnother(t *testing.T) {
	rights := somebody(t)
	dir := folder(t, map[string]string{"shut/a": "a"})
	reachable(t, dir, rights)
	own(t, dir, 0, 0, 0o700, "shut")
	pool := disk.NewPool()
	t.Cleanup(pool.Close)
	beside := NewBeside(nil, rights, pool)
	if err := beside.Add("/static/", filepath.Join(dir, "shut")); err == nil || !strings.Contains(err.Error(), "permission denied") {
		t.Errorf("a folder that is closed to the application: %v", err)
	}
}

// Whatever was opened for others, this process has its own rights again, in every
// thread.
func TestRightsAreGivenBack(t *testing.T) {
	rights := somebody(t)
	dir := folder(t, map[string]string{"closed": "c"})
	own(t, dir, 0, 0, 0o600, "closed")
	before := identities(t)
	var all sync.WaitGroup
	for i := range 8 * runtime.GOMAXPROCS(0) {
		all.Go(func() {
			r := &exchange.Rights{UID: rights.UID + uint32(i), GID: rights.GID, Groups: []uint32{uint32(i)}}
			if err := with(r, func() {
				runtime.Gosched()
				if _, err := os.ReadFile(filepath.Join(dir, "closed")); err == nil {
					t.Error("a file of root's was opened")
				}
				status, err := os.ReadFile("/proc/thread-self/status")
				if err != nil || identity(string(status)) == before[0] {
					t.Errorf("the thread is %q, %v", identity(string(status)), err)
				}
			}); err != nil {
				t.Error(err)
			}
			if _, err := os.ReadFile(filepath.Join(dir, "closed")); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if after := identities(t); !slices.Equal(after, before) {
		t.Errorf("there are threads of other users:\n%q, before\n%q", after, before)
	}
}

// identities are whom the kernel takes the threads of this process for, each once.
func identities(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("/proc/self/task/*/status")
	if err != nil {
		t.Fatal(err)
	}
	var seen []string
	for _, f := range files {
		if status, err := os.ReadFile(f); err == nil { // threads end
			seen = append(seen, identity(string(status)))
		}
	}
	slices.Sort(seen)
	return slices.Compact(seen)
}

func identity(status string) string {
	return strings.Join(regexp.MustCompile(`(?m)^(Uid|Gid|Groups|CapEff):.*$`).FindAllString(status, -1), "\n")
}
