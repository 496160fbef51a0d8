package story

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"rickhouse/internal/testkit"
)

// The first command of the README, in a clone of what is committed: it builds
// what is missing and serves the Flask application. The second, make test, is
// what runs this.
func TestDemoOnACleanClone(t *testing.T) {
	if short() {
		t.Skip("it installs Flask")
	}
	root, err := testkit.Repository()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(root, ".git")); err != nil {
		t.Skip("this is not a clone")
	}
	dir := filepath.Join(t.TempDir(), "rickhouse")
	if out, err := exec.Command("git", "clone", "--quiet", "--depth=1", "file://"+root, dir).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	log := &testkit.Log{}
	demo := exec.Command("make", "demo", "PORT=0")
	demo.Dir, demo.Stdout, demo.Stderr, demo.WaitDelay = dir, log, log, testkit.Patience/4
	demo.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := demo.Start(); err != nil {
		t.Fatal(err)
	}
	// Make and the server are one process group, as under a shell.
	stop := func() { _ = syscall.Kill(-demo.Process.Pid, syscall.SIGINT) }
	exited := make(chan struct{})
	go func() { _ = demo.Wait(); close(exited) }()
	t.Cleanup(func() {
		stop()
		select {
		case <-exited:
		case <-time.After(testkit.Patience):
			_ = syscall.Kill(-demo.Process.Pid, syscall.SIGKILL)
			t.Errorf("make demo does not end:\n%s", log)
		}
	})
	var m []string
	serves := regexp.MustCompile(`serving addresses="?(http://127\.0\.0\.1:\d+)`)
	if err := testkit.Until(15*time.Minute, func() (bool, string) {
		m = serves.FindStringSubmatch(log.String())
		select {
		case <-exited:
			return true, ""
		default:
			return m != nil, "make demo does not serve:\n" + log.String()
		}
	}); err != nil {
		t.Fatal(err)
	}
	if m == nil {
		t.Fatalf("make demo has ended:\n%s", log)
	}
	visit(t, m[1])
}

// visit does what a visitor of the example would.
func visit(t *testing.T, base string) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	c := &http.Client{Jar: jar, Timeout: testkit.Patience}
	page := func(what string, a *http.Response, err error, wants ...string) string {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		defer a.Body.Close()
		body, err := io.ReadAll(a.Body)
		if err != nil || a.StatusCode != http.StatusOK {
			t.Errorf("%s: %s %v\n%s", what, a.Status, err, body)
		}
		for _, want := range wants {
			if !strings.Contains(string(body), want) {
				t.Errorf("%s: there is no %q in\n%s", what, want, body)
			}
		}
		return string(body)
	}
	get := func(path string, wants ...string) string {
		t.Helper()
		a, err := c.Get(base + path)
		return page(path, a, err, wants...)
	}

	home := get("/", "What lies in the rickhouse", "Bunnahabhain")
	for _, m := range regexp.MustCompile(`href="(/static/[^"]+)"`).FindAllStringSubmatch(home, -1) {
		get(m[1])
	}
	get("/stream?count=3&pause=0", "after 3 years: 60.7 % vol", "Ready to drink.", "</html>")
	get("/download", "Caol Ila,refill hogshead,2012,240")
	get("/download/label", "<svg ")

	a, err := c.PostForm(base+"/notes", url.Values{"author": {"Ada"}, "text": {"Peat & smoke"}})
	page("a note", a, err, "Thank you, Ada", "Peat &amp; smoke")

	content := bytes.Repeat([]byte("peat"), 1<<19)
	form := &bytes.Buffer{}
	w := multipart.NewWriter(form)
	part, err := w.CreateFormFile("file", "peat.bin")
	if err != nil {
		t.Fatal(err)
	}
	_, _ = part.Write(content)
	_ = w.Close()
	a, err = c.Post(base+"/upload", w.FormDataContentType(), form)
	page("an upload", a, err, fmt.Sprintf("%d bytes", len(content)), fmt.Sprintf("%x", sha256.Sum256(content)))
}
