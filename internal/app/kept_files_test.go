package app_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
)

// forge gives a file other content of the same length and time, so that only who reads
// it anew can tell.
func forge(t *testing.T, name, content string) {
	t.Helper()
	before, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(name, before.ModTime(), before.ModTime()); err != nil {
		t.Fatal(err)
	}
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
		want          string
	}{
		"a route is added":         {files, other + files, nil, "old"},
		"a twin is added above":    {files, "[[routes]]\npath = \"/twin/*\"\nfiles = \"public\"\n" + files, nil, "old"},
		"headers change":           {files, files + "cache_control = {\"*\" = \"no-cache\"}\ndownload = [\"*\"]\n", nil, "old"},
		"a listing is made":        {files, files + "listing = true\n", nil, "old"},
		"what is tried changes":    {files, other + files + "try = [\"{path}\", \"/a.css\"]\n", nil, "old"},
		"its chain changes":        {files, files + "security_headers = true\n", nil, "old"},
		"X-Sendfile":               {named, other + named, nil, "old"},
		"its cache changes":        {files, files + "files_memory = \"1MiB\"\n", nil, "new"},
		"links are followed":       {files, files + "symlinks = true\n", nil, "new"},
		"another folder":           {files, "[[routes]]\npath = \"/*\"\nfiles = \"next\"\n", nil, "two"},
		"another one in its place": {files, files, replace, "two"},
		"another for X-Sendfile":   {named, named, replace, "two"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := run(t, "[[routes]]\npath = \"/first\"\nstatus = 204\n")
			for folder, content := range map[string]string{"public": "old", "next": "two"} {
				if err := os.Mkdir(filepath.Join(r.dir, folder), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(r.dir, folder, "a.css"), []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			r.reload(tt.before)
			if got := r.get("/a.css"); got != "200 old" {
				t.Fatalf("at first: %s", got)
			}
			forge(t, filepath.Join(r.dir, "public/a.css"), "new")
			if tt.change != nil {
				if err := tt.change(r.dir); err != nil {
					t.Fatal(err)
				}
			}
			r.reload(tt.after)
			if got := r.get("/a.css"); got != "200 "+tt.want {
				t.Errorf("after the reload: %s, want %s", got, tt.want)
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
