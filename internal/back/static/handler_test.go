package static

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"rickhouse/internal/disk"
)

func TestPathsAndFiles(t *testing.T) {
	outside := folder(t, map[string]string{"secret": "outside"})
	dir := folder(t, map[string]string{
		"a.txt": "a", "b c.txt": "b c", "sub/index.html": "index", "sub/deep/x.css": "x", "empty/": "", "zero": "",
		".env": "secret", ".git/config": "secret", ".well-known/security.txt": "well",
		"inside": "-> a.txt", "insub": "-> sub", "out": "-> " + outside, "outfile": "-> " + outside + "/secret", "up": "-> ../..",
		"back\\slash": "back", "semi;colon": "semi", "large": strings.Repeat("0123456789", 20000),
	})
	plain, links := serve(t, Config{Files: dir}), serve(t, Config{Files: dir, Symlinks: true})
	for _, tt := range []struct {
		path    string
		status  int
		content string
		linked  int // the status where links are followed, if it differs
	}{
		{"/a.txt", 200, "a", 0},
		{"/b c.txt", 200, "b c", 0},
		{"/zero", 200, "", 0},
		{"/sub/", 200, "index", 0},
		{"/sub/deep/x.css", 200, "x", 0},
		{"/.well-known/security.txt", 200, "well", 0},
		{"/back\\slash", 200, "back", 0},
		{"/semi;colon", 200, "semi", 0},
		{"/large", 200, strings.Repeat("0123456789", 20000), 0},
		{"", 404, "", 0},
		{"/", 404, "", 0},
		{"/empty", 404, "", 0},
		{"/empty/", 404, "", 0},
		{"/nothing", 404, "", 0},
		{"/a.txt/", 404, "", 0},
		{"/a.txt/x", 404, "", 0},
		{"/A.TXT", 404, "", 0},
		{"*", 404, "", 0},

		// Names that get round access rules, or out.
		{"//a.txt", 404, "", 0},
		{"/sub//deep/x.css", 404, "", 0},
		{"/sub/deep//", 404, "", 0},
		{"//", 404, "", 0},
		{"/../a.txt", 404, "", 0},
		{"/sub/../a.txt", 404, "", 0},
		{"/sub/..", 404, "", 0},
		{"/./a.txt", 404, "", 0},
		{"/%2e%2e/a.txt", 404, "", 0},
		{"/a.txt\x00.png", 404, "", 0},
		{"/a.txt;x", 404, "", 0},
		{"/..\\a.txt", 404, "", 0},
		{"/.env", 404, "", 0},
		{"/.git/config", 404, "", 0},
		{"/.well-known", 404, "", 0},
		{"/.well-known/.x", 404, "", 0},
		{"/" + strings.Repeat("x", 300), 404, "", 0},
		{"/" + strings.Repeat("x/", 3000) + "x", 404, "", 0},
		{"/inside", 404, "", 200},
		{"/insub/deep/x.css", 404, "", 200},
		{"/out/secret", 404, "", 0},
		{"/outfile", 404, "", 0},
		{"/up/etc/passwd", 404, "", 0},
	} {
		d := ask(t, plain, "GET", "/m", tt.path)
		if d.status != tt.status || tt.status == 200 && d.content.String() != tt.content {
			t.Errorf("%q: %d %.40q, want %d %.40q", tt.path, d.status, d.content.String(), tt.status, tt.content)
		}
		want := tt.status
		if tt.linked != 0 {
			want = tt.linked
		}
		if d := ask(t, links, "GET", "", tt.path); d.status != want {
			t.Errorf("%q with links: %d, want %d", tt.path, d.status, want)
		}
	}
}

// TestOpeningWithoutOpenat2 goes the way of other systems.
func TestOpeningWithoutOpenat2(t *testing.T) {
	outside := folder(t, map[string]string{"secret": "outside"})
	dir := folder(t, map[string]string{"a": "a", "s/b": "b", "in": "-> a", "ins": "-> s", "out": "-> " + outside, "up": "-> .."})
	for _, symlinks := range []bool{false, true} {
		r, err := openRoot(dir, symlinks)
		if err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]bool{
			"a": true, "s/b": true, "in": symlinks, "ins/b": symlinks, "out/secret": false, "up": false, "s/../../x": false, "c": false, "a/b": false,
		} {
			f, err := r.slowOpen(name)
			if (err == nil) != want || err != nil && !absent(err) {
				t.Errorf("%s (symlinks %v): %v", name, symlinks, err)
			}
			if err == nil {
				_ = f.Close()
			}
		}
		if err := r.close(); err != nil {
			t.Error(err)
		}
	}
}

