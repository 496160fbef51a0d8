package story

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"rickhouse/internal/testkit"
)

const tlsApp = `
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/html")])
    scheme, protocol = environ["wsgi.url_scheme"], environ.get("SSL_PROTOCOL", "none")
    return [f"<p>{scheme} {protocol} {environ['SERVER_PROTOCOL']} {environ['PATH_INFO']}</p>".encode()]
`

// rootOf is the development authority of a server in dir.
func rootOf(t *testing.T, dir string) (file string, pool *x509.CertPool) {
	t.Helper()
	file = filepath.Join(dir, ".local", "share", "rickhouse", "ca", "root.pem")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	pool = x509.NewCertPool()
	pool.AppendCertsFromPEM(text)
	return file, pool
}

// One command, and a page by https.
func TestTLSInternal(t *testing.T) {
	dir := application(t, map[string]string{"app.py": tlsApp})
	s := start(t, dir, "app:app", "--tls", "internal", "-w", "1")
	root, _ := rootOf(t, dir)
	if !strings.HasPrefix(s.URL, "https://127.0.0.1:") || !strings.Contains(s.Log.String(), "root="+root) {
		t.Errorf("it serves %s and does not say how to trust it", s.URL)
	}
	curl, err := exec.LookPath("curl")
	if err != nil {
		t.Skip("there is no curl")
	}
	for args, want := range map[string]string{
		"--http1.1":               "https TLSv1.3 HTTP/1.1 /x",
		"--http2":                 "https TLSv1.3 HTTP/2",
		"--http1.1 --tls-max 1.2": "https TLSv1.2 HTTP/1.1 /x",
	} {
		cmd := exec.Command(curl, append(strings.Fields(args), "-sS", "--cacert", root, strings.Replace(s.URL, "127.0.0.1", "localhost", 1)+"/x")...)
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), want) {
			t.Errorf("curl %s: %q, %v; want %q", args, out, err, want)
		}
	}
	if out, err := exec.Command(curl, "-sS", "--tlsv1.0", "--tls-max", "1.1", "--cacert", root, s.URL).CombinedOutput(); err == nil {
		t.Errorf("TLS 1.1 is spoken: %q", out)
	}
	if out, err := exec.Command(curl, "-sS", s.URL).CombinedOutput(); err == nil {
		t.Errorf("curl trusts it already: %q", out)
	}
	if out, _ := exec.Command(curl, "-sS", "http://"+s.Addr()).CombinedOutput(); !strings.Contains(string(out), "https://") {
		t.Errorf("plain HTTP is told %q", out)
	}
}

// A browser shows the page once it trusts the authority, as the start of the
// server says how.
func TestTLSInChromium(t *testing.T) {
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("there is no chromium")
	}
	certutil, err := exec.LookPath("certutil")
	if err != nil {
		t.Skip("there is no certutil (libnss3-tools), which has chromium trust a root")
	}
	dir := application(t, map[string]string{"app.py": tlsApp})
	s := start(t, dir, "app:app", "--tls", "internal", "-w", "1")
	root, _ := rootOf(t, dir)
	url := strings.Replace(s.URL, "127.0.0.1", "localhost", 1) + "/page"
	show := func() string {
		ctx, cancel := context.WithTimeout(t.Context(), 3*testkit.Patience)
		defer cancel()
		cmd := exec.CommandContext(ctx, chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
			"--user-data-dir="+filepath.Join(dir, "chromium"), "--dump-dom", url)
		cmd.Env = environment(dir)
		var errs bytes.Buffer
		cmd.Stderr = &errs
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("chromium: %v\n%s", err, tail(errs.String()))
		}
		return string(out)
	}
	const page = "<p>https TLSv1.3 HTTP/2 /page</p>"
	if text := show(); strings.Contains(text, page) {
		t.Errorf("it is shown before the authority is trusted: %s", text)
	}
	nss := filepath.Join(dir, ".pki", "nssdb")
	if err := os.MkdirAll(nss, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"-d", "sql:" + nss, "-N", "--empty-password"},
		{"-d", "sql:" + nss, "-A", "-t", "C,,", "-n", "Rickhouse", "-i", root},
	} {
		if out, err := exec.Command(certutil, args...).CombinedOutput(); err != nil {
			t.Fatalf("certutil: %v %s", err, out)
		}
	}
	if text := show(); !strings.Contains(regexp.MustCompile(`HTTP/2(\.0)?`).ReplaceAllString(text, "HTTP/2"), page) {
		t.Errorf("chromium shows %s", text)
	}
}

