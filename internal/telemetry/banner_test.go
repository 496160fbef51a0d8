package telemetry

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"
)

func banner() Banner {
	return Banner{
		Version: "0.1.0", Addresses: []string{"http://127.0.0.1:8000", "unix:/run/shop.sock"}, PID: 42, Config: "rickhouse.toml",
		Apps: []BannerApp{{Name: "web", Target: "shop:app", Interface: "wsgi", Workers: 2, Threads: 1, Python: "CPython 3.13.0", Twin: "extension"}},
	}
}

func TestBannerOnATerminal(t *testing.T) {
	var out bytes.Buffer
	Announce(nil, Stream{Writer: &out, Terminal: true}, banner())
	want := `
  Rickhouse 0.1.0 is serving

  at       http://127.0.0.1:8000
           unix:/run/shop.sock
  app      shop:app (wsgi)
  workers  2 processes × 1 thread
  python   CPython 3.13.0
  config   rickhouse.toml
  pid      42, Ctrl-C stops

`
	if out.String() != want {
		t.Errorf("got %s\nwant %s", out.String(), want)
	}
}

func TestBannerHasTheRedirect(t *testing.T) {
	b := banner()
	b.Redirect = "http://127.0.0.1:80"
	if got := string(appendBanner(nil, false, b)); !strings.Contains(got, "/run/shop.sock\n           http://127.0.0.1:80 (leads to https)\n") {
		t.Error(got)
	}
	var err bytes.Buffer
	s := Stream{Writer: &err}
	tel := Open(Config{}, Stream{Writer: &bytes.Buffer{}}, s)
	Announce(tel.Log, s, b)
	if e := tel.Close(time.Minute); e != nil {
		t.Fatal(e)
	}
	if !strings.Contains(err.String(), "redirect_http=http://127.0.0.1:80 version=") {
		t.Error(err.String())
	}
}

func TestBannerSaysWhatIsSlow(t *testing.T) {
	b := banner()
	b.Apps[0].Twin = "python"
	b.Apps = append(b.Apps, b.Apps[0])
	b.Apps[1].Name = "api"
	got := string(appendBanner(nil, false, b))
	if strings.Count(got, "(pure Python: slower)") != 2 || !strings.Contains(got, "app      api = shop:app (wsgi)") {
		t.Error(got)
	}
	if strings.Contains(got, "\x1b") || !strings.Contains(string(appendBanner(nil, true, b)), "\x1b[1mRickhouse\x1b[0m") {
		t.Error("colours where none are wanted, or none where they are")
	}
}

func TestBannerKeepsItsPlace(t *testing.T) {
	var out, err bytes.Buffer
	tel := Open(Config{}, Stream{Writer: &out}, Stream{Writer: &err, Terminal: true})
	tel.Log.Info("before")
	Announce(tel.Log, tel.Err, banner())
	tel.Log.Info("after")
	if e := tel.Close(time.Minute); e != nil {
		t.Fatal(e)
	}
	got := err.String()
	at := []int{strings.Index(got, "before"), strings.Index(got, "is serving"), strings.Index(got, "after")}
	if at[0] < 0 || at[1] < at[0] || at[2] < at[1] {
		t.Errorf("out of order: %s", got)
	}
}

func TestBannerElsewhere(t *testing.T) {
	var out, err bytes.Buffer
	s := Stream{Writer: &err}
	tel := Open(Config{}, Stream{Writer: &out}, s)
	Announce(tel.Log, s, banner())
	if e := tel.Close(time.Minute); e != nil {
		t.Fatal(e)
	}
	for _, want := range []string{
		`INFO  [web] application ready target=shop:app interface=wsgi workers=2 threads=1 python="CPython 3.13.0" twin=extension`,
		`INFO  serving addresses="http://127.0.0.1:8000 unix:/run/shop.sock" version=0.1.0 pid=42`,
	} {
		if !strings.Contains(err.String(), want) {
			t.Errorf("%s\nlacks %s", err.String(), want)
		}
	}
}

func TestStreamOf(t *testing.T) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	if s := StreamOf(null, os.Getenv); s.Terminal || s.Color {
		t.Errorf("%s passes for a terminal", os.DevNull)
	}
	if s := StreamOf(&bytes.Buffer{}, os.Getenv); s.Terminal || s.Color {
		t.Error("a buffer passes for a terminal")
	}
}
