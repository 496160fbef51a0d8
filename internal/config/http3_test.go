package config

import (
	"strings"
	"testing"
)

func TestHTTP3NeedsTLS(t *testing.T) {
	app := "[apps.web]\nwsgi = \"a:b\"\n"
	_, _, err := Load(Sources{Directory: folder(t, map[string]string{FileName: "http3 = true\n" + app})})
	want := "rickhouse.toml:1:9: http3: HTTP/3 is always TLS: set tls as well, or leave http3 out"
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %s", err, want)
	}
	s, _, err := Load(Sources{Directory: folder(t, map[string]string{FileName: "http3 = true\ntls = \"internal\"\n" + app})})
	if err != nil || !s.HTTP3.On || s.HTTP3.MaxStreams != 100 {
		t.Errorf("got %+v, %v", s.HTTP3, err)
	}
}