func TestMethods(t *testing.T) {
	h := serve(t, Config{Files: folder(t, map[string]string{"a": "abc", "large": strings.Repeat("x", 100_000)})})
	for _, tt := range []struct {
		method, path string
		status       int
		length       int64
		allow        string
	}{
		{"HEAD", "/a", 200, 3, ""},
		{"HEAD", "/large", 200, 100_000, ""},
		{"OPTIONS", "/a", 204, 0, "GET, HEAD, OPTIONS"},
		{"POST", "/a", 405, 23, "GET, HEAD, OPTIONS"},
		{"DELETE", "/b", 405, 23, "GET, HEAD, OPTIONS"},
		{"get", "/a", 405, 23, "GET, HEAD, OPTIONS"},
	} {
		d := ask(t, h, tt.method, "", tt.path)
		if d.status != tt.status || d.length != tt.length || d.field("Allow") != tt.allow {
			t.Errorf("%s %s: %d, length %d, Allow %q", tt.method, tt.path, d.status, d.length, d.field("Allow"))
		}
		if tt.method == "HEAD" && d.content.Len() > 0 {
			t.Errorf("HEAD %s has content", tt.path)
		}
	}
}

func TestFoldersRedirect(t *testing.T) {
	h := serve(t, Config{Files: folder(t, map[string]string{"index.html": "i", "s p/index.html": "i", "\\e.test/index.html": "i"})})
	for _, tt := range []struct{ mount, path, location string }{
		{"/m", "", "/m/"},
		{"/m", "?x=1", "/m/?x=1"},
		{"", "/s p", "/s%20p/"},
		{"", "/\\e.test", "/%5Ce.test/"},
		{"//e.test", "", "/e.test/"},
		{"//e.test", "/s p", "/e.test/s%20p/"},
	} {
		if d := ask(t, h, "GET", tt.mount, tt.path); d.status != 301 || d.field("Location") != tt.location {
			t.Errorf("%s%s: %d to %q, want %q", tt.mount, tt.path, d.status, d.field("Location"), tt.location)
		}
	}
}

func TestTry(t *testing.T) {
	dir := folder(t, map[string]string{"index.html": "spa", "a": "a", "b.html": "b", "c/": "", "d/index.html": "d", "d.html": "no"})
	for _, tt := range []struct {
		try                   []string
		method, path, content string
	}{
		{[]string{"{path}", "/index.html"}, "GET", "/a", "a"},
		{[]string{"{path}", "/index.html"}, "GET", "/x/y", "spa"},
		{[]string{"{path}", "/index.html"}, "GET", "/c", "spa"},
		{[]string{"{path}", "{path}.html"}, "GET", "/b", "b"},
		{[]string{"{path}", "{path}.html"}, "GET", "/b/", "404"},
		{[]string{"{path}.html", "{path}"}, "GET", "/", "spa"},
		{[]string{"{path}", "next"}, "GET", "/a", "a"},
		{[]string{"{path}", "next"}, "GET", "/x", "next"},
		{[]string{"{path}", "next"}, "GET", "/c", "next"},
		{[]string{"{path}", "next"}, "GET", "/c/", "next"},
		{[]string{"{path}", "next"}, "GET", "/d", "301"},
		{[]string{"{path}", "next"}, "GET", "//x", "next"},
		{[]string{"{path}", "next"}, "GET", "/.x", "next"},
		{[]string{"{path}", "next"}, "POST", "/a", "next"},
		{[]string{"{path}", "next"}, "OPTIONS", "/a", "next"},
		{[]string{"next"}, "GET", "/a", "next"},
	} {
		h := serve(t, Config{Files: dir, Try: tt.try})
		for range 2 { // from the disk, then from memory
			d := ask(t, h, tt.method, "", tt.path)
			got := strings.TrimSpace(d.content.String())
			if d.status == 301 || d.status == 404 {
				got = map[int]string{301: "301", 404: "404"}[d.status]
			}
			if got != tt.content {
				t.Errorf("%v, %s %s: %q, want %q", tt.try, tt.method, tt.path, got, tt.content)
			}
		}
	}
}

