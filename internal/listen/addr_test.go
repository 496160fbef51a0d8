package listen

import (
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for _, c := range []struct {
		text string
		want Addr
		url  string
	}{
		{"127.0.0.1:8000", Addr{Host: "127.0.0.1", Port: 8000}, "http://127.0.0.1:8000"},
		{":8000", Addr{Port: 8000}, "http://127.0.0.1:8000"},
		{"0.0.0.0:80", Addr{Host: "0.0.0.0", Port: 80}, "http://127.0.0.1:80"},
		{"[::]:80", Addr{Host: "::", Port: 80}, "http://[::1]:80"},
		{"[::1]:65535", Addr{Host: "::1", Port: 65535}, "http://[::1]:65535"},
		{"[fe80::1%eth0]:80", Addr{Host: "fe80::1%eth0", Port: 80}, "http://[fe80::1%25eth0]:80"},
		{"localhost:0", Addr{Host: "localhost"}, "localhost:0"},
		{"example.com:8000", Addr{Host: "example.com", Port: 8000}, "http://example.com:8000"},
		{"unix:/run/web.sock", Addr{Path: "/run/web.sock"}, "unix:/run/web.sock"},
		{"unix:web:1.sock", Addr{Path: "web:1.sock"}, "unix:web:1.sock"},
		{"fd:3", Addr{Inherited: true, FD: 3}, "fd:3"},
		{"http://127.0.0.1:80", Addr{Host: "127.0.0.1", Port: 80, HTTP: true}, "http://127.0.0.1:80"},
		{"http://:80", Addr{Port: 80, HTTP: true}, "http://127.0.0.1:80"},
		{"uwsgi://127.0.0.1:3031", Addr{Host: "127.0.0.1", Port: 3031, Gateway: "uwsgi"}, "uwsgi://127.0.0.1:3031"},
		{"fastcgi://unix:/run/app.sock", Addr{Path: "/run/app.sock", Gateway: "fastcgi"}, "fastcgi://unix:/run/app.sock"},
		{"scgi://fd:3", Addr{Inherited: true, FD: 3, Gateway: "scgi"}, "scgi://fd:3"},
	} {
		got, err := Parse(c.text)
		if err != nil || got != c.want {
			t.Errorf("Parse(%q) = %+v, %v; want %+v", c.text, got, err, c.want)
			continue
		}
		if got.String() != c.text || got.URL() != c.url {
			t.Errorf("%q is written %q with the URL %q, want %q", c.text, got.String(), got.URL(), c.url)
		}
	}
}

func TestParseAdvises(t *testing.T) {
	for text, advice := range map[string]string{
		"":                       "write host:port",
		"uwsgi://":               "write host:port",
		"uwsgi://http://a:1":     "write host:port",
		"fastcgi://127.0.0.1":    "127.0.0.1:8000",
		"8000":                   "127.0.0.1:8000",
		"127.0.0.1":              "127.0.0.1:8000",
		"::1":                    "[::1]:8000",
		"1:2:3":                  "write host:port",
		"127.0.0.1:http":         "number from 0 to 65535",
		"127.0.0.1:65536":        "number from 0 to 65535",
		"127.0.0.1:-1":           "number from 0 to 65535",
		"https://127.0.0.1:443/": "-b 127.0.0.1:443; the key tls",
		"http://127.0.0.1":       "127.0.0.1:8000",
		"http://a/b:80":          "write host:port",
		"[a:b]:80":               "write host:port",
		"a b:80":                 "write host:port",
		"unix:":                  "path of the socket",
		"unix:@name":             "unix:./@name",
		"unix:a\x00b":            "NUL",
		"fd:":                    "number of an inherited socket",
		"fd:2":                   "3 or more",
		"fd:-1":                  "number of an inherited socket",
		"fd:99999999999":         "number of an inherited socket",
	} {
		if got, err := Parse(text); err == nil || !strings.Contains(err.Error(), advice) {
			t.Errorf("Parse(%q) = %+v, %v; want an error with %q", text, got, err, advice)
		}
	}
}

func TestURLOfTLS(t *testing.T) {
	a := Addr{Host: "0.0.0.0", Port: 443, TLS: true}
	if got := a.URL(); got != "https://127.0.0.1:443" {
		t.Errorf("the URL is %s", got)
	}
}

func FuzzParse(f *testing.F) {
	for _, text := range []string{"127.0.0.1:8000", ":1", "[::1]:2", "unix:/a", "fd:3", "http://x"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		a, err := Parse(text)
		if err != nil {
			return
		}
		if b, err := Parse(a.String()); err != nil || a != b {
			t.Errorf("%q is read as %+v, written %q and read as %+v, %v", text, a, a, b, err)
		}
		if a.URL() == "" {
			t.Errorf("%q has no URL", text)
		}
	})
}
