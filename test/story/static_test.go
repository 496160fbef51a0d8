package story

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"rickhouse/internal/testkit"
)

// site is a folder that both servers serve.
func site(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	at := time.Now().Add(-time.Hour)
	for name, content := range map[string]string{
		"index.html": "<p>index", "a.txt": "0123456789", "style.css": "plain", "style.css.gz": "compressed",
		"sub/index.html": "<p>sub", "b c.txt": "space", "large.bin": strings.Repeat("0123456789", 50_000), "zero.txt": "", "empty/x/y.txt": "y",
	} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(file, at, at); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const nginxConfig = `daemon off; master_process off; worker_processes 1; pid %[1]s/pid; error_log stderr;
events {}
http {
	access_log off;
	client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy; fastcgi_temp_path %[1]s/fcgi;
	uwsgi_temp_path %[1]s/uwsgi; scgi_temp_path %[1]s/scgi;
	types { text/html html; text/plain txt; text/css css; }
	charset utf-8; charset_types text/html text/plain text/css;
	default_type application/octet-stream;
	absolute_redirect off; gzip_static on; gzip_vary on; if_modified_since before;
	server { listen unix:%[1]s/socket; root %[2]s; }
}
`

// nginx serves dir, and returns the path of its socket.
func nginx(t *testing.T, dir string) string {
	t.Helper()
	binary, err := exec.LookPath("nginx")
	if errors.Is(err, exec.ErrNotFound) {
		if binary = "/usr/sbin/nginx"; !exists(binary) {
			t.Skip("nginx is not installed")
		}
	}
	// A Unix socket needs a short path.
	prefix, err := os.MkdirTemp("", "nginx-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(prefix) })
	config := filepath.Join(prefix, "nginx.conf")
	if err := os.WriteFile(config, fmt.Appendf(nil, nginxConfig, prefix, dir), 0o644); err != nil {
		t.Fatal(err)
	}
	log := &testkit.Log{}
	cmd := exec.Command(binary, "-p", prefix, "-c", config)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
	})
	socket := filepath.Join(prefix, "socket")
	if err := testkit.Until(testkit.Patience, func() (bool, string) {
		c, err := net.Dial("unix", socket)
		if err != nil {
			return false, "nginx does not serve: " + log.String()
		}
		return c.Close() == nil, ""
	}); err != nil {
		t.Fatal(err)
	}
	return socket
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return !errors.Is(err, fs.ErrNotExist)
}

// answerOf sends a request by a connection of its own and returns status, fields and
// content as a text, and the ETag; TAG in fields stands for tag.
func answerOf(t *testing.T, dial func() (net.Conn, error), tag, method, target string, fields []string) (text, etag string) {
	t.Helper()
	c, err := dial()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(testkit.Patience))
	head := method + " " + target + " HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
	for _, f := range fields {
		head += strings.ReplaceAll(f, "TAG", tag) + "\r\n"
	}
	if _, err := io.WriteString(c, head+"\r\n"); err != nil {
		t.Fatal(err)
	}
	raw, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	before, content, _ := bytes.Cut(raw, []byte("\r\n\r\n"))
	lines := strings.Split(string(before), "\r\n")
	status := strings.Fields(lines[0] + " ? ?")[1]
	var kept []string
	for _, l := range lines[1:] {
		name, value, _ := strings.Cut(l, ": ")
		switch name = http.CanonicalHeaderKey(name); name {
		case "Etag":
			etag = value
		case "Server", "Date", "Connection":
		default:
			kept = append(kept, name+": "+value)
		}
	}
	slices.Sort(kept)
	body := string(content)
	if status[0] != '2' { // pages of errors are each server's own
		body = ""
		kept = slices.DeleteFunc(kept, func(l string) bool {
			return strings.HasPrefix(l, "Content-Type:") || strings.HasPrefix(l, "Content-Length:")
		})
	}
	text = status + "\n" + strings.Join(kept, "\n") + "\n\n" + body
	if boundary := regexp.MustCompile(`boundary=(\S+)`).FindStringSubmatch(text); boundary != nil {
		text = strings.ReplaceAll(text, boundary[1], "BOUNDARY")
		// nginx begins with an empty line, and its boundary has another length.
		text = strings.Replace(text, "\n\n\r\n--", "\n\n--", 1)
		text = regexp.MustCompile(`Content-Length: \d+`).ReplaceAllString(text, "Content-Length: N")
	}
	return text, etag
}

