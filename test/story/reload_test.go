package story

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"rickhouse/internal/testkit"
	rfc6455 "rickhouse/internal/wire/websocket"
)

const reloadApp = `
import os
import time

if os.environ.get("SLOW"):
    print("importing", flush=True)
    time.sleep(float(os.environ["SLOW"]))


def app(environ, start_response):
    environ["wsgi.input"].read()
    if environ["PATH_INFO"] == "/slow":
        time.sleep(0.05)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [("app " + os.environ["V"]).encode()]


async def socket(scope, receive, send):
    if scope["type"] != "websocket":
        raise RuntimeError("this application speaks WebSocket alone")
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] != "websocket.disconnect":
        await send({"type": "websocket.send", "text": message["text"].upper()})
`

// reloadConfig is a configuration with two applications, and a route that answers
// with text.
func reloadConfig(version, text string) string {
	return fmt.Sprintf(`
[apps.web]
wsgi = "app:app"
workers = 2
environment = {V = %q}

[apps.socket]
asgi = "app:socket"
workers = 1
websocket_ping_interval = "1h"

[[routes]]
path = "/socket"
app = "socket"

[[routes]]
path = "/text"
respond = %q

[[routes]]
path = "/files/*"
files = "."

[[routes]]
app = "web"
`, version, text)
}

// configure writes the file of a server in dir, whole.
func configure(t *testing.T, dir, text string) {
	t.Helper()
	next := filepath.Join(dir, "next.toml")
	if err := os.WriteFile(next, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, filepath.Join(dir, "rickhouse.toml")); err != nil {
		t.Fatal(err)
	}
}

