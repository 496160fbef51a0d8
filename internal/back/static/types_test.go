package static

import (
	"strings"
	"testing"
)

// Text has its charset, whatever the machine knows, and what nobody knows is octets.
func TestContentTypes(t *testing.T) {
	files := map[string]string{
		"a.html": "text/html; charset=utf-8", "A.HTM": "text/html; charset=utf-8", "a.min.css": "text/css; charset=utf-8",
		"a.js": "text/javascript; charset=utf-8", "a.mjs": "text/javascript; charset=utf-8", "a.txt": "text/plain; charset=utf-8",
		"a.json": "application/json", "a.svg": "image/svg+xml", "a.png": "image/png", "a.woff2": "font/woff2", "a.wasm": "application/wasm",
		"a.pdf": "application/pdf", "a.webmanifest": "application/manifest+json", "a.no-such-type": "application/octet-stream",
		"noext": "application/octet-stream", "a.": "application/octet-stream", "html": "application/octet-stream",
	}
	h := serve(t, Config{Files: folder(t, files)})
	for name, want := range files {
		if d := ask(t, h, "GET", "", "/"+name); d.status != 200 || d.field("Content-Type") != want {
			t.Errorf("%s: %d %q, want %q", name, d.status, d.field("Content-Type"), want)
		}
	}
	for ext, is := range types {
		if strings.HasPrefix(is, "text/") != strings.HasSuffix(is, "; charset=utf-8") {
			t.Errorf("%s is %s", ext, is)
		}
	}
}