// TestFilesAreServedAsByNginx compares status, fields and content of answers, but
// for what differs on purpose.
func TestFilesAreServedAsByNginx(t *testing.T) {
	dir := site(t)
	socket := nginx(t, dir)
	home := application(t, map[string]string{"rickhouse.toml": fmt.Sprintf("[[routes]]\nfiles = %q\n", dir)})
	s := start(t, home)
	theirs := func() (net.Conn, error) { return net.Dial("unix", socket) }
	_, tag := answerOf(t, s.Dial, "", "GET", "/a.txt", nil)
	_, theirTag := answerOf(t, theirs, "", "GET", "/a.txt", nil)
	info, err := os.Stat(filepath.Join(dir, "a.txt"))
	if err != nil || tag == "" || theirTag == "" {
		t.Fatal(err, tag, theirTag)
	}
	date := info.ModTime().UTC().Format(http.TimeFormat)
	before := info.ModTime().UTC().Add(-time.Hour).Format(http.TimeFormat)
	after := info.ModTime().UTC().Add(time.Minute).Format(http.TimeFormat)
	for _, tt := range []struct {
		method, target string
		fields         []string
		// differs is why the answers are not the same; ours is then our status.
		differs string
		ours    string
	}{
		{"GET", "/a.txt", nil, "", ""},
		{"HEAD", "/a.txt", nil, "", ""},
		{"GET", "/", nil, "", ""},
		{"GET", "/sub/", nil, "", ""},
		{"GET", "/sub", nil, "", ""},
		{"GET", "/sub?x=1", nil, "", ""},
		{"GET", "/b%20c.txt", nil, "", ""},
		{"GET", "/x/%2e%2e/a.txt", nil, "", ""},
		{"GET", "/zero.txt", nil, "", ""},
		{"GET", "/large.bin", nil, "", ""},
		{"GET", "/nothing", nil, "", ""},
		{"GET", "/a.txt/", nil, "", ""},
		{"GET", "/style.css", []string{"Accept-Encoding: gzip"}, "ranges of what is encoded are served, too", "200"},
		{"GET", "/style.css", nil, "", ""},
		{"HEAD", "/style.css", []string{"Accept-Encoding: gzip"}, "ranges of what is encoded are served, too", "200"},
		{"GET", "/a.txt", []string{"If-None-Match: TAG"}, "", ""},
		{"GET", "/a.txt", []string{"If-None-Match: W/TAG"}, "", ""},
		{"GET", "/a.txt", []string{"If-None-Match: *"}, "", ""},
		{"GET", "/a.txt", []string{`If-None-Match: "x", TAG`}, "", ""},
		{"GET", "/a.txt", []string{`If-None-Match: "x"`, "If-Modified-Since: " + date}, "", ""},
		{"GET", "/a.txt", []string{"If-Modified-Since: " + date}, "", ""},
		{"GET", "/a.txt", []string{"If-Modified-Since: " + after}, "", ""},
		{"GET", "/a.txt", []string{"If-Modified-Since: " + before}, "", ""},
		{"GET", "/a.txt", []string{"If-Match: TAG"}, "", ""},
		{"GET", "/a.txt", []string{`If-Match: "x"`}, "", ""},
		{"GET", "/a.txt", []string{"If-Match: W/TAG"}, "", ""},
		{"GET", "/a.txt", []string{"If-Unmodified-Since: " + before}, "", ""},
		{"GET", "/a.txt", []string{"If-Unmodified-Since: " + date}, "", ""},
		{"GET", "/a.txt", []string{"Range: bytes=2-4"}, "", ""},
		{"GET", "/a.txt", []string{"Range: bytes=-3"}, "", ""},
		{"GET", "/a.txt", []string{"Range: bytes=5-"}, "", ""},
		{"GET", "/a.txt", []string{"Range: bytes=10-"}, "", ""},
		{"GET", "/a.txt", []string{"Range: bytes=0-1,4-5"}, "", ""},
		{"GET", "/large.bin", []string{"Range: bytes=499990-"}, "", ""},
		{"GET", "/large.bin", []string{"Range: bytes=0-9,100000-100009"}, "", ""},
		{"GET", "/a.txt", []string{"Range: bytes=2-4", "If-Range: TAG"}, "", ""},
		{"GET", "/a.txt", []string{"Range: bytes=2-4", `If-Range: "x"`}, "", ""},
		{"GET", "/a.txt", []string{"Range: bytes=2-4", "If-Range: " + date}, "", ""},
		{"GET", "/a.txt", []string{"Range: bytes=2-4", "If-Range: " + before}, "", ""},
		{"GET", "/a.txt", []string{"Range: items=0-1"}, "", ""},
		{"GET", "/a.txt", []string{"Range: bytes=4-2"}, "RFC 9110 §14.2: what is malformed is ignored", "200"},
		{"HEAD", "/a.txt", []string{"Range: bytes=2-4"}, "RFC 9110 §14.2: Range is defined for GET", "200"},
		{"OPTIONS", "/a.txt", nil, "RFC 9110 §9.3.7: OPTIONS says what there is", "204"},
		{"POST", "/a.txt", []string{"Content-Length: 0"}, "RFC 9110 §15.5.6: 405 has Allow", "405"},
		{"GET", "/empty/", nil, "nothing is shown, so there is nothing to forbid", "404"},
		{"GET", "/empty", nil, "no redirect to what is not found", "404"},
		{"GET", "//a.txt", nil, "an empty segment is one, for routes and files alike", "404"},
		{"GET", "/../a.txt", nil, "", ""},
		{"GET", "/a.txt%00", nil, "", ""},
	} {
		ours, _ := answerOf(t, s.Dial, tag, tt.method, tt.target, tt.fields)
		peers, _ := answerOf(t, theirs, theirTag, tt.method, tt.target, tt.fields)
		switch {
		case tt.differs == "" && ours != peers:
			t.Errorf("%s %s %q:\n%.400s\nnginx:\n%.400s", tt.method, tt.target, tt.fields, ours, peers)
		case tt.differs != "" && (ours == peers || !strings.HasPrefix(ours, tt.ours+"\n")):
			t.Errorf("%s %s %q should differ (%s):\n%.400s\nnginx:\n%.400s", tt.method, tt.target, tt.fields, tt.differs, ours, peers)
		}
	}
}