func TestEncodings(t *testing.T) {
	dir := folder(t, map[string]string{
		"a.css": "plain", "a.css.gz": "gz", "a.css.br": "br", "a.css.zst": "zst", "b.js": "plain", "b.js.gz": "old", "c.txt": "c",
	})
	past(t, dir, "a.css", "b.js.gz")
	h := serve(t, Config{Files: dir})
	for _, tt := range []struct{ path, accept, content, coding, vary string }{
		{"/a.css", "", "plain", "", "Accept-Encoding"},
		{"/a.css", "gzip, deflate, br, zstd", "zst", "zstd", "Accept-Encoding"},
		{"/a.css", "gzip, br", "br", "br", "Accept-Encoding"},
		{"/a.css", "gzip;q=1, br;q=0.5", "gz", "gzip", "Accept-Encoding"},
		{"/a.css", "x-gzip", "gz", "gzip", "Accept-Encoding"},
		{"/a.css", "*", "zst", "zstd", "Accept-Encoding"},
		{"/a.css", "*, zstd;q=0", "br", "br", "Accept-Encoding"},
		{"/a.css", "identity, gzip;q=0.5", "plain", "", "Accept-Encoding"},
		{"/a.css", "deflate", "plain", "", "Accept-Encoding"},
		{"/a.css", "gzip;q=0", "plain", "", "Accept-Encoding"},
		{"/a.css", "gzip;q=x", "plain", "", "Accept-Encoding"},
		{"/a.css", "identity;q=0", "plain", "", "Accept-Encoding"},
		{"/b.js", "gzip", "plain", "", ""},
		{"/c.txt", "gzip", "c", "", ""},
		{"/a.css.gz", "gzip", "gz", "", ""},
	} {
		var fields []string
		if tt.accept != "" {
			fields = []string{"Accept-Encoding: " + tt.accept}
		}
		d := ask(t, h, "GET", "", tt.path, fields...)
		if d.content.String() != tt.content || d.field("Content-Encoding") != tt.coding || d.field("Vary") != tt.vary {
			t.Errorf("%s for %q: %q\n%s", tt.path, tt.accept, d.content.String(), d.fields)
		}
		if strings.HasSuffix(tt.path, ".css") && d.field("Content-Type") != "text/css; charset=utf-8" {
			t.Errorf("%s for %q: Content-Type %q", tt.path, tt.accept, d.field("Content-Type"))
		}
	}
	one, two := ask(t, h, "GET", "", "/a.css"), ask(t, h, "GET", "", "/a.css", "Accept-Encoding: br")
	if one.field("ETag") == two.field("ETag") {
		t.Error("two encodings have the same ETag")
	}
}

