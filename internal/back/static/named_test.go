package static

import (
	"path/filepath"
	"testing"

	"rickhouse/internal/disk"
	"rickhouse/internal/exchange"
)

func openNamed(t *testing.T, dir string, rights *exchange.Rights, pool *disk.Pool) (*Named, *Folder) {
	t.Helper()
	cfg, err := NamedFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	folder, err := OpenFolder(cfg, rights)
	if err != nil {
		t.Fatal(err)
	}
	return NewNamed(folder, pool), folder
}

func TestNamedFiles(t *testing.T) {
	dir := folder(t, map[string]string{
		"a.txt": "a", "a.txt.gz": "packed", "sub/.dot": "dot", "link": "-> a.txt", "out": "-> /etc/passwd", "up": "-> sub", "empty/": "",
	})
	pool := disk.NewPool()
	n, folder := openNamed(t, dir, nil, pool)
	t.Cleanup(func() {
		pool.Close()
		if err := folder.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, c := range []struct {
		path   string
		status int
		want   string
	}{
		{"a.txt", 200, "a"},
		{dir + "/a.txt", 200, "a"},
		{"sub/.dot", 200, "dot"},
		{"", 404, ""},
		{"/", 404, ""},
		{".", 404, ""},
		{"..", 404, ""},
		{"sub", 404, ""},
		{"empty", 404, ""},
		{"a.txt/", 404, ""},
		{dir, 404, ""},
		{dir + "/", 404, ""},
		{dir + "x/a.txt", 404, ""},
		{filepath.Dir(dir), 404, ""},
		{"sub/../a.txt", 404, ""},
		{dir + "/../" + filepath.Base(dir) + "/a.txt", 404, ""},
		{"../" + filepath.Base(dir) + "/a.txt", 404, ""},
		{"//a.txt", 404, ""},
		{"sub//.dot", 404, ""},
		{"./a.txt", 404, ""},
		{"a.txt\x00", 404, ""},
		{"a%2etxt", 404, ""},
		{"/etc/passwd", 404, ""},
		{"link", 404, ""},
		{"out", 404, ""},
		{"up/.dot", 404, ""},
	} {
		h := exchange.HandlerFunc(func(x *exchange.Exchange) { n.Serve(x, c.path) })
		d := ask(t, h, "GET", "", "/whatever", "Accept-Encoding: gzip")
		if d.status != c.status || c.status == 200 && d.content.String() != c.want {
			t.Errorf("%q: %d %q, want %d %q", c.path, d.status, d.content.String(), c.status, c.want)
		}
	}
	if _, err := OpenFolder(FolderConfig{Path: filepath.Join(dir, "nowhere")}, nil); err == nil {
		t.Error("a folder that is not there is opened")
	}
}