// TestFilesWhileTheyAreReplaced asks for files that are replaced all the time: each
// answer is one version of the file, whole, and its ETag that of no other.
func TestFilesWhileTheyAreReplaced(t *testing.T) {
	dir := t.TempDir()
	sizes := map[string]int{"small": 5_000, "large": 300_000}
	put := func(name string, version int) error {
		content := bytes.Repeat([]byte{byte('a' + version%26)}, sizes[name]+version)
		if err := os.WriteFile(filepath.Join(dir, ".new"), content, 0o644); err != nil {
			return err
		}
		return os.Rename(filepath.Join(dir, ".new"), filepath.Join(dir, name))
	}
	for name := range sizes {
		if err := put(name, 0); err != nil {
			t.Fatal(err)
		}
	}
	s := start(t, application(t, map[string]string{"rickhouse.toml": fmt.Sprintf("[[routes]]\nfiles = %q\n", dir)}))
	stop, replaced := make(chan struct{}), make(chan error, 1)
	go func() {
		for version := 1; ; version++ {
			select {
			case <-stop:
				replaced <- nil
				return
			case <-time.After(time.Millisecond):
			}
			for name := range sizes {
				if err := put(name, version); err != nil {
					replaced <- err
					return
				}
			}
		}
	}()
	var mu sync.Mutex
	tags := map[string]string{}
	seen := func() int {
		mu.Lock()
		defer mu.Unlock()
		return len(tags)
	}
	deadline := time.Now().Add(testkit.Patience)
	var clients sync.WaitGroup
	for range 8 {
		clients.Go(func() {
			client := s.Client(1)
			for i := 0; (i < 150 || seen() < 8) && time.Now().Before(deadline); i++ {
				name := []string{"small", "large"}[i%2]
				r, err := client.Get(s.URL + "/" + name)
				if err != nil {
					t.Error(err)
					return
				}
				content, err := io.ReadAll(r.Body)
				_ = r.Body.Close()
				if r.StatusCode == http.StatusServiceUnavailable {
					continue // replaced each time it was to be opened
				}
				if err != nil || r.StatusCode != 200 || len(content) < sizes[name] || len(bytes.Trim(content, string(content[:1]))) > 0 {
					t.Errorf("%s: %s, %v, %d octets of more than one version", name, r.Status, err, len(content))
					return
				}
				version := fmt.Sprint(name, len(content))
				mu.Lock()
				if known, ok := tags[r.Header.Get("ETag")]; ok && known != version {
					t.Errorf("%s and %s have the same ETag", known, version)
				}
				tags[r.Header.Get("ETag")] = version
				mu.Unlock()
			}
		})
	}
	clients.Wait()
	close(stop)
	if err := <-replaced; err != nil {
		t.Error(err)
	}
	if seen() < 8 {
		t.Errorf("only %d versions were seen", seen())
	}
}

// TestLargeFiles fetches a file of several chunks, and ranges of it, over HTTP/1 and
// HTTP/2.
func TestLargeFiles(t *testing.T) {
	dir := t.TempDir()
	content := bytes.Repeat([]byte("0123456789"), 300_000)
	if err := os.WriteFile(filepath.Join(dir, "large"), content, 0o644); err != nil {
		t.Fatal(err)
	}
	s := start(t, application(t, map[string]string{"rickhouse.toml": fmt.Sprintf("[[routes]]\nfiles = %q\n", dir)}))
	for ranges, want := range map[string][]byte{"0-": content, "1000005-2000000": content[1_000_005:2_000_001], "-7": content[len(content)-7:]} {
		for _, version := range []string{"--http1.1", "--http2-prior-knowledge"} {
			got, err := exec.Command("curl", "-sf", version, "-r", ranges, s.URL+"/large").Output()
			if errors.Is(err, exec.ErrNotFound) {
				t.Skip("curl is not installed")
			}
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s %s: %v, %d octets, want %d", version, ranges, err, len(got), len(want))
			}
		}
	}
}
