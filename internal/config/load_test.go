package config

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"rickhouse/internal/route"
	"rickhouse/internal/units"
)

// folder makes a folder with files of the given names and contents.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestPrecedence(t *testing.T) {
	dir := folder(t, map[string]string{"rickhouse.toml": `
		bind = ["127.0.0.1:1"]
		shutdown_timeout = "1s"
		spool_memory = "1KiB"
		[apps.web]
		wsgi = "file:app"
		workers = 3
		threads = 4
		request_timeout = "5s"
	`})
	s, warnings, err := Load(Sources{
		Directory: dir,
		Target:    "target:app",
		Environ: []string{
			"PATH=/bin", "RICKHOUSE_BIND=127.0.0.1:2, 127.0.0.1:3", "RICKHOUSE_SHUTDOWN_TIMEOUT=2s",
			"RICKHOUSE_WORKERS=5", "RICKHOUSE_THREADS=6", "RICKHOUSE_STREAM_INPUT=yes", "RICKHOUSE_ENVIRONMENT=A=1,B=x=y",
			"RICKHOUSE_LINK=3", "RICKHOUSE_LEDGER=4", "RICKHOUSE_CONFIG=elsewhere", "RICKHOUSE_SPOOL_MAX=",
		},
		Flags: []Flag{{"-b", "bind", []string{":4", ":5"}}, {"-w", "workers", []string{"7"}}, {"--access-log", "access_log", []string{"json"}}},
	})
	if err != nil || len(warnings) != 0 {
		t.Fatal(err, warnings)
	}
	a := s.Apps[0]
	for _, c := range []struct {
		key       string
		got, want any
	}{
		{"bind", s.General.Bind, []string{":4", ":5"}},
		{"shutdown_timeout", s.General.ShutdownTimeout, 2 * time.Second},
		{"spool_memory", s.Spool.Memory, units.KiB},
		{"access_log", s.Telemetry.AccessLog, "json"},
		{"log_level", s.Telemetry.LogLevel, "info"},
		{"name", a.Name, "web"},
		{"wsgi", a.WSGI, "target:app"},
		{"workers", a.Workers, 7},
		{"threads", a.Threads, 6},
		{"request_timeout", a.RequestTimeout, 5 * time.Second},
		{"stream_input", a.StreamInput, true},
		{"environment", a.Environment, map[string]string{"A": "1", "B": "x=y"}},
		{"directory", a.Directory, dir},
		{"routes", s.Routes, []Route{{Config: route.Config{App: "web"}}}},
		{"file", s.File, "rickhouse.toml"},
	} {
		if !reflect.DeepEqual(c.got, c.want) {
			t.Errorf("%s = %v, want %v", c.key, c.got, c.want)
		}
	}
}

func TestWhereTheFileIs(t *testing.T) {
	const app = "[apps.web]\nwsgi = \"a:app\"\n"
	tool := strings.ReplaceAll(app, "[apps", "[tool.rickhouse.apps")
	dir := folder(t, map[string]string{
		"both/rickhouse.toml":      app,
		"both/pyproject.toml":      "[tool.rickhouse]\nworker = 1\n",
		"project/pyproject.toml":   "[project]\nname = \"x\"\n\n" + tool,
		"unrelated/pyproject.toml": "[project]\nname = \"rickhouse-fan\"\n",
		"broken/pyproject.toml":    "[project\n",
		"conf/site.toml":           app + "directory = \"src\"\npython = \"env\"\n",
		"conf/src/a.py":            "",
		"conf/env/bin/python":      "",
		"empty/x":                  "",
	})
	for _, tt := range []struct {
		name, cwd, file, file2, target string
		directory                      string // of the application, in dir
	}{
		{name: "rickhouse.toml comes first", cwd: "both", file2: "rickhouse.toml", directory: "both"},
		{name: "pyproject.toml with the table", cwd: "project", file2: "pyproject.toml", directory: "project"},
		{name: "pyproject.toml without the table", cwd: "unrelated", target: "a:b", directory: "unrelated"},
		{name: "pyproject.toml that is not ours to judge", cwd: "broken", target: "a:b", directory: "broken"},
		{name: "no file", cwd: "empty", target: "a:b", directory: "empty"},
		{name: "named, relative", cwd: "empty", file: "../conf/site.toml", file2: "../conf/site.toml", directory: "conf/src"},
		{name: "named, with TARGET", cwd: "empty", file: "../both/rickhouse.toml", file2: "../both/rickhouse.toml", target: "a:b", directory: "empty"},
		{name: "named pyproject.toml", cwd: "empty", file: "../project/pyproject.toml", file2: "../project/pyproject.toml", directory: "project"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, _, err := Load(Sources{Directory: filepath.Join(dir, tt.cwd), File: tt.file, Target: tt.target})
			if err != nil {
				t.Fatal(err)
			}
			if s.File != tt.file2 {
				t.Errorf("read %q, want %q", s.File, tt.file2)
			}
			if want := filepath.Join(dir, tt.directory); s.Apps[0].Directory != want {
				t.Errorf("directory %s, want %s", s.Apps[0].Directory, want)
			}
		})
	}
	s, _, err := Load(Sources{Directory: dir, File: "conf/site.toml"})
	if want := filepath.Join(dir, "conf/env"); err != nil || s.Apps[0].Python != want {
		t.Errorf("python %s, want %s (%v)", s.Apps[0].Python, want, err)
	}
}

