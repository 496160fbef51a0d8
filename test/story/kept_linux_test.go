package story

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"rickhouse/internal/testkit"
)

// An operator loads the configuration again and again, for a certificate and one more
// route each time. Clients notice nothing of it, nor do upstreams, nor the disk: what
// is in memory stays there, connections are used again, who is left alone stays so,
// and who has used up a limit has no more of it.
func TestReloadsForgetNothing(t *testing.T) {
	var made atomic.Int64
	up := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = fmt.Fprint(w, r.RemoteAddr) }))
	up.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			made.Add(1)
		}
	}
	up.Start()
	defer up.Close()
	dead := testkit.RefusedAddress(t)
	config := func(n int) string {
		routes := ""
		for i := range n {
			routes += fmt.Sprintf("[[routes]]\npath = \"/more/%d\"\nrespond = \"more\"\nrate_limit = \"2/h\"\n", i)
		}
		return fmt.Sprintf(`tls = "internal"
bind = ["127.0.0.1:0"]
domains = ["v%d.test"]
loops = 1
%s
[[routes]]
path = "/files/*"
files = "public"

[[routes]]
path = "/limited"
respond = "limited"
rate_limit = "2/h"

[[routes]]
path = "/up/*"
proxy = ["http://%s", %q]
max_fails = 1
eject_time = "1h"
keepalive_timeout = "1h"
retries = %d
`, n, routes, dead, up.URL, n%3+1)
	}
	dir := application(t, map[string]string{"rickhouse.toml": config(0)})
	file, before := filepath.Join(dir, "public", "a.css"), time.Now().Add(-time.Hour)
	if err := errors.Join(os.Mkdir(filepath.Dir(file), 0o755), os.WriteFile(file, []byte("a"), 0o644)); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(file, before, before); err != nil { // what has just changed is read again
		t.Fatal(err)
	}
	read := accesses(t, file)
	s := startWith(t, testkit.Options{Dir: dir, Bound: true})
	client := &http.Client{Timeout: testkit.Patience, Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	defer client.CloseIdleConnections()
	get := func(path string) (int, string) {
		t.Helper()
		a, err := client.Get("https://" + s.Addr() + path)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = a.Body.Close() }()
		text, err := io.ReadAll(a.Body)
		if err != nil {
			t.Fatal(err)
		}
		return a.StatusCode, string(text)
	}
	for _, want := range []int{200, 200, 429} {
		if status, _ := get("/limited"); status != want {
			t.Fatalf("at first: %d, want %d", status, want)
		}
	}
	if _, text := get("/files/a.css"); text != "a" || !read() {
		t.Fatalf("the file is %q", text)
	}
	_, from := get("/up/")
	if _, err := s.Log.Wait("an upstream is left alone", 1, testkit.Patience); err != nil {
		t.Fatal(err)
	}
	rounds := 10
	if short() {
		rounds = 4
	}
	for n := 1; n <= rounds; n++ {
		mustReload(t, dir, config(n))
		client.CloseIdleConnections() // each time a client comes anew
		if status, text := get(fmt.Sprintf("/more/%d", n-1)); status != 200 || text != "more" {
			t.Errorf("after reload %d: the new route gives %d %q", n, status, text)
		}
		if status, _ := get("/limited"); status != 429 {
			t.Errorf("after reload %d: a client at its limit gets %d", n, status)
		}
		if _, text := get("/files/a.css"); text != "a" || read() {
			t.Errorf("after reload %d: the file is %q, and may have been read again", n, text)
		}
		for range 2 {
			if status, text := get("/up/"); status != 200 || text != from {
				t.Errorf("after reload %d: the upstream answers %d by %q, before by %q", n, status, text, from)
			}
		}
	}
	if n := made.Load(); n != 1 {
		t.Errorf("%d connections were made to the upstream", n)
	}
	if n := strings.Count(s.Log.String(), "a request is tried again"); n != 1 {
		t.Errorf("an upstream that is left alone was asked %d times", n)
	}
}

// accesses has the kernel tell whether a file was read since it was asked last. It is
// told before a read returns. Where the system does not tell, the test is skipped.
func accesses(t *testing.T, name string) func() bool {
	t.Helper()
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		t.Skipf("there is no inotify: %v", err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	if _, err := unix.InotifyAddWatch(fd, name, unix.IN_ACCESS); err != nil {
		t.Skipf("inotify takes no watch: %v", err)
	}
	told := func() bool {
		t.Helper()
		n, err := unix.Read(fd, make([]byte, 4096))
		if err != nil && !errors.Is(err, unix.EAGAIN) {
			t.Fatal(err)
		}
		return n > 0
	}
	if _, err := os.ReadFile(name); err != nil {
		t.Fatal(err)
	}
	if !told() {
		t.Skip("the file system does not tell of reads")
	}
	return told
}
