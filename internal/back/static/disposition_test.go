package static

import (
	"mime"
	"testing"
)

func TestDownloads(t *testing.T) {
	for _, c := range []struct{ name, want string }{
		{"report.pdf", `attachment; filename="report.pdf"`},
		{"sub/a b.txt", `attachment; filename="a b.txt"`},
		{"naïve.txt", `attachment; filename="na_ve.txt"; filename*=UTF-8''na%C3%AFve.txt`},
		{"€ rates", `attachment; filename="_ rates"; filename*=UTF-8''%E2%82%AC%20rates`},
		{`say "hi"\`, `attachment; filename="say _hi__"; filename*=UTF-8''say%20%22hi%22%5C`},
		{"50%41.txt", `attachment; filename="50_41.txt"; filename*=UTF-8''50%2541.txt`},
		{"a\r\nSet-Cookie: x", `attachment; filename="a__Set-Cookie: x"; filename*=UTF-8''a%0D%0ASet-Cookie%3A%20x`},
		{"a;b=c", `attachment; filename="a;b=c"`},
		{"bad\xff", `attachment; filename="bad_"; filename*=UTF-8''bad%EF%BF%BD`},
	} {
		got := disposition(c.name)
		if got != c.want {
			t.Errorf("%q: %s, want %s", c.name, got, c.want)
		}
		if _, _, err := mime.ParseMediaType(got); err != nil {
			t.Errorf("%q: %v", got, err)
		}
	}
	dir := folder(t, map[string]string{"a.pdf": "a", "b.pdf": "b", "c.txt": "c", "sub/d.bin": "d"})
	h := serve(t, Config{Files: dir, Download: []string{"*.pdf", "/sub/*"}, Listing: true})
	for path, want := range map[string]string{
		"/a.pdf": `attachment; filename="a.pdf"`, "/c.txt": "", "/sub/d.bin": `attachment; filename="d.bin"`, "/": "", "/missing.pdf": "",
	} {
		if got := ask(t, h, "GET", "", path).field("Content-Disposition"); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
	if got := ask(t, h, "GET", "", "/a.pdf", "Range: bytes=0-0"); got.status != 206 || got.field("Content-Disposition") == "" {
		t.Errorf("a part: %d\n%s", got.status, got.fields)
	}
	for _, bad := range []string{"[", ""} {
		if (Config{Files: dir, Download: []string{bad}}).Validate() == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}
