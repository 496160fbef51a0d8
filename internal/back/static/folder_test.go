package static

import (
	"strings"
	"testing"

	"rickhouse/internal/exchange"
)

// What is kept of a folder is there for the next Handler, which answers with its own
// fields and by its own rules.
func TestAFolderOutlivesItsHandlers(t *testing.T) {
	dir := folder(t, map[string]string{"a.css": "old", "a.css.gz": "zip", "large.css": strings.Repeat("l", smallFile+1)})
	past(t, dir, "a.css", "a.css.gz", "large.css")
	first := serve(t, Config{Files: dir, CacheControl: map[string]string{"*": "max-age=1"}})
	if d := ask(t, first, "GET", "", "/a.css"); d.content.String() != "old" || d.field("Cache-Control") != "max-age=1" {
		t.Fatalf("%q\n%s", d.content.String(), d.fields)
	}
	ask(t, first, "GET", "", "/large.css")
	ask(t, first, "GET", "", "/a.css", "Accept-Encoding: gzip")
	// The very octets and the very file: what is looked at again, as it is old, is not
	// read again.
	kept := func(name string, i int) any {
		v := &first.folder.cache.known(name).variants[i]
		if v.open != nil {
			return v.open
		}
		return &v.content[0]
	}
	plain, coded, held := kept("a.css", 0), kept("a.css", 1), kept("large.css", 0)
	for name, tt := range map[string]struct {
		cfg   Config
		field string
		want  string
	}{
		"the same":      {Config{CacheControl: map[string]string{"*": "max-age=1"}}, "Cache-Control", "max-age=1"},
		"cache_control": {Config{CacheControl: map[string]string{"*": "max-age=2"}}, "Cache-Control", "max-age=2"},
		"no fields":     {Config{}, "Cache-Control", ""},
		"download":      {Config{Download: []string{"*.css"}}, "Content-Disposition", `attachment; filename="a.css"`},
		"try":           {Config{Try: []string{"{path}", "next"}}, "Cache-Control", ""},
		"listing":       {Config{Listing: true, Index: []string{"a.css"}}, "Cache-Control", ""},
	} {
		t.Run(name, func(t *testing.T) {
			tt.cfg.Files = dir
			h := New(tt.cfg, first.folder, first.pool)
			h.Before(exchange.HandlerFunc(func(x *exchange.Exchange) { x.Answer(299, "next\n") }))
			for _, coding := range []string{"", "gzip"} {
				d := ask(t, h, "GET", "", "/a.css", "Accept-Encoding: "+coding)
				if want := map[string]string{"": "old", "gzip": "zip"}[coding]; d.content.String() != want || d.field("Content-Encoding") != coding {
					t.Errorf("%q: %q\n%s", coding, d.content.String(), d.fields)
				}
				if d.field(tt.field) != tt.want {
					t.Errorf("%s is %q, want %q", tt.field, d.field(tt.field), tt.want)
				}
				if d.field("Vary") != "Accept-Encoding" {
					t.Errorf("there are encodings\n%s", d.fields)
				}
			}
			if d := ask(t, h, "GET", "", "/large.css"); d.files != 1 || kept("large.css", 0) != held {
				t.Error("a file that is held is opened again")
			}
			if kept("a.css", 0) != plain || kept("a.css", 1) != coded {
				t.Error("what is in memory is read again")
			}
			// The one before goes on with its own fields for as long as it serves.
			if d := ask(t, first, "GET", "", "/a.css"); d.field("Cache-Control") != "max-age=1" {
				t.Errorf("before:\n%s", d.fields)
			}
		})
	}
}

// Only what decides what is kept of a folder makes it another one.
func TestFolderConfig(t *testing.T) {
	base := Config{Files: "public"}
	for name, tt := range map[string]struct {
		cfg  Config
		same bool
	}{
		"defaults": {Config{Files: "public", FilesMemory: 16 << 20, Try: []string{"{path}"}, Index: []string{"index.html"}}, true},
		"fields":   {Config{Files: "public", CacheControl: map[string]string{"*": "no-cache"}, Immutable: true, Download: []string{"*"}}, true},
		"names":    {Config{Files: "public", Index: []string{"a"}, Try: []string{"/a"}, Listing: true}, true},
		"path":     {Config{Files: "other"}, false},
		"links":    {Config{Files: "public", Symlinks: true}, false},
		"siblings": {Config{Files: "public", NoSiblings: true}, false},
		"memory":   {Config{Files: "public", FilesMemory: 1}, false},
	} {
		if got := tt.cfg.Folder() == base.Folder(); got != tt.same {
			t.Errorf("%s: the same folder: %v", name, got)
		}
	}
}