func TestCacheControl(t *testing.T) {
	dir := folder(t, map[string]string{"index.html": "", "app.3f2a91bc.js": "", "app.js": "", "d/x.css": "", "d/y.png": ""})
	h := serve(t, Config{Files: dir, Immutable: true, CacheControl: map[string]string{
		"*.html": "no-cache", "*": "max-age=60", "/d/*.css": "max-age=5",
	}})
	for path, want := range map[string]string{
		"/": "no-cache", "/app.3f2a91bc.js": immutableControl, "/app.js": "max-age=60", "/d/x.css": "max-age=5", "/d/y.png": "max-age=60",
	} {
		if got := ask(t, h, "GET", "", path).field("Cache-Control"); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
}

func TestHashedNames(t *testing.T) {
	for name, want := range map[string]bool{
		"app.3f2a91bc.js": true, "base.27e20196a850.css": true, "index-BxTn3k9d.js": true, "x/y.0123456789ab.min.js": false,
		"app.js": false, "jquery-3.7.1.js": false, "photo-20240101.jpg": true, "main-resetall.js": false, "a.deadbeef.js": false, "3f2a91bc.js": false,
	} {
		if got := hashed(name); got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}

func TestListing(t *testing.T) {
	dir := folder(t, map[string]string{
		"d/<script>alert(1)<": "x", "d/a:b": "", "d/.hidden": "", "d/sub/": "", "d/line\nbreak": "", "d/\"q\" 100%?#": "", "d/link": "-> a:b", "d/\u202etxt": "",
	})
	d := ask(t, serve(t, Config{Files: dir, Listing: true}), "GET", "", "/d/")
	page := d.content.String()
	if d.status != 200 || d.field("Content-Type") != "text/html; charset=utf-8" || !strings.HasPrefix(d.field("Content-Security-Policy"), "default-src 'none'") {
		t.Fatalf("%d\n%s", d.status, d.fields)
	}
	for _, want := range []string{
		`<h1>/d/</h1>`, `<a href="../">`, `<a href="./sub/">sub/</a>`, `<a href="./%3Cscript%3Ealert%281%29%3C">&lt;script&gt;alert(1)&lt;</a>`,
		`<a href="./a:b">a:b</a>`, `<a href="./line%0Abreak">line�break</a>`, `<a href="./%22q%22%20100%25%3F%23">&#34;q&#34; 100%?#</a>`, `>�txt</a>`,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page has no %s", want)
		}
	}
	for _, bad := range []string{"<script", "hidden", ">link"} {
		if strings.Contains(page, bad) {
			t.Errorf("the page has %s", bad)
		}
	}
	if d := ask(t, serve(t, Config{Files: dir}), "GET", "", "/d/"); d.status != 404 {
		t.Errorf("without listing: %d", d.status)
	}
}

func TestForbiddenAndSpecialFiles(t *testing.T) {
	dir := folder(t, map[string]string{"shut": "x"})
	if err := os.Chmod(filepath.Join(dir, "shut"), 0); err != nil {
		t.Fatal(err)
	}
	if err := mkfifo(filepath.Join(dir, "fifo")); err != nil {
		t.Fatal(err)
	}
	h := serve(t, Config{Files: dir})
	if os.Getuid() != 0 {
		if d := ask(t, h, "GET", "", "/shut"); d.status != 403 {
			t.Errorf("a file that may not be read: %d", d.status)
		}
	}
	if d := ask(t, h, "GET", "", "/fifo"); d.status != 404 {
		t.Errorf("a FIFO: %d", d.status)
	}
}

func TestChangesAreSeen(t *testing.T) {
	dir := folder(t, map[string]string{"a": "one", "large": strings.Repeat("a", 100_000)})
	h := serve(t, Config{Files: dir})
	h.folder.watcher.close()
	h.folder.watcher = nil
	first := ask(t, h, "GET", "", "/a")
	write := func(name, content string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	h.age(-time.Hour) // so that no second goes by, however slow the machine is
	write("a", "three")
	if d := ask(t, h, "GET", "", "/a"); d.content.String() != "one" {
		t.Errorf("within a second: %q", d.content.String())
	}
	h.age(time.Hour + validity)
	second := ask(t, h, "GET", "", "/a")
	if second.content.String() != "three" || second.field("ETag") == first.field("ETag") {
		t.Errorf("after a second: %q\n%s", second.content.String(), second.fields)
	}

	// A large file that is not held open is looked at when it is opened.
	ask(t, h, "GET", "", "/large")
	h.folder.cache.known("large").release(nil)
	write("large", strings.Repeat("b", 200_000))
	if d := ask(t, h, "GET", "", "/large"); d.status != 200 || d.content.Len() != 200_000 || d.files != 1 {
		t.Errorf("a large file that has changed: %d, %d octets", d.status, d.content.Len())
	}
	h.age(-time.Hour)
	if err := os.Remove(filepath.Join(dir, "large")); err != nil {
		t.Fatal(err)
	}
	if d := ask(t, h, "GET", "", "/large"); d.status != 200 || d.content.Len() != 200_000 {
		t.Errorf("a large file that was there a moment ago: %d", d.status)
	}
	h.age(time.Hour + validity)
	if d := ask(t, h, "GET", "", "/large"); d.status != 404 {
		t.Errorf("a large file that is gone: %d", d.status)
	}
	// What was missing, and is there now.
	ask(t, h, "GET", "", "/new")
	write("new", "new")
	h.age(validity)
	if d := ask(t, h, "GET", "", "/new"); d.status != 200 {
		t.Errorf("a new file: %d", d.status)
	}
}

// A change is seen though the clock of the file system has not moved on since the one
// before, and the size is the same.
func TestChangesOfTheSameTimeAreSeen(t *testing.T) {
	at := time.Now().Add(time.Hour) // however slow the machine is
	for name, size := range map[string]int{"small": 10, "large": smallFile + 1} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			put := func(letter string) string {
				t.Helper()
				content, next := strings.Repeat(letter, size), filepath.Join(dir, ".next")
				if err := os.WriteFile(next, []byte(content), 0o644); err != nil {
					t.Fatal(err)
				}
				if err := os.Chtimes(next, at, at); err != nil {
					t.Fatal(err)
				}
				if err := os.Rename(next, filepath.Join(dir, name)); err != nil {
					t.Fatal(err)
				}
				return content
			}
			put("a")
			h := serve(t, Config{Files: dir})
			ask(t, h, "GET", "", "/"+name)
			want := put("b")
			h.age(time.Hour)
			if d := ask(t, h, "GET", "", "/"+name); d.content.String() != want {
				t.Errorf("got %.10q, want %.10q", d.content.String(), want)
			}
		})
	}
}

