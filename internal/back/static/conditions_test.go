package static

import (
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"
	"time"

	"rickhouse/internal/exchange"
)

func TestConditions(t *testing.T) {
	dir := folder(t, map[string]string{"a": "0123456789"})
	past(t, dir, "a")
	h := serve(t, Config{Files: dir})
	d := ask(t, h, "GET", "", "/a")
	tag, date := d.field("ETag"), d.field("Last-Modified")
	at, err := http.ParseTime(date)
	if err != nil || !strings.HasPrefix(tag, "\"") {
		t.Fatalf("%v\n%s", err, d.fields)
	}
	before, after := at.Add(-time.Second).Format(http.TimeFormat), at.Add(time.Second).Format(http.TimeFormat)
	const other = `"other"`
	for _, tt := range []struct {
		fields string // separated by |
		status int
	}{
		{"If-None-Match: " + tag, 304},
		{"If-None-Match: W/" + tag, 304},
		{"If-None-Match: *", 304},
		{"If-None-Match: " + other, 200},
		{"If-None-Match: " + other + ", " + tag, 304},
		{`If-None-Match: "a,b", ` + tag, 304},
		{"If-None-Match: " + other + "|If-None-Match: " + tag, 304},
		{"If-None-Match: " + strings.Trim(tag, `"`), 200},
		{"If-None-Match: " + strings.TrimRight(tag, `"`), 200},
		{"If-Modified-Since: " + date, 304},
		{"If-Modified-Since: " + after, 304},
		{"If-Modified-Since: " + before, 200},
		{"If-Modified-Since: yesterday", 200},
		{"If-Modified-Since: " + at.Format(time.RFC850), 304},
		{"If-Modified-Since: " + at.Format(time.ANSIC), 304},
		{"If-Match: " + tag, 200},
		{"If-Match: *", 200},
		{"If-Match: W/" + tag, 412},
		{"If-Match: " + other, 412},
		{"If-Unmodified-Since: " + date, 200},
		{"If-Unmodified-Since: " + before, 412},
		{"If-Unmodified-Since: yesterday", 200},

		// RFC 9110 §13.2.2: what goes before what.
		{"If-None-Match: " + other + "|If-Modified-Since: " + date, 200},
		{"If-None-Match: " + tag + "|If-Modified-Since: " + before, 304},
		{"If-Match: " + tag + "|If-Unmodified-Since: " + before, 200},
		{"If-Match: " + other + "|If-None-Match: " + tag, 412},
		{"If-Match: " + tag + "|If-None-Match: " + tag, 304},
		{"If-Unmodified-Since: " + before + "|If-None-Match: " + tag, 412},
		{"If-None-Match: " + tag + "|Range: bytes=0-1", 304},
		{"If-Match: " + other + "|Range: bytes=0-1", 412},

		{"Range: bytes=0-1", 206},
		{"Range: bytes=0-1|If-Range: " + tag, 206},
		{"Range: bytes=0-1|If-Range: W/" + tag, 200},
		{"Range: bytes=0-1|If-Range: " + other, 200},
		{"Range: bytes=0-1|If-Range: " + date, 206},
		{"Range: bytes=0-1|If-Range: " + after, 200},
		{"Range: bytes=0-1|If-Range: " + before, 200},
		{"Range: bytes=0-1|If-Range: yesterday", 200},
		{"Range: bytes=99-|If-Range: " + other, 200},
		{"Range: bytes=99-", 416},
		{"Range: bytes=0-1|Range: bytes=2-3", 200},
	} {
		d := ask(t, h, "GET", "", "/a", strings.Split(tt.fields, "|")...)
		if d.status != tt.status {
			t.Errorf("%s: %d, want %d", tt.fields, d.status, tt.status)
		}
		if d.status == 304 && (d.content.Len() > 0 || d.field("ETag") != tag || d.field("Last-Modified") != date || d.field("Content-Type") != "") {
			t.Errorf("%s: 304 with\n%s%s", tt.fields, d.fields, d.content.String())
		}
	}
	if d := ask(t, h, "HEAD", "", "/a", "If-None-Match: "+tag); d.status != 304 {
		t.Errorf("HEAD: %d", d.status)
	}
	if d := ask(t, h, "HEAD", "", "/a", "Range: bytes=0-1"); d.status != 200 || d.length != 10 {
		t.Errorf("HEAD with Range: %d", d.status)
	}
}

// A file may change twice within the second that its date has.
func TestDatesThatAreNotStrong(t *testing.T) {
	changed := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	v := &variant{modified: changed, etag: `"x"`}
	for _, c := range []struct {
		age      time.Duration
		ifRange  string
		honoured bool
	}{
		{time.Second, changed.Format(http.TimeFormat), false},
		{2 * time.Second, changed.Format(http.TimeFormat), true},
		{time.Hour, changed.Add(time.Second).Format(http.TimeFormat), false},
		{time.Hour, changed.Add(-time.Second).Format(http.TimeFormat), false},
		{time.Second, `"x"`, true},
		{time.Hour, `W/"x"`, false},
		{time.Hour, "nonsense", false},
	} {
		r := &exchange.Request{Method: []byte("GET"), Fields: []exchange.Field{
			{Name: []byte("range"), Value: []byte("bytes=0-1")}, {Name: []byte("if-range"), Value: []byte(c.ifRange)},
		}}
		if _, ok := v.wantsRange(r, func() time.Time { return changed.Add(c.age) }); ok != c.honoured {
			t.Errorf("If-Range: %s, %v after the change: %v, want %v", c.ifRange, c.age, ok, c.honoured)
		}
	}
}