// reload runs the command and returns its exit status and what it wrote.
func reload(t *testing.T, dir string) (int, string) {
	t.Helper()
	cmd := exec.Command(tools+"/rickhouse", "reload")
	cmd.Dir, cmd.Env = dir, environment(dir)
	out, err := cmd.CombinedOutput()
	var status *exec.ExitError
	if err != nil && !errors.As(err, &status) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

// mustReload reloads what has to be right.
func mustReload(t *testing.T, dir, text string) {
	t.Helper()
	configure(t, dir, text)
	if code, out := reload(t, dir); code != 0 {
		t.Fatalf("reload ended with %d:\n%s", code, out)
	}
}

// traffic has clients ask without a pause, by HTTP/1 and HTTP/2, for as long as a test
// takes.
type traffic struct {
	t        *testing.T
	answered atomic.Int64
	stopped  atomic.Bool
	clients  sync.WaitGroup
}

// begin asks s for paths. An answer has to be one that is allowed. Requests have
// content that cannot be sent again, so that no client repeats one in silence.
func (l *traffic) begin(s *testkit.Server, paths []string, allowed func(path, answer string) bool) {
	one, two := s.Client(8), http2Client(l.t)
	for n, client := range []*http.Client{one, one, two, two} {
		l.clients.Go(func() {
			for i := n; !l.stopped.Load(); i++ {
				path := paths[i%len(paths)]
				got, err := fetch(client, "POST", "http://"+s.Addr()+path, io.LimitReader(strings.NewReader("some content"), 12))
				if err != nil || !allowed(path, got) {
					l.t.Errorf("after %d answers: %s gives %q, %v", l.answered.Load(), path, got, err)
					return
				}
				l.answered.Add(1)
			}
		})
	}
}

// more waits until so many more requests were answered.
func (l *traffic) more(n int64) {
	l.t.Helper()
	to := l.answered.Load() + n
	err := testkit.Until(testkit.Patience, func() (bool, string) {
		return l.answered.Load() >= to || l.t.Failed(), fmt.Sprintf("%d requests were answered", l.answered.Load())
	})
	if err != nil || l.t.Failed() {
		l.end()
		l.t.Fatal(err)
	}
}

func (l *traffic) end() {
	l.stopped.Store(true)
	l.clients.Wait()
}

// Routes are reloaded again and again under load, and applications replaced: no
// request fails, and the WebSocket of an application that stays stays open.
func TestReloadUnderLoad(t *testing.T) {
	dir := application(t, map[string]string{"app.py": reloadApp, "rickhouse.toml": reloadConfig("0", "text 0")})
	s := start(t, dir)
	ws, err := socket(s)
	if err != nil {
		t.Fatal(err)
	}
	defer ws.Close()
	l := &traffic{t: t}
	defer l.end()
	l.begin(s, []string{"/", "/slow", "/text", "/x"}, func(path, answer string) bool {
		return strings.HasPrefix(answer, map[bool]string{true: "text ", false: "app "}[path == "/text"])
	})
	rounds := 12
	if short() {
		rounds = 4
	}
	for i := range rounds {
		l.more(50)
		// Every third round the application changes as well.
		mustReload(t, dir, reloadConfig(fmt.Sprint(i/3), fmt.Sprintf("text %d", i+1)))
		if got, err := fetch(s.Client(0), "GET", "http://"+s.Addr()+"/text", nil); err != nil || got != fmt.Sprintf("text %d", i+1) {
			t.Fatalf("after reload %d: %q, %v", i+1, got, err)
		}
		if got, err := fetch(s.Client(0), "GET", "http://"+s.Addr()+"/", nil); err != nil || got != fmt.Sprintf("app %d", i/3) {
			t.Fatalf("after reload %d: %q, %v", i+1, got, err)
		}
		if err := say(ws, rfc6455.Text, "still there"); err != nil {
			t.Fatal(err)
		}
		if got, err := hear(ws, rfc6455.Text); err != nil || got != "STILL THERE" {
			t.Fatalf("the WebSocket says %q, %v", got, err)
		}
	}
	l.more(50)
	l.end()
	if _, err := s.Workers(3); err != nil { // those of the last configuration
		t.Error(err)
	}
}

// What cannot be loaded changes nothing, under load either.
func TestABadReloadChangesNothing(t *testing.T) {
	good := `bind = ["127.0.0.1:0"]
` + reloadConfig("1", "text 1")
	dir := application(t, map[string]string{"app.py": reloadApp, "bad.py": "1 / 0\n", "rickhouse.toml": good})
	s := startWith(t, testkit.Options{Dir: dir, Bound: true})
	before, err := s.Workers(3)
	if err != nil {
		t.Fatal(err)
	}
	l := &traffic{t: t}
	defer l.end()
	l.begin(s, []string{"/", "/text"}, func(path, answer string) bool {
		return answer == map[bool]string{true: "text 1", false: "app 1"}[path == "/text"]
	})
	taken := filepath.Join(dir, "taken.sock")
	holder, err := listenUnix(taken)
	if err != nil {
		t.Fatal(err)
	}
	defer holder.Close()
	other := strings.Replace(good, "text 1", "text 2", 1)
	for name, test := range map[string]struct {
		text, says string
		code       int
	}{
		"syntax":          {"bind = [", "rickhouse.toml:1:", 2},
		"a mistake":       {other + "wrong = 1\n", "unknown key", 2},
		"an import":       {strings.Replace(other, `"app:app"`, `"bad:app"`, 1), "ZeroDivisionError", 1},
		"a folder":        {strings.Replace(other, `files = "."`, `files = "nowhere"`, 1), "nowhere", 2},
		"a taken address": {strings.Replace(other, `"127.0.0.1:0"`, `"127.0.0.1:0", "unix:taken.sock"`, 1), "in use", 1},
		"restart needed":  {"loops = 3\n" + other, "loops: 0 -> 3: the server has to be started again", 1},
	} {
		configure(t, dir, test.text)
		if code, out := reload(t, dir); code != test.code || !strings.Contains(out, test.says) {
			t.Errorf("%s: reload ended with %d:\n%s", name, code, out)
		}
		l.more(20)
	}
	l.end()
	after, err := s.Workers(3)
	if err != nil || fmt.Sprint(before) != fmt.Sprint(after) {
		t.Errorf("the workers were %v, and are %v, %v", before, after, err)
	}
}

// Addresses come and go while others are used. What has come by one that goes is
// answered, and its clients are told to use another.
func TestReloadOfAddresses(t *testing.T) {
	config := func(addresses ...string) string {
		return "header_timeout = \"10m\"\nbind = [\"127.0.0.1:0\"" + strings.Join(append([]string{""}, addresses...), ", ") + "]\n" + reloadConfig("1", "text")
	}
	dir := application(t, map[string]string{"app.py": reloadApp, "rickhouse.toml": config(`"unix:a.sock"`)})
	s := startWith(t, testkit.Options{Dir: dir, Bound: true})
	l := &traffic{t: t}
	defer l.end()
	l.begin(s, []string{"/", "/text"}, func(string, string) bool { return true })
	dial := func(name string) *testkit.Raw {
		t.Helper()
		raw, err := testkit.DialRaw("unix", filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	const request = "GET %s HTTP/1.1\r\nHost: story\r\n\r\n"
	idle, busy := dial("a.sock"), dial("a.sock")
	defer busy.Close()
	defer idle.Close()
	for _, raw := range []*testkit.Raw{idle, busy} {
		if err := raw.Send(fmt.Sprintf(request, "/text")); err != nil {
			t.Fatal(err)
		}
		if a, err := raw.Read("GET"); err != nil || a.Status != 200 {
			t.Fatalf("got %v, %v", a, err)
		}
	}
	// The head of a request has come in part: the rest is waited for.
	if err := busy.Send("GET /text HTTP/1.1\r\n"); err != nil {
		t.Fatal(err)
	}
	mustReload(t, dir, config(`"unix:b.sock"`))
	l.more(20)
	if _, err := idle.Read("GET"); !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		t.Errorf("an idle connection of an address that is gone gets %v", err)
	}
	if err := busy.Send("Host: story\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if a, err := busy.Read("GET"); err != nil || a.Status != 200 {
		t.Errorf("a request of an address that is gone gets %v, %v", a, err)
	}
	if _, err := busy.Read("GET"); err == nil {
		t.Error("a connection of an address that is gone stays open")
	}
	if _, err := net.Dial("unix", filepath.Join(dir, "a.sock")); err == nil {
		t.Error("an address that is gone can be reached")
	}
	other := dial("b.sock")
	if err := other.Send(fmt.Sprintf(request, "/text")); err != nil {
		t.Fatal(err)
	}
	if a, err := other.Read("GET"); err != nil || a.Status != 200 {
		t.Errorf("a new address gives %v, %v", a, err)
	}
	_ = other.Close()
	// An address that went can come again, once it is closed.
	configure(t, dir, config(`"unix:a.sock"`))
	err := testkit.Until(testkit.Patience, func() (bool, string) {
		code, out := reload(t, dir)
		return code == 0, out
	})
	if err != nil {
		t.Error(err)
	}
	l.more(20)
}

// Certificates change for handshakes to come; connections that are there stay.
func TestReloadOfCertificates(t *testing.T) {
	config := func(name string) string {
		return fmt.Sprintf("tls = \"internal\"\nbind = [\"127.0.0.1:0\"]\ndomains = [%q]\n[[routes]]\nrespond = \"hello\"\n", name)
	}
	dir := application(t, map[string]string{"rickhouse.toml": config("a.test")})
	s := startWith(t, testkit.Options{Dir: dir, Bound: true})
	dial := func() (*tls.Conn, *http.Client) {
		c, err := tls.Dial("tcp", s.Addr(), &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return c, &http.Client{Timeout: testkit.Patience, Transport: &http.Transport{
			DialTLSContext: func(context.Context, string, string) (net.Conn, error) { return c, nil },
		}}
	}
	names := func(c *tls.Conn) string { return strings.Join(c.ConnectionState().PeerCertificates[0].DNSNames, " ") }
	first, client := dial()
	if got, err := fetch(client, "GET", "https://story/", nil); err != nil || got != "hello" || !strings.Contains(names(first), "a.test") {
		t.Fatalf("got %q, %v, from %s", got, err, names(first))
	}
	mustReload(t, dir, config("b.test"))
	second, _ := dial()
	if got := names(second); !strings.Contains(got, "b.test") || strings.Contains(got, "a.test") {
		t.Errorf("the certificate is for %s", got)
	}
	if got, err := fetch(client, "GET", "https://story/", nil); err != nil || got != "hello" {
		t.Errorf("the connection that was there gives %q, %v", got, err)
	}
}

// Many reloads leave no descriptor, and no worker, behind.
func TestManyReloadsLeaveNothingBehind(t *testing.T) {
	dir := application(t, map[string]string{"app.py": reloadApp, "rickhouse.toml": reloadConfig("0", "text 0")})
	s := start(t, dir)
	mustReload(t, dir, reloadConfig("1", "text 1")) // all that is made but once
	if _, err := s.Workers(3); err != nil {
		t.Fatal(err)
	}
	var descriptors int
	settled := func(want int) error {
		return testkit.Until(testkit.Patience, func() (bool, string) {
			n, err := testkit.Descriptors(s.PID())
			descriptors = n
			return err == nil && (want == 0 || n <= want), fmt.Sprintf("there are %d descriptors, not %d, %v", n, want, err)
		})
	}
	if err := settled(0); err != nil {
		t.Fatal(err)
	}
	before, rounds := descriptors, 50
	if short() {
		rounds = 10
	}
	for i := range rounds {
		mustReload(t, dir, reloadConfig(fmt.Sprint(i/10), fmt.Sprintf("text %d", i+2)))
	}
	if _, err := s.Workers(3); err != nil {
		t.Error(err)
	}
	if err := settled(before); err != nil {
		t.Error(err)
	}
}

// Hang-ups that come together, or while the server starts, lose nothing.
func TestHangUps(t *testing.T) {
	dir := application(t, map[string]string{"app.py": reloadApp})
	slow := func(text string) string {
		return strings.Replace(reloadConfig("1", text), `{V = "1"}`, `{V = "1", SLOW = "0.5"}`, 1)
	}
	configure(t, dir, slow("text 1"))
	s, err := testkit.Launch(testkit.Options{Binary: tools + "/rickhouse", Dir: dir, Env: environment(dir)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Kill)
	if _, err := s.Log.Wait("importing", 1, testkit.Patience); err != nil {
		t.Fatal(err)
	}
	configure(t, dir, slow("text 2"))
	for range 2 {
		if err := s.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Ready(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Log.Wait("configuration is reloaded", 1, testkit.Patience); err != nil {
		t.Fatal(err)
	}
	if got, err := fetch(s.Client(0), "GET", "http://"+s.Addr()+"/text", nil); err != nil || got != "text 2" {
		t.Errorf("got %q, %v", got, err)
	}
	configure(t, dir, slow("text 3"))
	for range 20 {
		if err := s.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Log.Wait("configuration is reloaded", 2, testkit.Patience); err != nil {
		t.Fatal(err)
	}
	if err := s.Stop(); err != nil {
		t.Error(err)
	}
	if err := s.Sane(); err != nil {
		t.Error(err)
	}
}

// A server that is stopped while it loads a configuration stops, and leaves no
// worker of either.
func TestStoppingDuringAReload(t *testing.T) {
	dir := application(t, map[string]string{"app.py": reloadApp, "rickhouse.toml": reloadConfig("1", "text 1")})
	s := start(t, dir)
	configure(t, dir, strings.Replace(reloadConfig("1", "text 2"), `{V = "1"}`, `{V = "1", SLOW = "3600"}`, 1))
	cmd := exec.Command(tools+"/rickhouse", "reload")
	cmd.Dir, cmd.Env = dir, environment(dir)
	out := &testkit.Log{}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Log.Wait("importing", 2, testkit.Patience); err != nil {
		t.Fatal(err)
	}
	workers, err := s.Workers(5)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code, err := s.Exit(testkit.Patience); err != nil || code != 0 {
		t.Errorf("it ended with %d, %v", code, err)
	}
	if err := testkit.Gone(workers, testkit.Patience); err != nil {
		t.Error(err)
	}
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 1 || !strings.Contains(out.String(), "stopped by") {
		t.Errorf("reload ended with %d:\n%s", code, out)
	}
}
