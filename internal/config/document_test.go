package config

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestPlaces(t *testing.T) {
	d, err := parse([]byte("\xef\xbb\xbfa = 1\n" + `"q\u0041" . b = [ "é", "x", # comment
  { y = 2, z.w = true } ]
[[r.s]]
  f = 1.5
[[r.s]]
f = 2.5
[r.s.sub]
g = """
text"""
[t] # é
k = 1
`))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		path  string
		key   place
		value place
	}{
		{"a", place{1, 1}, place{1, 5}},
		{"qA", place{2, 1}, place{2, 1}},
		{"qA.b", place{2, 13}, place{2, 17}},
		{"qA.b.0", place{2, 19}, place{2, 19}},
		{"qA.b.1", place{2, 24}, place{2, 24}},
		{"qA.b.2.y", place{3, 5}, place{3, 9}},
		{"qA.b.2.z.w", place{3, 14}, place{3, 18}},
		{"r.s.0", place{4, 5}, place{4, 5}},
		{"r.s.0.f", place{5, 3}, place{5, 7}},
		{"r.s.1", place{6, 5}, place{6, 5}},
		{"r.s.1.f", place{7, 1}, place{7, 5}},
		{"r.s.1.sub.g", place{9, 1}, place{9, 5}},
		{"t.k", place{12, 1}, place{12, 5}},
		{"t.missing", place{11, 2}, place{11, 2}},
		{"missing", place{1, 1}, place{1, 1}},
	} {
		path := strings.Split(tt.path, ".")
		if k, v := d.key(path...), d.value(path...); k != tt.key || v != tt.value {
			t.Errorf("%s: key at %v, value at %v; want %v, %v", tt.path, k, v, tt.key, tt.value)
		}
	}
}

func FuzzDocument(f *testing.F) {
	for _, s := range []string{
		"", app, "bind = [\":80\", 1]\n", "[apps.web]\nwsgi = \"a:b\"\nenvironment = {A = \"1\", B = 2}\n[[routes]]\napp = \"x\"\nhost = \"*.a\"\n",
		"[tool.rickhouse]\nloops = 1\n", "a.b.c = [[1, {x = 1}], []]\n[[a.d]]\n[[a.d.e]]\n[a.d.e.f]\n", "apps = 1\nroutes = {}\n",
		"shutdown_timeout = \"1h\"\nspool_max = 0\nloops = 0x10\n", "\"\" = 1\n[\"\".\"\\n\"]\n", "x = 1979-05-27T07:32:00Z\ny = inf\nz = nan\n",
		"[apps.\"a\\nb\"]\n", "k = \"\"\"\nx\"\"\"\n[apps.web]\nwsgi = '''a'''\n",
	} {
		f.Add(s)
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text string) {
		for _, name := range []string{FileName, PyprojectName} {
			l := newLoader(Sources{Directory: dir, File: name})
			l.document(name, filepath.Join(dir, name), []byte(text))
			l.check()
			lines := strings.Count(text, "\n") + 1
			for _, p := range append(l.mistakes, l.warnings...) {
				if p.Where == "" && strings.HasPrefix(p.Text, name+" names no application") || p.Where == "" && strings.HasPrefix(p.Text, "no application") {
					continue
				}
				if p.Where != name || p.Line < 1 || p.Line > lines || p.Column < 1 || p.Column > len(text)+1 {
					t.Errorf("%q: no place in the file: %v", text, p)
				}
				if p.Text == "" || strings.ContainsFunc(p.Text, func(r rune) bool { return r < ' ' || r == 0x7f }) {
					t.Errorf("%q: a text that is none, or with control characters: %q", text, p.Text)
				}
			}
		}
	})
}

func FuzzText(f *testing.F) {
	for _, s := range []string{"", "1", "1s", "64KiB", "true", "a,b", "A=1,B", "-9223372036854775809", "1e400", "short"} {
		f.Add(s)
	}
	keys := AllKeys()
	f.Fuzz(func(t *testing.T, text string) {
		for _, list := range [][]Key{keys.Top, keys.App, keys.Route} {
			for _, k := range list {
				if v, fault := k.fromText(text); fault == nil && v == nil || fault != nil && fault.text == "" {
					t.Errorf("%s = %q: neither a value nor a mistake", k.Name, text)
				}
			}
		}
	})
}

func TestLargeFile(t *testing.T) {
	dir := folder(t, map[string]string{FileName: "#" + strings.Repeat("x", maxFile)})
	if _, _, err := Load(Sources{Directory: dir}); err == nil || err.Error() != "rickhouse.toml: is larger than 4 MiB" {
		t.Error(err)
	}
}
