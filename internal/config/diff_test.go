package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// loadText loads a file with that text.
func loadText(t *testing.T, dir, text string) Server {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, FileName), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s, _, err := Load(Sources{Directory: dir, Environ: os.Environ()})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestDiff(t *testing.T) {
	const web = "[apps.web]\nwsgi = \"shop\"\n"
	const a, b, c = "[[routes]]\npath = \"/a\"\nstatus = 200\n", "[[routes]]\npath = \"/b\"\nstatus = 200\n", "[[routes]]\npath = \"/c\"\nrespond = \"c\"\n"
	for _, test := range []struct {
		name, from, to string
		want           []string
	}{
		{"nothing", web, "# a comment\n" + web, nil},
		{"a default that is written", web, "max_line = \"8KiB\"\n" + web, nil},
		{"the top level", web, "max_body = \"1MiB\"\nshutdown_timeout = \"1s\"\nloops = 3\n" + web, []string{
			"loops: 0 -> 3 (restart)", "shutdown_timeout: 30s -> 1s", "max_body: 100MiB -> 1MiB",
		}},
		{"a list", "bind = [\":80\"]\n" + web, "bind = [\":80\", \"127.0.0.1:81\"]\n" + web, []string{
			`bind: [":80"] -> [":80", "127.0.0.1:81"]`,
		}},
		{"an inverted key", web, "http2 = false\n" + web, []string{"http2: true -> false"}},
		{"an application", web, web + "threads = 2\nwsgi_ = 1\n"[:12], []string{"apps.web: threads: 1 -> 2"}},
		{"secrets", web + `environment = {KEY = "hidden one"}`, web + `environment = {KEY = "hidden two", OTHER = "hidden"}`, []string{
			"apps.web: environment: {KEY} -> {KEY, OTHER}",
		}},
		{"a secret alone", web + `environment = {KEY = "hidden one"}`, web + `environment = {KEY = "hidden two"}`, []string{
			"apps.web: environment: (not shown) -> (another, not shown)",
		}},
		{"another application", web, "[apps.api]\nasgi = \"api\"\n", []string{
			"apps.web removed: shop", "apps.api added: api", `routes[1]: app: "web" -> "api"`,
		}},
		{"a route in between", a + c, a + b + c, []string{`routes[2] added: path = "/b", status = 200`}},
		{"a route less", a + b + c, a + c, []string{`routes[2] removed: path = "/b", status = 200`}},
		{"the last route", a + b + c, a + b, []string{`routes[3] removed: path = "/c", respond = "c"`}},
		{"a route of its own", a + b, a + strings.Replace(b, "200", "204", 1), []string{"routes[2]: status: 200 -> 204"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			var got []string
			for _, c := range Diff(loadText(t, dir, test.from), loadText(t, dir, test.to)) {
				text := c.String()
				if c.Restart {
					text += " (restart)"
				}
				if strings.Contains(text, "hidden") {
					t.Errorf("a secret is shown: %s", text)
				}
				got = append(got, text)
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(test.want, "\n"))
			}
		})
	}
}

func TestUsersInURLsAreNotShown(t *testing.T) {
	if got := withoutUser(`"http://user:pass@host/x"`); got != `"http://(not shown)@host/x"` {
		t.Errorf("got %s", got)
	}
}

// What a reload writes and logs must not have what is secret.
func TestSecretsAreMarked(t *testing.T) {
	keys := AllKeys()
	for _, k := range slices.Concat(keys.Top, keys.App, keys.Route, keys.Forward, keys.Role) {
		for _, word := range []string{"secret", "password", "token"} {
			if strings.Contains(k.Name, word) && !k.Secret {
				t.Errorf("the key %s has no tag secret", k.Name)
			}
		}
	}
	dir := t.TempDir()
	route := "[[routes]]\nproxy = [\"http://127.0.0.1:1\"]\nsticky_cookie = \"upstream\"\nsticky_secret = \"hidden %s of sixteen octets\"\n"
	changes := Diff(loadText(t, dir, strings.Replace(route, "%s", "one", 1)), loadText(t, dir, strings.Replace(route, "%s", "two", 1)))
	if len(changes) != 1 || changes[0].Key != "sticky_secret" || strings.Contains(changes[0].String(), "hidden") {
		t.Errorf("got %v", changes)
	}
}