func TestRanges(t *testing.T) {
	small, large := "0123456789", strings.Repeat("0123456789", 10_000)
	h := serve(t, Config{Files: folder(t, map[string]string{"small": small, "large": large, "zero": ""})})
	for _, tt := range []struct {
		path, ranges  string
		status        int
		content, sent string // "*" in content: all
	}{
		{"/small", "bytes=0-0", 206, "0", "bytes 0-0/10"},
		{"/small", "bytes=2-4", 206, "234", "bytes 2-4/10"},
		{"/small", "bytes=7-", 206, "789", "bytes 7-9/10"},
		{"/small", "bytes=-3", 206, "789", "bytes 7-9/10"},
		{"/small", "bytes=-30", 206, "0123456789", "bytes 0-9/10"},
		{"/small", "bytes=8-99999999999999999999999", 206, "89", "bytes 8-9/10"},
		{"/small", "Bytes=0-0", 206, "0", "bytes 0-0/10"},
		{"/small", "bytes= 1-1 ,", 206, "1", "bytes 1-1/10"},
		{"/small", "bytes=1-1,99-", 206, "1", "bytes 1-1/10"},
		{"/large", "bytes=99990-", 206, "0123456789", "bytes 99990-99999/100000"},
		{"/small", "bytes=10-", 416, "", "bytes */10"},
		{"/small", "bytes=-0", 416, "", "bytes */10"},
		{"/small", "bytes=99999999999999999999-", 416, "", "bytes */10"},
		{"/zero", "bytes=0-", 416, "", "bytes */0"},
		{"/zero", "bytes=-1", 416, "", "bytes */0"},
		{"/small", "bytes=", 200, "*", ""},
		{"/small", "bytes=,", 200, "*", ""},
		{"/small", "bytes=-", 200, "*", ""},
		{"/small", "bytes=4-2", 200, "*", ""},
		{"/small", "bytes=a-b", 200, "*", ""},
		{"/small", "bytes=+1-2", 200, "*", ""},
		{"/small", "bytes=0x1-2", 200, "*", ""},
		{"/small", "bytes=1-2-3", 200, "*", ""},
		{"/small", "bytes=--1", 200, "*", ""},
		{"/small", "items=0-1", 200, "*", ""},
		{"/small", "bytes", 200, "*", ""},
		{"/small", "bytes=0-,0-,0-", 200, "*", ""},
		{"/small", "bytes=0-9,0-0", 200, "*", ""},
		{"/large", "bytes=" + strings.Repeat("0-0,", 17), 200, "*", ""},
		{"/large", "bytes=" + strings.Repeat("0-,", 5000), 200, "*", ""},
	} {
		want := tt.content
		if want == "*" {
			want = map[string]string{"/small": small, "/large": large}[tt.path]
		}
		d := ask(t, h, "GET", "", tt.path, "Range: "+tt.ranges)
		if d.status != tt.status || d.field("Content-Range") != tt.sent || d.status != 416 && d.content.String() != want {
			t.Errorf("%s %.60s: %d %.40q\n%s", tt.path, tt.ranges, d.status, d.content.String(), d.fields)
		}
	}
}

func TestSeveralRanges(t *testing.T) {
	files := map[string]string{"small.txt": "0123456789", "large.txt": strings.Repeat("0123456789", 10_000)}
	h := serve(t, Config{Files: folder(t, files)})
	for name, content := range files {
		d := ask(t, h, "GET", "", "/"+name, "Range: bytes=1-2, -3, 5-5")
		kind, params, err := mime.ParseMediaType(d.field("Content-Type"))
		if d.status != 206 || err != nil || kind != "multipart/byteranges" || d.field("Content-Range") != "" || d.field("ETag") == "" {
			t.Fatalf("%s: %d %v\n%s", name, d.status, err, d.fields)
		}
		size := len(content)
		want := []string{content[1:3], content[size-3:], content[5:6]}
		r := multipart.NewReader(&d.content, params["boundary"])
		for i, w := range want {
			p, err := r.NextRawPart()
			if err != nil {
				t.Fatalf("%s: part %d: %v", name, i, err)
			}
			got, err := io.ReadAll(p)
			if err != nil || string(got) != w || p.Header.Get("Content-Type") != "text/plain; charset=utf-8" || p.Header.Get("Content-Range") == "" {
				t.Errorf("%s: part %d: %v %q %v", name, i, err, got, p.Header)
			}
		}
		if _, err := r.NextRawPart(); err != io.EOF {
			t.Errorf("%s: after the last part: %v", name, err)
		}
	}
}

func FuzzRanges(f *testing.F) {
	for _, s := range []string{"bytes=0-1", "bytes=-5", "bytes=1-,2-3", "bytes=9223372036854775807-", "bytes=0-9223372036854775808", "x=1", "bytes=,,"} {
		f.Add(s, int64(10))
	}
	f.Fuzz(func(t *testing.T, value string, size int64) {
		if size < 0 {
			return
		}
		spans, ok := parseRanges(value, size)
		if !ok && spans != nil || len(spans) > maxRanges {
			t.Fatalf("%d spans, ok %v", len(spans), ok)
		}
		total := int64(0)
		for _, s := range spans {
			if s.offset < 0 || s.length <= 0 || s.offset > size-s.length {
				t.Fatalf("span %+v of %d octets", s, size)
			}
			total += s.length
		}
		if total > size {
			t.Fatalf("%d octets of %d", total, size)
		}
	})
}
