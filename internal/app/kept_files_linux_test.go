package app_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// reads has the kernel tell when a file is read.
type reads struct {
	t  *testing.T
	fd int
}

// watchReads skips the test where the system does not tell.
func watchReads(t *testing.T, name string) *reads {
	t.Helper()
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		t.Skipf("there is no inotify: %v", err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	if _, err := unix.InotifyAddWatch(fd, name, unix.IN_ACCESS); err != nil {
		t.Skipf("inotify takes no watch: %v", err)
	}
	r := &reads{t, fd}
	if _, err := os.ReadFile(name); err != nil {
		t.Fatal(err)
	}
	if !r.any() {
		t.Skip("the file system does not tell of reads")
	}
	return r
}

// any reports whether the file was read since it was asked last. It is told before a
// read returns.
func (r *reads) any() bool {
	r.t.Helper()
	n, err := unix.Read(r.fd, make([]byte, 4096))
	if err != nil && !errors.Is(err, unix.EAGAIN) {
		r.t.Fatal(err)
	}
	return n > 0
}

// What is in memory of a file stays there, unless it is the folder or its cache that
// changes.
func TestFilesStayInMemory(t *testing.T) {
	const files = "[[routes]]\npath = \"/*\"\nfiles = \"public\"\n"
	const other = "[[routes]]\npath = \"/other\"\nrespond = \"other\"\n"
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X-Sendfile", "a.css") }))
	t.Cleanup(upstream.Close)
	named := fmt.Sprintf("[[routes]]\nproxy = [%q]\nx_sendfile = \"public\"\n", upstream.URL)
	for name, tt := range map[string]struct {
		before, after string
		change        func(dir string) error
		again         bool   // it is read again
		want          string // its content then
	}{
		"a route is added":         {files, other + files, nil, false, "one"},
		"a twin is added above":    {files, "[[routes]]\npath = \"/twin/*\"\nfiles = \"public\"\n" + files, nil, false, "one"},
		"headers change":           {files, files + "cache_control = {\"*\" = \"no-cache\"}\ndownload = [\"*\"]\n", nil, false, "one"},
		"a listing is made":        {files, files + "listing = true\n", nil, false, "one"},
		"what is tried changes":    {files, other + files + "try = [\"{path}\", \"/a.css\"]\n", nil, false, "one"},
		"its chain changes":        {files, files + "security_headers = true\n", nil, false, "one"},
		"X-Sendfile":               {named, other + named, nil, false, "one"},
		"its cache changes":        {files, files + "files_memory = \"1MiB\"\n", nil, true, "one"},
		"links are followed":       {files, files + "symlinks = true\n", nil, true, "one"},
		"another folder":           {files, "[[routes]]\npath = \"/*\"\nfiles = \"next\"\n", nil, false, "two"},
		"another one in its place": {files, files, replace, false, "two"},
		"another for X-Sendfile":   {named, named, replace, false, "two"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := run(t, "[[routes]]\npath = \"/first\"\nstatus = 204\n")
			for folder, content := range map[string]string{"public": "one", "next": "two"} {
				if err := os.Mkdir(filepath.Join(r.dir, folder), 0o700); err != nil {
					t.Fatal(err)
				}
				name, before := filepath.Join(r.dir, folder, "a.css"), time.Now().Add(-time.Hour)
				if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
				// What has just changed is read again whenever it is looked at.
				if err := os.Chtimes(name, before, before); err != nil {
					t.Fatal(err)
				}
			}
			r.reload(tt.before)
			told := watchReads(t, filepath.Join(r.dir, "public/a.css"))
			if got := r.get("/a.css"); got != "200 one" || !told.any() {
				t.Fatalf("at first: %s", got)
			}
			if r.get("/a.css"); told.any() {
				t.Fatal("it is not kept in memory at all")
			}
			if tt.change != nil {
				if err := tt.change(r.dir); err != nil {
					t.Fatal(err)
				}
			}
			r.reload(tt.after)
			if got := r.get("/a.css"); got != "200 "+tt.want {
				t.Errorf("after the reload: %s, want %s", got, tt.want)
			}
			if got := told.any(); got != tt.again {
				t.Errorf("it was read again: %v, want %v", got, tt.again)
			}
		})
	}
}

// replace puts another folder in the place of public.
func replace(dir string) error {
	if err := os.Rename(filepath.Join(dir, "public"), filepath.Join(dir, "before")); err != nil {
		return err
	}
	return os.Rename(filepath.Join(dir, "next"), filepath.Join(dir, "public"))
}