// Certificates are replaced under load, and no request is lost by it. Plain HTTP
// goes to https, and answers there have the HSTS header.
func TestTLSFiles(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("there is no openssl")
	}
	dir := application(t, map[string]string{"app.py": tlsApp, "rickhouse.toml": `

tls = { cert = "cert.pem", key = "key.pem" }
hsts = "max-age=60"
redirect_http = "127.0.0.1:0"
[apps.web]
wsgi = "app:app"
workers = 1
`})
	issue := func() {
		cmd := exec.Command(openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
			"-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", "key.pem", "-out", "cert.pem")
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("openssl: %v %s", err, out)
		}
	}
	issue()
	s := start(t, dir, "-b", "127.0.0.1:0", "-b", "http://127.0.0.1:0") // a -b is needed to choose free ports
	var serial atomic.Pointer[string]
	client := func(keep bool) *http.Client {
		tr := &http.Transport{DisableKeepAlives: !keep, TLSClientConfig: &tls.Config{
			InsecureSkipVerify: true, // which certificate it is, is what is looked at
			VerifyConnection: func(cs tls.ConnectionState) error {
				n := cs.PeerCertificates[0].SerialNumber.String()
				serial.Store(&n)
				return nil
			},
		}}
		t.Cleanup(tr.CloseIdleConnections)
		return &http.Client{Transport: tr, Timeout: testkit.Patience, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	}
	get := func(c *http.Client, url string) (*http.Response, string) {
		res, err := c.Get(url)
		if err != nil {
			t.Error(err)
			return &http.Response{Header: http.Header{}}, ""
		}
		defer func() { _ = res.Body.Close() }()
		text, err := io.ReadAll(res.Body)
		if err != nil {
			t.Error(err)
		}
		return res, string(text)
	}
	fresh := client(false)
	res, text := get(fresh, s.URL+"/x")
	if got := res.Header.Get("Strict-Transport-Security"); got != "max-age=60" || !strings.Contains(text, "https TLSv1.3") {
		t.Errorf("Strict-Transport-Security is %q, the page %q", got, text)
	}
	first := *serial.Load()

	stop := make(chan struct{})
	var load sync.WaitGroup
	for i := range 4 {
		load.Go(func() {
			c := client(i%2 == 0)
			for {
				select {
				case <-stop:
					return
				default:
				}
				if res, text := get(c, s.URL+"/load"); res.StatusCode != 200 || !strings.Contains(text, "/load") {
					t.Errorf("under load: %d %q", res.StatusCode, text)
					return
				}
			}
		})
	}
	issue()
	if err := testkit.Until(testkit.Patience, func() (bool, string) {
		get(fresh, s.URL+"/x")
		return *serial.Load() != first, "the new certificate is not in use"
	}); err != nil {
		t.Error(err)
	}
	close(stop)
	load.Wait()
	redirects(t, s, fresh, get)
}

