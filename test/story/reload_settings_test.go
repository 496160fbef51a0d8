package story

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"rickhouse/internal/testkit"
)

// setting is a key of the top level, and a request whose answer shows it.
type setting struct {
	line    string
	request string
	shows   string // in the answer with it, and not in the one without
	status  int    // with it
}

// settingsApp answers with who asks.
const settingsApp = reloadApp + `

def who(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [(environ["REMOTE_ADDR"] + " " + environ.get("HTTP_X_A", "none")).encode()]
`

// patient has idle connections stay, however slow the machine is.
const patient = "header_timeout = \"10m\"\nidle_timeout = \"10m\"\n"

// settingsConfig is a configuration with line at the top.
func settingsConfig(line string) string {
	if !strings.Contains(line, "idle_timeout") {
		line = patient + line
	}
	return line + "\n[apps.who]\nwsgi = \"app:who\"\nworkers = 1\n" + strings.Replace(reloadConfig("0", "text"), "[[routes]]", "[[routes]]\npath = \"/who\"\napp = \"who\"\n\n[[routes]]", 1)
}

// settings that change what a request gets.
func reloadableSettings() []setting {
	const get = "GET /who HTTP/1.1\r\nHost: story\r\n"
	post := func(n int) string {
		return fmt.Sprintf("POST /text HTTP/1.1\r\nHost: story\r\nContent-Length: %d\r\n\r\n%s", n, strings.Repeat("a", n))
	}
	return []setting{
		{"max_body = \"1KiB\"", post(2000), "", 413},
		{"max_fields = 20", get + strings.Repeat("X: 1\r\n", 30) + "\r\n", "", 431},
		{"max_line = \"512B\"", get + "X: " + strings.Repeat("a", 600) + "\r\n\r\n", "", 431},
		{"max_head = \"4KiB\"\nmax_line = \"2KiB\"", get + strings.Repeat("X: "+strings.Repeat("a", 1000)+"\r\n", 5) + "\r\n", "", 431},
		{"trusted_proxies = [\"127.0.0.1\"]", get + "X-Forwarded-For: 192.0.2.7\r\n\r\n", "192.0.2.7", 200},
		{"underscore_headers = [\"X_A\"]", get + "X_A: seen\r\n\r\n", "seen", 200},
		{"server_header = \"somebody\"", get + "\r\n", "somebody", 200},
		{"keepalive_requests = 7\nheader_timeout = \"40s\"\nidle_timeout = \"50s\"\nmin_rate = 100\nmin_rate_grace = \"20s\"", "", "", 0},
		{"spool_memory = \"1KiB\"\nspool_max = \"1MiB\"\nspool_quota = \"1GiB\"\nspool_directory = \".\"", "", "", 0},
		{"http2_max_streams = 10\nhttp2_window = \"128KiB\"\nhttp2_max_resets = 100\nhttp2_max_controls = 500\nhttp2_max_continuations = 4", "", "", 0},
		{"half_close = true\nmax_connections = 500\ngateway_peers = [\"192.0.2.0/24\"]\nproxy_protocol = [\"192.0.2.0/24\"]", "", "", 0},
		{"backlog = 100", "", "", 0},
	}
}

// ask sends what shows s on a connection.
func (s *setting) ask(t *testing.T, raw *testkit.Raw) (answer string, status int) {
	t.Helper()
	if err := raw.Send(s.request); err != nil {
		t.Fatal(err)
	}
	a, err := raw.Read("GET")
	if err != nil {
		t.Fatalf("%s: %v", s.line, err)
	}
	return fmt.Sprint(a.Header) + a.Body, a.Status
}

// Settings of the fronts change again and again under load, over HTTP/1 and HTTP/2: no
// request fails, and each holds for the next request of a connection that is there and
// for a new one.
func TestReloadOfSettingsUnderLoad(t *testing.T) {
	dir := application(t, map[string]string{"app.py": settingsApp, "rickhouse.toml": settingsConfig("")})
	s := start(t, dir)
	dial := func() *testkit.Raw {
		raw, err := s.Raw()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = raw.Close() })
		return raw
	}
	l := &traffic{t: t}
	defer l.end()
	l.begin(s, []string{"/", "/slow", "/text", "/x"}, func(path, answer string) bool {
		return answer == map[bool]string{true: "text", false: "app 0"}[path == "/text"]
	})
	for _, set := range reloadableSettings() {
		l.more(20)
		if set.request == "" {
			mustReload(t, dir, settingsConfig(set.line))
			continue
		}
		mustReload(t, dir, settingsConfig(""))
		there := dial()
		if got, status := set.ask(t, there); status != 200 || set.shows != "" && strings.Contains(got, set.shows) {
			t.Errorf("without %s: %d %s", set.line, status, got)
		}
		mustReload(t, dir, settingsConfig(set.line))
		for what, raw := range map[string]*testkit.Raw{"a connection that was there": there, "a new connection": dial()} {
			if got, status := set.ask(t, raw); status != set.status || !strings.Contains(got, set.shows) {
				t.Errorf("%s, %s: %d %s", set.line, what, status, got)
			}
		}
	}
	l.more(20)
	l.end()
}

