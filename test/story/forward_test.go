package story

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"rickhouse/internal/testkit"
)

const openForward = `
[forward]
bind = ["127.0.0.1:0"]
[forward.roles.all]
allow = ["*:*"]
private = ["127.0.0.0/8"]
`

func TestForwardProxyWithCurl(t *testing.T) {
	p := forwardProxy(t, openForward, "curl")
	out := p.curl("-H", "Connection: X-Secret", "-H", "X-Secret: 1", "-H", "Proxy-Authorization: Basic QQ==", "-H", "X-Kept: 2", p.plain.URL+"/a%2Fb/%7e?x=%20")
	head, body, _ := strings.Cut(out, "\n\n")
	if !strings.HasPrefix(head, "HTTP/1.1 200 OK\n") || !strings.Contains(head, "X-Origin: yes") || !strings.Contains(head, "Via: 1.1 rickhouse-") ||
		strings.Contains(head, "Server: rickhouse") {
		t.Errorf("got the head\n%s", head)
	}
	if !strings.HasPrefix(body, "GET /a%2Fb/%7e?x=%20\n") || !strings.Contains(body, "X-Kept: 2") || !strings.Contains(body, "Via: 1.1 rickhouse-") {
		t.Errorf("the server got\n%s", body)
	}
	for _, not := range []string{"X-Secret", "Proxy-", "Connection", "X-Forwarded", "Forwarded"} {
		if strings.Contains(body, not) {
			t.Errorf("the server got %s:\n%s", not, body)
		}
	}
	p.logged(`forward proxy client=127\.0\.0\.1 user="" role=all method=GET to=127\.0\.0\.1:\d+ decision=allowed status=200 bytes_in=0 bytes_out=\d\d+`)

	if out := p.curl("-p", p.plain.URL+"/tunnelled"); !strings.Contains(out, "GET /tunnelled\n") || strings.Contains(out, "Via") {
		t.Errorf("through a tunnel: %s", out)
	}
	p.logged(`method=CONNECT to=127\.0\.0\.1:\d+ decision=allowed status=200 bytes_in=\d\d+ bytes_out=\d\d+`)
	if out := p.curl(p.secure.URL + "/secure"); !strings.Contains(out, "GET /secure\n") {
		t.Errorf("by TLS: %s", out)
	}
	content := strings.Repeat("0123456789", 500_000)
	file := p.write("large", content)
	for _, url := range []string{p.plain.URL, p.secure.URL} {
		for _, how := range [][]string{nil, {"-H", "Transfer-Encoding: chunked"}, {"-0"}} {
			if url == p.secure.URL && how != nil && how[0] == "-0" {
				continue // it is not offered by TLS
			}
			out := p.curl(append(how, "--data-binary", "@"+file, url+"/echo")...)
			if !strings.HasSuffix(out, content) {
				t.Errorf("%s %v: %d octets come back", url, how, len(out))
			}
		}
	}
	if out := p.curl("-I", p.plain.URL+"/head"); !strings.HasPrefix(out, "HTTP/1.1 200 OK\n") || !strings.Contains(out, "Content-Length: ") {
		t.Errorf("HEAD: %s", out)
	}
}

