package story

import (
	"fmt"
	"strings"
	"testing"

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

// settingsConfig is a configuration with line at the top.
func settingsConfig(line string) string {
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
		there := dial()
		if set.request == "" {
			mustReload(t, dir, settingsConfig(set.line))
			continue
		}
		mustReload(t, dir, settingsConfig(""))
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