func TestRelativePaths(t *testing.T) {
	dir := folder(t, map[string]string{
		"conf/rickhouse.toml": "bind = [\"unix:run/x.sock\", \"unix:/run/y.sock\", \":80\", \"uwsgi://unix:run/z.sock\"]\nspool_directory = \"tmp\"\n[apps.web]\nwsgi = \"a\"\npython = \"python3\"\n",
		"conf/tmp/x":          "", "tmp/x": "", "app/x": "", "env/bin/python": "",
	})
	s, _, err := Load(Sources{Directory: dir, File: "conf/rickhouse.toml"})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"unix:" + dir + "/conf/run/x.sock", "unix:/run/y.sock", ":80", "uwsgi://unix:" + dir + "/conf/run/z.sock"}; !reflect.DeepEqual(s.General.Bind, want) {
		t.Errorf("bind %v, want %v", s.General.Bind, want)
	}
	if s.Spool.Directory != dir+"/conf/tmp" || s.Apps[0].Python != "python3" {
		t.Errorf("spool %s, python %s", s.Spool.Directory, s.Apps[0].Python)
	}
	s, _, err = Load(Sources{
		Directory: dir, File: "conf/rickhouse.toml", Environ: []string{"RICKHOUSE_SPOOL_DIRECTORY=tmp"},
		Flags: []Flag{{"--dir", "directory", []string{"app"}}, {"--python", "python", []string{"env"}}},
	})
	if err != nil || s.Spool.Directory != dir+"/tmp" || s.Apps[0].Directory != dir+"/app" || s.Apps[0].Python != dir+"/env" {
		t.Errorf("spool %s, %+v, %v", s.Spool.Directory, s.Apps[0], err)
	}
}

func TestInterface(t *testing.T) {
	dir := folder(t, map[string]string{"rickhouse.toml": "[apps.web]\nwsgi = \"a:app\"\n"})
	for _, tt := range []struct {
		target string
		flags  []Flag
		want   string
	}{
		{"", nil, "wsgi"},
		{"b:app", nil, "auto"},
		{"b:app", []Flag{{"--interface", "interface", []string{"wsgi"}}}, "wsgi"},
		{"b:app", []Flag{{"--interface", "interface", []string{"asgi"}}}, "asgi"},
	} {
		s, _, err := Load(Sources{Directory: dir, Target: tt.target, Flags: tt.flags})
		if err != nil || s.Apps[0].Interface != tt.want {
			t.Errorf("TARGET %q, %v: interface %q, want %q (%v)", tt.target, tt.flags, s.Apps[0].Interface, tt.want, err)
		}
	}
}

func TestSeveralApps(t *testing.T) {
	dir := folder(t, map[string]string{"rickhouse.toml": `
[[routes]]
path = "/api/*"
app = "api"
strip = true
rerun = false

[[routes]]
host = "example.com"
app = "web"

[apps.web]
wsgi = "web:app"

[apps.api]
wsgi = "api:app"
environment = {A = "1"}
environment.B = "2"
`})
	_, _, err := Load(Sources{Directory: dir})
	if err == nil || !strings.Contains(err.Error(), "rickhouse.toml:18:1: key environment is already defined") {
		t.Errorf("a table that is closed and added to: %v", err)
	}
	path := filepath.Join(dir, "rickhouse.toml")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data[:len(data)-len("environment.B = \"2\"\n")], 0o666); err != nil {
		t.Fatal(err)
	}
	s, _, err := Load(Sources{Directory: dir})
	if err != nil {
		t.Fatal(err)
	}
	if s.Apps[0].Name != "web" || s.Apps[1].Name != "api" || s.Apps[1].Environment["A"] != "1" {
		t.Errorf("apps %+v", s.Apps)
	}
	want := []Route{
		{Config: route.Config{Path: "/api/*", App: "api", Strip: true, NoRerun: true}},
		{Config: route.Config{Host: "example.com", App: "web"}},
	}
	if !reflect.DeepEqual(s.Routes, want) {
		t.Errorf("routes %+v, want %+v", s.Routes, want)
	}
}

// Files that routes name are in the folder of the file as well.
func TestFilesOfRoutesAreRelativeToTheFile(t *testing.T) {
	dir := folder(t, map[string]string{
		"conf/rickhouse.toml": "[apps.web]\nwsgi = \"a\"\npython = \"python3\"\n[[routes]]\npath = \"/a/*\"\napp = \"web\"\nx_sendfile = \"media\"\n" +
			"[[routes]]\nproxy = [\"https://up.example\"]\nupstream_ca = \"ca.pem\"\n",
		"conf/media/a": "",
	})
	_, _, err := Load(Sources{Directory: dir, File: "conf/rickhouse.toml"})
	if err == nil || strings.Contains(err.Error(), "x_sendfile") || !strings.Contains(err.Error(), "upstream_ca: open "+dir+"/conf/ca.pem: ") {
		t.Error(err)
	}
}