func TestForwardProxyRefuses(t *testing.T) {
	p := forwardProxy(t, openForward, "curl")
	_, port, _ := strings.Cut(strings.TrimPrefix(p.URL, "http://"), ":")
	for _, c := range []struct {
		name   string
		args   []string
		status string
		reason string
	}{
		{"TRACE", []string{"-X", "TRACE", p.plain.URL}, "405", "http_request_denied"},
		{"itself", []string{p.URL + "/"}, "508", "proxy_loop_detected"},
		{"itself by another name", []string{"http://localhost:" + port + "/"}, "508", "proxy_loop_detected"},
		{"itself by a tunnel", []string{"-p", "http://127.0.0.2:" + port + "/"}, "508", "proxy_loop_detected"},
		{"a private address", []string{"http://10.1.2.3/"}, "403", "destination_ip_prohibited"},
		{"the metadata of a cloud", []string{"http://169.254.169.254/"}, "403", "destination_ip_prohibited"},
		{"loopback of IPv6", []string{"http://[::1]:1/"}, "403", "destination_ip_prohibited"},
		{"NAT64", []string{"-p", "http://[64:ff9b::a00:1]/"}, "403", "destination_ip_prohibited"},
		{"a number for a host", []string{"-p", "--request-target", "/", "http://2130706433.:80/"}, "400", "http_request_error"},
		{"nobody there", []string{"http://127.0.0.1:1/"}, "502", "connection_refused"},
	} {
		t.Run(c.name, func(t *testing.T) {
			out := p.curl(c.args...)
			if !strings.HasPrefix(out, "HTTP/1.1 "+c.status+" ") || !strings.Contains(out, "error="+c.reason+"\n") {
				t.Errorf("got %s", out)
			}
		})
	}
	raw := func(request string) string {
		r := p.raw()
		if err := r.Send(request); err != nil {
			t.Fatal(err)
		}
		a, err := r.Read("GET")
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(a.Status, " ", a.Header.Get("Proxy-Status"))
	}
	if got := raw("GET /path HTTP/1.1\r\nHost: a\r\n\r\n"); !strings.HasPrefix(got, "400 ") {
		t.Errorf("a path alone is answered %s", got)
	}
	if got := raw("GET https://127.0.0.1/ HTTP/1.1\r\nHost: a\r\n\r\n"); !strings.HasPrefix(got, "501 ") {
		t.Errorf("an https URI is answered %s", got)
	}
	if got := raw("OPTIONS http://127.0.0.1:1/ HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\n\r\n"); !strings.HasPrefix(got, "200 ") {
		t.Errorf("OPTIONS with Max-Forwards: 0 is answered %s", got)
	}
	p.logged(`to=10\.1\.2\.3:80 decision=refused status=403 .*private: 10\.1\.2\.3`)
}

func TestForwardProxyKnowsRoles(t *testing.T) {
	p := forwardProxy(t, `
[forward]
bind = ["127.0.0.1:0"]
users = "users"
realm = "the house"
[forward.roles.staff]
users = ["ann"]
allow = ["127.0.0.1:PORT", "localhost:1-65535"]
private = ["127.0.0.1"]
[forward.roles.rest]
allow = ["127.0.0.1:*"]
`, "curl")
	port := strings.TrimPrefix(p.plain.URL, "http://127.0.0.1:")
	for _, c := range []struct{ name, user, url, want string }{
		{"nobody", "", p.plain.URL, "HTTP/1.1 407 "},
		{"a wrong password", "ann:wrong", p.plain.URL, "HTTP/1.1 407 "},
		{"who is not there", "eve:secret", p.plain.URL, "HTTP/1.1 407 "},
		{"staff", "ann:secret", p.plain.URL, "HTTP/1.1 200 "},
		{"staff, by name", "ann:secret", "http://localhost:" + port, "HTTP/1.1 200 "},
		{"staff, elsewhere", "ann:secret", p.secure.URL, "HTTP/1.1 403 "},
		{"the rest, who may not reach private addresses", "bob:secret", p.plain.URL, "HTTP/1.1 403 "},
		{"the rest, elsewhere", "bob:secret", "http://localhost:" + port, "HTTP/1.1 403 "},
	} {
		t.Run(c.name, func(t *testing.T) {
			args := []string{c.url}
			if c.user != "" {
				args = append(args, "--proxy-user", c.user)
			}
			if out := p.curl(args...); !strings.HasPrefix(out, c.want) {
				t.Errorf("got %s", out)
			}
		})
	}
	if out := p.curl(p.plain.URL); !strings.Contains(out, "\nProxy-Authenticate: Basic realm=\"the house\", charset=\"UTF-8\"\n") {
		t.Errorf("got %s", out)
	}
	p.logged(`user=ann role=staff method=GET .* decision=allowed status=200`)
	p.logged(`user=bob role=rest method=GET .* decision=refused status=403 .*loopback`)
	p.logged(`user="" role="" .* decision=refused status=407`)

	// A reload changes who may do what.
	text, err := os.ReadFile(filepath.Join(p.dir, "rickhouse.toml"))
	if err != nil {
		t.Fatal(err)
	}
	p.write("rickhouse.toml", strings.Replace(string(text), `["ann"]`, `["bob"]`, 1))
	if err := p.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	p.logged(`changed: forward\.roles\.staff: users`)
	p.logged(`the configuration is reloaded`)
	if out := p.curl("--proxy-user", "bob:secret", p.plain.URL); !strings.HasPrefix(out, "HTTP/1.1 200 ") {
		t.Errorf("after the reload: %s", out)
	}

	// So does another file of users, by itself.
	p.write("users", "eve:x\n")
	p.logged(`the users of the forward proxy stay as they were`)
	p.write("users", "# nobody\n")
	err = testkit.Until(testkit.Patience, func() (bool, string) {
		out := p.curl("--proxy-user", "bob:secret", p.plain.URL)
		return strings.HasPrefix(out, "HTTP/1.1 407 "), out
	})
	if err != nil {
		t.Error(err)
	}
}

