package app_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"rickhouse/internal/testkit"
)

// holdings are what this process has of what a reload could leave behind.
type holdings struct{ descriptors, watches, goroutines, memory int }

func hold(t *testing.T) (h holdings) {
	t.Helper()
	runtime.GC()
	runtime.GC() // what sync.Pools had
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	h.memory, h.goroutines = int(m.HeapAlloc), runtime.NumGoroutine()
	list, err := os.ReadDir("/proc/self/fdinfo")
	if err != nil {
		t.Fatal(err)
	}
	h.descriptors = len(list)
	for _, d := range list {
		if info, err := os.ReadFile("/proc/self/fdinfo/" + d.Name()); err == nil { // not the one of ReadDir
			h.watches += bytes.Count(info, []byte("inotify wd:"))
		}
	}
	return h
}

// After two hundred reloads, with requests between them, there is what was there before:
// whatever is taken over, and whatever is made anew, is given back in the end.
func TestReloadsLeaveNothing(t *testing.T) {
	echo := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = fmt.Fprint(w, r.URL.Path) }))
	defer echo.Close()
	other := httptest.NewServer(echo.Config.Handler)
	defer other.Close()
	// Each version has something of the one before, and something else.
	version := func(n int) string {
		upstreams := []string{fmt.Sprintf("%q", echo.URL), fmt.Sprintf("%q", echo.URL+" weight=2"), fmt.Sprintf("%q, %q", other.URL, echo.URL)}
		return fmt.Sprintf(`
[[routes]]
path = "/version"
respond = "%d"

[[routes]]
path = "/files/*"
files = "public"
files_memory = "%dMiB"
cache_control = {"*" = "max-age=%d"}
listing = %v

[[routes]]
path = "/proxy/*"
proxy = [%s]
retries = %d
connect_timeout = "%ds"
health_path = "/health"
rate_limit = "%d/s"
rate_burst = 1000000
forward_auth = "%s/auth%d"
forward_auth_timeout = "1m"
health_timeout = "1m"
compress = %v
set_headers = {X-Version = "%d"}
max_concurrent = %d
`, n, 1+n%4/2, n%2, n%3 == 0, upstreams[n%3], 1+n%2, 5+n%3, 1000000+n%2, echo.URL, n%2, n%3 == 1, n, 10+n%2)
	}
	r := run(t, "[[routes]]\nstatus = 204\n")
	for i := range 5 {
		name := filepath.Join(r.dir, "public", fmt.Sprint(i%4), fmt.Sprintf("%d.css", i))
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, bytes.Repeat([]byte("c"), i*32<<10), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const versions = 12 // of all that changes
	step := func(n int) {
		t.Helper()
		r.reload(version(n % versions))
		for i := range 5 {
			if got := r.get(fmt.Sprintf("/files/%d/%d.css", i%4, i)); !strings.HasPrefix(got, "200 ") {
				t.Fatalf("a file: %.80s", got)
			}
		}
		if got := r.get("/proxy/x"); got != "200 /proxy/x" {
			t.Fatalf("an upstream: %s", got)
		}
		if got := r.get("/version"); got != fmt.Sprint("200 ", n%versions) {
			t.Fatalf("version %d: %s", n%versions, got)
		}
	}
	for n := range versions + 1 {
		step(n)
	}
	before := hold(t)
	for n := 1; n <= 17*versions; n++ {
		step(n)
	}
	// Connections that rest are closed after a minute.
	err := testkit.Until(3*testkit.Patience, func() (bool, string) {
		now := hold(t)
		return now.descriptors <= before.descriptors && now.watches <= before.watches && now.goroutines <= before.goroutines+2 &&
			now.memory <= before.memory+4<<20, fmt.Sprintf("it was %+v, and is %+v", before, now)
	})
	if err != nil {
		stacks := make([]byte, 1<<20)
		t.Errorf("%v\n%s", err, stacks[:runtime.Stack(stacks, true)])
	}
}