// redirects looks at the addresses of the server that are not TLS.
func redirects(t *testing.T, s *testkit.Server, c *http.Client, get func(*http.Client, string) (*http.Response, string)) {
	t.Helper()
	plain := regexp.MustCompile(`http://127\.0\.0\.1:\d+`).FindString(s.Log.String())
	res, text := get(c, plain+"/x")
	if res.Header.Get("Strict-Transport-Security") != "" || !strings.Contains(text, "http none") {
		t.Errorf("by plain HTTP: %q, %v", text, res.Header)
	}
	if res, _ = get(c, "http://"+redirected(t, s)+"/a%20b?c=d"); res.StatusCode != 301 || res.Header.Get("Location") != s.URL+"/a%20b?c=d" {
		t.Errorf("the redirect is %d to %q", res.StatusCode, res.Header.Get("Location"))
	}
}

// redirected is the address from which the server sends clients to https.
func redirected(t *testing.T, s *testkit.Server) string {
	t.Helper()
	found, err := s.Log.Wait(`redirect_http="?http://(127\.0\.0\.1:\d+)`, 1, testkit.Patience)
	if err != nil {
		t.Fatal(err)
	}
	return found[1]
}

// relay is a port of the loopback, and sets to where its connections go on; until
// then they wait.
func relay(t *testing.T) (int, func(address string)) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	known := make(chan string, 1)
	go func() {
		address := ""
		for {
			from, err := ln.Accept()
			if err != nil {
				return
			}
			if address == "" {
				select {
				case address = <-known:
				case <-t.Context().Done():
				}
			}
			go pass(from, address)
		}
	}()
	return port(t, ln.Addr().String()), func(address string) { known <- address }
}

// pass passes on what comes, in both directions.
func pass(from net.Conn, address string) {
	defer from.Close()
	to, err := net.Dial("tcp", address)
	if err != nil {
		return
	}
	defer to.Close()
	go func() {
		_, _ = io.Copy(to, from)
		_ = to.(*net.TCPConn).CloseWrite()
	}()
	_, _ = io.Copy(from, to)
}

// Certificates by ACME, from the first start on, by either kind of challenge.
func TestTLSAuto(t *testing.T) {
	for _, kind := range []string{"TLS-ALPN-01", "HTTP-01"} {
		t.Run(kind, func(t *testing.T) {
			challenged, to := relay(t)
			ports, redirect := [2]int{port(t, testkit.RefusedAddress(t)), challenged}, ""
			if kind == "HTTP-01" {
				ports[0], ports[1] = ports[1], ports[0]
				redirect = "127.0.0.1:0"
			}
			acme := testkit.StartPebble(t, time.Hour, ports[0], ports[1])
			name := strings.ToLower(kind) + ".example"
			dir := application(t, map[string]string{"app.py": tlsApp, "rickhouse.toml": fmt.Sprintf(`
tls = "auto"
acme_ca = %q
acme_ca_root = %q
redirect_http = %q
[apps.web]
wsgi = "app:app"
workers = 1
[[routes]]
host = %q
app = "web"
`, acme.Directory, acme.Authority, redirect, name)})
			s := start(t, dir)
			if kind == "HTTP-01" {
				to(redirected(t, s))
			} else {
				to(s.Addr())
			}
			client := &http.Client{Timeout: testkit.Patience, Transport: &http.Transport{
				DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: acme.Root(), ServerName: name},
			}}
			// What fails once, as it may on a slow machine, is tried again after a minute.
			if err := testkit.Until(5*testkit.Patience, func() (bool, string) {
				req, err := http.NewRequest(http.MethodGet, s.URL+"/x", nil)
				if err != nil {
					return false, err.Error()
				}
				req.Host = name
				res, err := client.Do(req)
				if err != nil {
					return false, err.Error()
				}
				defer func() { _ = res.Body.Close() }()
				text, err := io.ReadAll(res.Body)
				return err == nil && strings.Contains(string(text), "https TLSv1.3"), fmt.Sprintf("got %q, %v", text, err)
			}); err != nil {
				t.Error(err)
			}
		})
	}
}

func port(t *testing.T, address string) int {
	t.Helper()
	a, err := netip.ParseAddrPort(address)
	if err != nil {
		t.Fatal(err)
	}
	return int(a.Port())
}