func TestForwardProxyDryRun(t *testing.T) {
	p := forwardProxy(t, `
[forward]
bind = ["127.0.0.1:0"]
clients = ["192.0.2.1"]
users = "users"
dry_run = true
log = "refused"
[forward.roles.none]
users = ["ann"]
allow = ["example.com"]
`, "curl")
	if out := p.curl(p.plain.URL); !strings.HasPrefix(out, "HTTP/1.1 200 ") {
		t.Errorf("got %s", out)
	}
	p.logged(`forward proxy would refuse role=none host=127\.0\.0\.1 .*loopback`)
	p.logged(`decision="would refuse" status=200 .*the networks of clients; .*say who it is; no role.*; the role may not reach`)
}

func TestForwardProxyWithPip(t *testing.T) {
	p := forwardProxy(t, strings.Replace(openForward, "bind", "users = \"users\"\nbind", 1))
	for name, url := range map[string]string{"http": p.plain.URL, "https": p.secure.URL} {
		t.Run(name, func(t *testing.T) {
			to := filepath.Join(p.dir, "wheels-"+name)
			cmd := p.command("python3", "-m", "pip", "download", "--no-cache-dir", "--no-deps", "-d", to, "--proxy", p.withUser("ann:secret"),
				"--index-url", url+"/simple", "--trusted-host", "127.0.0.1", "--cert", p.ca, "cask==1.0")
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			if !exists(filepath.Join(to, "cask-1.0-py3-none-any.whl")) {
				t.Error("there is no wheel")
			}
		})
	}
	p.logged(`user=ann role=all method=GET`)
	p.logged(`user=ann role=all method=CONNECT`)
}

func TestForwardProxyWithGit(t *testing.T) {
	p := forwardProxy(t, strings.Replace(openForward, "bind", "users = \"users\"\nbind", 1), "git")
	for name, url := range map[string]string{"http": p.plain.URL, "https": p.secure.URL} {
		t.Run(name, func(t *testing.T) {
			config := []string{"-c", "http.proxy=" + p.withUser("bob:secret"), "-c", "http.sslCAInfo=" + p.ca, "-c", "user.name=a", "-c", "user.email=a@b"}
			git := func(args ...string) {
				t.Helper()
				p.git(append(config[:len(config):len(config)], args...)...)
			}
			work := filepath.Join(p.dir, "work-"+name)
			git("clone", "-q", url+"/git/repo.git", work)
			if err := os.WriteFile(filepath.Join(work, name), bytes.Repeat([]byte(name), 300_000), 0o600); err != nil {
				t.Fatal(err)
			}
			git("-C", work, "add", name)
			git("-C", work, "commit", "-q", "-m", name)
			git("-C", work, "push", "-q", "origin", "HEAD:refs/heads/"+name)
			git("clone", "-q", "-b", name, url+"/git/repo.git", work+"-again")
			if !exists(filepath.Join(work+"-again", name)) {
				t.Error("what was pushed is not there")
			}
		})
	}
	p.logged(`user=bob role=all method=POST`)
	p.logged(`user=bob role=all method=CONNECT`)
}