// age makes all that is known older.
func (h *Handler) age(by time.Duration) {
	h.folder.cache.mu.Lock()
	defer h.folder.cache.mu.Unlock()
	for _, e := range h.folder.cache.items {
		e.Value.(*item).checked -= by
	}
}

func TestMemoryIsBounded(t *testing.T) {
	files := map[string]string{}
	for _, c := range "abcdefghij" {
		files[string(c)] = strings.Repeat(string(c), 60_000)
	}
	h := serve(t, Config{Files: folder(t, files), FilesMemory: 200_000})
	for range 2 {
		for name := range files {
			if d := ask(t, h, "GET", "", "/"+name); d.content.String() != files[name] {
				t.Errorf("%s: %d octets", name, d.content.Len())
			}
			if h.folder.cache.size > 200_000 || int64(len(h.folder.cache.items)) != int64(h.folder.cache.order.Len()) {
				t.Fatalf("%d octets in %d items", h.folder.cache.size, len(h.folder.cache.items))
			}
		}
	}
	for i := range 1000 {
		ask(t, h, "GET", "", "/missing"+strings.Repeat("x", i%100))
	}
	if h.folder.cache.size > 200_000 {
		t.Errorf("%d octets", h.folder.cache.size)
	}
}

func TestOpenFilesAreBounded(t *testing.T) {
	files := map[string]string{}
	for i := range maxFiles + 20 {
		files[fmt.Sprint(i)] = strings.Repeat("x", smallFile+1)
	}
	dir := folder(t, files)
	h := serve(t, Config{Files: dir})
	descriptors := func() int {
		list, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Skip("this system does not show open files")
		}
		return len(list)
	}
	before := descriptors()
	for range 2 {
		for name := range files {
			if d := ask(t, h, "GET", "", "/"+name, "Range: bytes=0-1,3-4"); d.status != 206 || d.files != 2 {
				t.Fatalf("%s: %d, %d files", name, d.status, d.files)
			}
			if h.folder.cache.files > maxFiles {
				t.Fatalf("%d files are held", h.folder.cache.files)
			}
		}
		h.age(validity)
	}
	if n := descriptors() - before; n > maxFiles {
		t.Errorf("%d more descriptors", n)
	}
	h.age(2 * idle)
	if ask(t, h, "GET", "", "/0"); h.folder.cache.files != 1 {
		t.Errorf("%d files are held that nobody asks for", h.folder.cache.files-1)
	}
	h.folder.cache.close()
	if n := descriptors() - before; n > 0 { // an earlier test's may be closed meanwhile
		t.Errorf("%d descriptors are left", n)
	}
}

func TestOverloadIsAnswered(t *testing.T) {
	h := serve(t, Config{Files: folder(t, map[string]string{"a": "a"})})
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	var begun sync.WaitGroup
	begun.Add(disk.Goroutines)
	for range disk.Goroutines {
		h.pool.Do(func() {
			begun.Done()
			<-release
		})
	}
	begun.Wait() // nobody takes anything any more
	for h.pool.Do(func() {}) {
	}
	if d := ask(t, h, "GET", "", "/a"); d.status != 503 || d.field("Retry-After") == "" {
		t.Errorf("%d\n%s", d.status, d.fields)
	}
}