// log_format holds at once.
func TestReloadOfTheLogFormat(t *testing.T) {
	dir := application(t, map[string]string{"rickhouse.toml": "[[routes]]\nstatus = 200\n"})
	s := start(t, dir)
	for _, c := range []struct{ format, line string }{
		{"json", `(?m)^{"time":.*"msg":"changed: log_format: \\"text\\" -> \\"json\\""}$`},
		{"text", `(?m)^[^{].* INFO  changed: log_format: "json" -> "text"$`},
	} {
		mustReload(t, dir, fmt.Sprintf("log_format = %q\n[[routes]]\nstatus = 200\n", c.format))
		if _, err := s.Log.Wait(c.line, 1, testkit.Patience); err != nil {
			t.Error(err)
		}
	}
}

// TLS, HTTP/3 and what they have answers carry can be turned on and off: for new
// connections, while those that are there stay as they are.
func TestReloadOfTLS(t *testing.T) {
	const bind, routes = patient + "bind = [\"127.0.0.1:0\"]\n", "[[routes]]\nscheme = \"https\"\nrespond = \"secure\"\n[[routes]]\nrespond = \"clear\"\n"
	dir := application(t, map[string]string{"rickhouse.toml": bind + routes})
	s := startWith(t, testkit.Options{Dir: dir, Bound: true})
	// ask asks a client, whose connection stays, and returns the answer's content and
	// what it says of TLS.
	ask := func(client *http.Client, scheme string) string {
		t.Helper()
		res, err := client.Get(scheme + "://" + s.Addr() + "/")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		text, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("%s %s [%s]", res.Proto, text, strings.Join(res.Header["Strict-Transport-Security"], ","))
	}
	insecure := &tls.Config{InsecureSkipVerify: true}
	fresh := func() *http.Client {
		transport := &http.Transport{TLSClientConfig: insecure.Clone(), ForceAttemptHTTP2: true}
		t.Cleanup(transport.CloseIdleConnections)
		return &http.Client{Transport: transport, Timeout: testkit.Patience}
	}
	want := func(what string, client *http.Client, scheme, text string) {
		t.Helper()
		if got := ask(client, scheme); got != text {
			t.Errorf("%s: got %q, want %q", what, got, text)
		}
	}
	clear := oneConnection(t, s.Addr(), nil)
	want("at first", clear, "http", "HTTP/1.1 clear []")
	mustReload(t, dir, "tls = \"internal\"\nhttp2 = false\n"+bind+routes)
	secure := oneConnection(t, s.Addr(), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2", "http/1.1"}})
	want("with TLS", secure, "https", "HTTP/1.1 secure []")
	want("a connection in cleartext that was there", clear, "http", "HTTP/1.1 clear []")
	mustReload(t, dir, "tls = \"internal\"\nhsts = \"max-age=1\"\nhttp3 = true\n"+bind+routes)
	want("a connection by TLS that was there", secure, "https", "HTTP/1.1 secure [max-age=1]")
	want("with HTTP/2", fresh(), "https", "HTTP/2.0 secure [max-age=1]")
	overQUIC := func() *http.Client {
		transport := &http3.Transport{TLSClientConfig: insecure.Clone(), QUICConfig: &quic.Config{HandshakeIdleTimeout: testkit.Patience}}
		t.Cleanup(func() { _ = transport.Close() })
		return &http.Client{Transport: transport, Timeout: testkit.Patience}
	}
	third := overQUIC()
	want("with HTTP/3", third, "https", "HTTP/3.0 secure [max-age=1]")
	mustReload(t, dir, "tls = \"internal\"\nhsts = \"max-age=2\"\nhttp3 = true\n"+bind+routes)
	want("with another hsts over HTTP/3", third, "https", "HTTP/3.0 secure [max-age=2]")
	configure(t, dir, bind+"[apps.web]\nwsgi = \"missing:app\"\n"+routes)
	if code, out := reload(t, dir); code != 1 {
		t.Errorf("without TLS, and an application that does not start: exit status %d\n%s", code, out)
	}
	want("when that was refused", fresh(), "https", "HTTP/2.0 secure [max-age=2]")
	mustReload(t, dir, bind+routes)
	want("without TLS", fresh(), "http", "HTTP/1.1 clear []")
	want("a connection by TLS that was there", secure, "https", "HTTP/1.1 secure []")
	// The connection over HTTP/3 is closed, and then its socket.
	configure(t, dir, "tls = \"internal\"\nhttp3 = true\n"+bind+routes)
	err := testkit.Until(testkit.Patience, func() (bool, string) {
		code, out := reload(t, dir)
		return code == 0, out
	})
	if err != nil {
		t.Fatal(err)
	}
	want("with HTTP/3 again", overQUIC(), "https", "HTTP/3.0 secure []")
}

// oneConnection is a client of HTTP/1 that has made its only connection: net/http makes
// another where a request is not known to be written 50 ms after its answer has come.
func oneConnection(t *testing.T, address string, secure *tls.Config) *http.Client {
	t.Helper()
	c, err := net.DialTimeout("tcp", address, testkit.Patience)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if secure != nil {
		c = tls.Client(c, secure)
	}
	return &http.Client{Transport: &connection{c, bufio.NewReader(c)}}
}

type connection struct {
	net.Conn
	answers *bufio.Reader
}

// RoundTrip implements http.RoundTripper.
func (c *connection) RoundTrip(q *http.Request) (*http.Response, error) {
	if err := c.SetDeadline(time.Now().Add(testkit.Patience)); err != nil {
		return nil, err
	}
	if err := q.Write(c); err != nil {
		return nil, err
	}
	return http.ReadResponse(c.answers, q)
}

// redirect_http follows the address that is TLS.
func TestReloadOfTheRedirect(t *testing.T) {
	config := func(bind string) string {
		return "tls = \"internal\"\nbind = [\"" + bind + "\"]\nredirect_http = \"127.0.0.1:0\"\n[[routes]]\nrespond = \"secure\"\n"
	}
	dir := application(t, map[string]string{"rickhouse.toml": config("127.0.0.1:0")})
	s := startWith(t, testkit.Options{Dir: dir, Bound: true})
	from := regexp.MustCompile(`http://127\.0\.0\.1:\d+`).FindString(s.Log.String())
	if from == "" {
		t.Fatal("the server does not say where it redirects")
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	t.Cleanup(transport.CloseIdleConnections)
	client := &http.Client{Transport: transport, Timeout: testkit.Patience}
	var seen []string
	for _, bind := range []string{"127.0.0.1:0", "localhost:0"} {
		mustReload(t, dir, config(bind))
		res, err := client.Get(from + "/")
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err != nil || string(text) != "secure" {
			t.Errorf("%s: got %q, %v", bind, text, err)
		}
		seen = append(seen, res.Request.URL.String())
	}
	if seen[0] == seen[1] || !strings.HasPrefix(seen[1], "https://127.0.0.1:") {
		t.Errorf("clients were sent to %q", seen)
	}
}

// The file with the process id moves; one that cannot be written refuses the reload.
func TestReloadOfThePIDFile(t *testing.T) {
	config := func(path string) string {
		return fmt.Sprintf("pid_file = %q\n[[routes]]\nstatus = 200\n", path)
	}
	dir := application(t, map[string]string{"rickhouse.toml": config("one.pid")})
	s := start(t, dir)
	has := func(name string, want bool) {
		t.Helper()
		text, err := os.ReadFile(filepath.Join(dir, name))
		if got := strings.TrimSpace(string(text)) == fmt.Sprint(s.PID()); got != want || !want && !os.IsNotExist(err) {
			t.Errorf("%s has %q, %v", name, text, err)
		}
	}
	configure(t, dir, config("nowhere/two.pid"))
	if code, out := reload(t, dir); code == 0 || !strings.Contains(out, "nowhere/two.pid") {
		t.Errorf("reload ended with %d:\n%s", code, out)
	}
	has("one.pid", true)
	mustReload(t, dir, config("two.pid"))
	has("one.pid", false)
	has("two.pid", true)
	mustReload(t, dir, config(""))
	has("two.pid", false)
}