func TestForwardProxyPassesHalfCloses(t *testing.T) {
	p := forwardProxy(t, openForward)
	t.Run("the client's", func(t *testing.T) {
		address := listener(t, func(c *net.TCPConn) {
			all, _ := io.ReadAll(c)
			_, _ = fmt.Fprintf(c, "%d octets", len(all))
		})
		c, r, _ := p.tunnel(address)
		_, _ = c.Write(bytes.Repeat([]byte("x"), 1<<20))
		if err := c.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if all, err := io.ReadAll(r); err != nil || string(all) != "1048576 octets" {
			t.Errorf("got %q, %v", all, err)
		}
	})
	t.Run("the server's", func(t *testing.T) {
		got := make(chan string, 1)
		address := listener(t, func(c *net.TCPConn) {
			_, _ = io.WriteString(c, "hello")
			_ = c.CloseWrite()
			all, _ := io.ReadAll(c)
			got <- fmt.Sprint(len(all))
		})
		c, r, _ := p.tunnel(address)
		if all, err := io.ReadAll(r); err != nil || string(all) != "hello" {
			t.Errorf("got %q, %v", all, err)
		}
		_, _ = c.Write(bytes.Repeat([]byte("x"), 1<<20))
		if err := c.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		select {
		case n := <-got:
			if n != "1048576" {
				t.Errorf("the server got %s octets", n)
			}
		case <-time.After(testkit.Patience):
			t.Error("the server gets no end")
		}
	})
	p.logged(`method=CONNECT .* bytes_in=1048576 bytes_out=5 `)
}

func TestForwardProxyLimitsTunnels(t *testing.T) {
	p := forwardProxy(t, strings.Replace(openForward, "bind", "max_tunnels = 2\nmax_tunnels_per_client = 1\nmax_tunnel_bytes = \"1KiB\"\nidle_timeout = \"300s\"\nbind", 1))
	address := listener(t, func(c *net.TCPConn) { _, _ = io.Copy(c, c) })
	c, r, status := p.tunnel(address)
	if status != 200 {
		t.Fatalf("the first tunnel is answered %d", status)
	}
	if _, _, status := p.tunnel(address); status != 429 {
		t.Errorf("the second tunnel of a client is answered %d", status)
	}
	_, _ = c.Write(make([]byte, 2048))
	if all, err := io.ReadAll(r); err == nil && len(all) > 1024 {
		t.Errorf("%d octets come back", len(all))
	}
	p.logged(`method=CONNECT .*carried as much as it may`)
	if _, _, status := p.tunnel(address); status != 200 {
		t.Errorf("the tunnel after it is answered %d", status)
	}

	p = forwardProxy(t, strings.Replace(openForward, "bind", "idle_timeout = \"100ms\"\nbind", 1))
	_, r, status = p.tunnel(address)
	if _, err := r.ReadByte(); err == nil || status != 200 {
		t.Errorf("an idle tunnel is answered %d, and goes on", status)
	}
	p.logged(`method=CONNECT .*idle for too long`)
}

// What speaks TLS to the server speaks it to nobody else.
func TestForwardProxyDoesNotLookIntoTunnels(t *testing.T) {
	p := forwardProxy(t, openForward)
	c, _, status := p.tunnel(strings.TrimPrefix(p.secure.URL, "https://"))
	if status != 200 {
		t.Fatalf("the tunnel is answered %d", status)
	}
	roots := x509.NewCertPool()
	roots.AddCert(p.secure.Certificate())
	s := tls.Client(c, &tls.Config{RootCAs: roots, ServerName: "example.com"})
	if err := s.Handshake(); err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(s, "GET /x HTTP/1.0\r\n\r\n")
	if all, err := io.ReadAll(s); err != nil || !strings.Contains(string(all), "GET /x\n") {
		t.Errorf("got %q, %v", all, err)
	}
}
