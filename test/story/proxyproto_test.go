package story

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"rickhouse/internal/testkit"
)

const haproxyConfig = `
defaults
	mode tcp
	timeout connect 60s
	timeout client 60s
	timeout server 60s
	timeout check 60s

frontend one
	bind fd@3
	default_backend one

frontend two
	bind fd@4
	default_backend two

backend one
	server rickhouse %[1]s send-proxy check inter 50

backend two
	server rickhouse %[1]s send-proxy-v2 check inter 50
`

// haproxy stands before an address, and returns where it speaks version 1 and
// version 2 to it. It gets its sockets, so that no port has to be guessed.
func haproxy(t *testing.T, address string) [2]string {
	t.Helper()
	binary := "/usr/sbin/haproxy"
	if !exists(binary) {
		var err error
		if binary, err = exec.LookPath("haproxy"); err != nil {
			t.Skip("HAProxy is not installed")
		}
	}
	config := filepath.Join(t.TempDir(), "haproxy.cfg")
	if err := os.WriteFile(config, fmt.Appendf(nil, haproxyConfig, address), 0o600); err != nil {
		t.Fatal(err)
	}
	log := &testkit.Log{}
	cmd := exec.Command(binary, "-db", "-f", config)
	cmd.Stdout, cmd.Stderr = log, log
	var addresses [2]string
	for i := range addresses {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		addresses[i] = ln.Addr().String()
		f, err := ln.(*net.TCPListener).File()
		if err != nil {
			t.Fatal(err)
		}
		_ = ln.Close()
		defer func() { _ = f.Close() }()
		cmd.ExtraFiles = append(cmd.ExtraFiles, f)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("HAProxy says:\n%s", log.String())
		}
	})
	return addresses
}

// Behind HAProxy applications see the client, over either version of the PROXY
// protocol and either HTTP; its checks of the server are no requests.
func TestBehindHAProxy(t *testing.T) {
	dir := application(t, map[string]string{
		"app.py": `
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{environ['SERVER_PROTOCOL']} {environ['REMOTE_ADDR']}:{environ['REMOTE_PORT']}".encode()]
`,
		"rickhouse.toml": "proxy_protocol = [\"127.0.0.0/8\"]\n[apps.web]\nwsgi = \"app:app\"\nworkers = 1\n",
	})
	s := start(t, dir)
	for version, address := range haproxy(t, s.Addr()) {
		for protocol, two := range map[string]bool{"HTTP/1.1": false, "HTTP/2.0": true} {
			var own string
			transport := &http.Transport{Protocols: new(http.Protocols), DialContext: func(context.Context, string, string) (net.Conn, error) {
				c, err := net.DialTimeout("tcp", address, testkit.Patience)
				if err == nil {
					own = c.LocalAddr().String()
				}
				return c, err
			}}
			transport.Protocols.SetHTTP1(!two)
			transport.Protocols.SetUnencryptedHTTP2(two)
			t.Cleanup(transport.CloseIdleConnections)
			client := &http.Client{Transport: transport, Timeout: testkit.Patience}
			for range 3 {
				got, err := fetch(client, "GET", "http://story/", nil)
				if want := protocol + " " + own; err != nil || got != want {
					t.Errorf("version %d: got %q, %v, want %q", version+1, got, err, want)
				}
			}
		}
	}
	// Who comes past it is not served.
	if got, err := fetch(s.Client(0), "GET", "http://"+s.Addr()+"/", nil); err == nil {
		t.Errorf("without a header: %q", got)
	}
	if _, err := s.Log.Wait("sent no right header", 1, testkit.Patience); err != nil {
		t.Error(err)
	}
}

// proxy_protocol can hold at some addresses and not at others, over TCP and Unix
// sockets; a reload changes which, for new connections.
func TestProxyProtocolOfSomeListeners(t *testing.T) {
	config := func(listeners string) string {
		return `
bind = ["127.0.0.1:0", "localhost:0", "unix:one.sock", "unix:two.sock"]
idle_timeout = "10m"
proxy_protocol = ["127.0.0.1", "unix"]
proxy_protocol_listener = [` + listeners + `]

[[routes]]
client = ["192.0.2.7"]
respond = "announced"

[[routes]]
respond = "itself"
`
	}
	dir := application(t, map[string]string{"rickhouse.toml": config(`"127.0.0.1:0", "unix:one.sock"`)})
	s := startWith(t, testkit.Options{Dir: dir, Bound: true})
	ports := regexp.MustCompile(`http://(?:127\.0\.0\.1|localhost):(\d+)`).FindAllStringSubmatch(s.Log.String(), -1)
	if len(ports) != 2 {
		t.Fatalf("the server serves at %q", ports)
	}
	dial := map[string]func() (*testkit.Raw, error){
		"127.0.0.1": func() (*testkit.Raw, error) { return testkit.DialRaw("tcp", "127.0.0.1:"+ports[0][1]) },
		"localhost": func() (*testkit.Raw, error) { return testkit.DialRaw("tcp", "127.0.0.1:"+ports[1][1]) },
		"one.sock":  func() (*testkit.Raw, error) { return testkit.DialRaw("unix", filepath.Join(dir, "one.sock")) },
		"two.sock":  func() (*testkit.Raw, error) { return testkit.DialRaw("unix", filepath.Join(dir, "two.sock")) },
	}
	connect := func(name string) *testkit.Raw {
		t.Helper()
		raw, err := dial[name]()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = raw.Close() })
		return raw
	}
	const request, header = "GET / HTTP/1.1\r\nHost: story\r\n\r\n", "PROXY TCP4 192.0.2.7 192.0.2.1 4660 443\r\n"
	says := func(what string, raw *testkit.Raw, text, want string) {
		t.Helper()
		if err := raw.Send(text); err != nil {
			t.Fatal(err)
		}
		if a, err := raw.Read("GET"); err != nil || a.Body != want {
			t.Errorf("%s: got %q, %v, want %q", what, a.Body, err, want)
		}
	}
	there := map[string]*testkit.Raw{}
	for round, announced := range []map[string]bool{{"127.0.0.1": true, "one.sock": true}, {"localhost": true, "two.sock": true}} {
		for name := range dial {
			what := fmt.Sprintf("round %d, %s", round, name)
			text, want := request, "itself"
			if announced[name] {
				text, want = header+request, "announced"
				refused := connect(name)
				if err := refused.Send(request); err != nil {
					t.Fatal(err)
				}
				if a, err := refused.Read("GET"); err == nil {
					t.Errorf("%s: got %d without a header", what, a.Status)
				}
			}
			raw := connect(name)
			says(what, raw, text, want)
			if before := there[name]; before != nil {
				says(what+", a connection that was there", before, request, map[bool]string{true: "itself", false: "announced"}[announced[name]])
			}
			there[name] = raw
		}
		mustReload(t, dir, config(`"localhost:0", "unix:two.sock"`))
	}
}
