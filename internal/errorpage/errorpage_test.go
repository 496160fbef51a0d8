package errorpage

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestCheck(t *testing.T) {
	err := errors.Join(Check("error_pages", map[string]string{"404": "a.html", "5xx": "b.TXT", "200": "a.html", "3xx": "a.html", "500": "a.pdf", "501": ""})...)
	const want = `error_pages[200]: "200" is not the status of an error: write 400 to 599, 4xx or 5xx
error_pages[3xx]: "3xx" is not the status of an error: write 400 to 599, 4xx or 5xx
error_pages[500]: "a.pdf" is not the name of a page: it ends in .html, .json, .txt, .xml or .svg
error_pages[501]: the page for 501 has no name`
	if err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
}

// One status counts more than a class, and what has no page is said in words.
func TestRead(t *testing.T) {
	dir := t.TempDir()
	files := map[string]string{}
	for status, name := range map[string]string{"404": "a.json", "4xx": "b.html", "599": "c.txt"} {
		files[status] = filepath.Join(dir, name)
		if err := os.WriteFile(files[status], []byte(status), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pages, err := Read("error_pages", files)
	if err != nil {
		t.Fatal(err)
	}
	for status, want := range map[int]string{
		400: "text/html; charset=utf-8 4xx", 404: "application/json 404", 499: "text/html; charset=utf-8 4xx",
		500: "text/plain; charset=utf-8 500 Internal Server Error\n", 599: "text/plain; charset=utf-8 599",
	} {
		if p := pages.Of(status); p.ContentType+" "+string(p.Content) != want {
			t.Errorf("%d: %s %q, want %q", status, p.ContentType, p.Content, want)
		}
	}
	if pages, err := Read("error_pages", nil); pages != nil || err != nil || string(pages.Of(404).Content) != "404 Not Found\n" {
		t.Errorf("no files: %v, %v", pages, err)
	}
	large := filepath.Join(dir, "large.html")
	if err := os.WriteFile(large, make([]byte, maxPage+1), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		large:                              "error_pages[500]: " + large + " is larger than 1024 KiB",
		filepath.Join(dir, "nowhere.html"): "error_pages[500]: there is no file " + filepath.Join(dir, "nowhere.html"),
	} {
		if _, err := Read("error_pages", map[string]string{"500": name}); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
