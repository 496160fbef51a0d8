package http3

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rickhouse/internal/exchange"
	"rickhouse/internal/testkit"
)

func describe(c tls.ConnectionState) []byte {
	return fmt.Appendf(nil, `{"tls_version": %d}`, c.Version)
}

// TestAnswers looks at answers of all kinds.
func TestAnswers(t *testing.T) {
	reply := func(status int, length int64, content ...string) func(x *exchange.Exchange) {
		return func(x *exchange.Exchange) {
			x.Response.Status, x.Response.ContentLength = status, length
			x.Head()
			for _, c := range content {
				x.Data([]byte(c))
			}
			x.End()
		}
	}
	for _, c := range []struct {
		name, method string
		answer       func(x *exchange.Exchange)
		status       int
		length       string // what Content-Length says
		body         string
		cut          bool
	}{
		{"of known length", "GET", reply(200, 4, "ab", "cd"), 200, "4", "abcd", false},
		{"of unknown length", "GET", reply(200, -1, "ab", "cd"), 200, "", "abcd", false},
		{"large", "GET", reply(200, 200_000, strings.Repeat("x", 200_000)), 200, "200000", strings.Repeat("x", 200_000), false},
		{"empty", "GET", reply(200, 0), 200, "0", "", false},
		{"empty, of unknown length", "GET", reply(200, -1), 200, "", "", false},
		{"HEAD", "HEAD", reply(200, 4), 200, "4", "", false},
		{"HEAD of unknown length", "HEAD", reply(200, -1), 200, "", "", false},
		{"HEAD with content", "HEAD", reply(200, 4, "abcd"), 200, "4", "", false},
		{"204", "GET", reply(204, -1, "ab"), 204, "", "", false},
		{"205", "GET", reply(205, 2, "ab"), 205, "0", "", false},
		{"304", "GET", reply(304, 10), 304, "10", "", false},
		{"too long", "GET", reply(200, 2, "abcd"), 200, "2", "ab", false},
		{"too short", "GET", reply(200, 4, "ab"), 200, "4", "ab", true},
		{"no status", "GET", reply(0, 4, "abcd"), 500, "26", "500 Internal Server Error\n", false},
		{"no head", "GET", func(x *exchange.Exchange) { x.End() }, 500, "26", "500 Internal Server Error\n", false},
		{"a bad field", "GET", func(x *exchange.Exchange) {
			x.Response.Status = 200
			x.Response.Add("X", "a\r\nb")
			x.Head()
			x.End()
		}, 500, "26", "500 Internal Server Error\n", false},
		{"a switch nobody asked for", "GET", reply(101, -1), 500, "26", "500 Internal Server Error\n", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := start(t, handler(c.answer))
			got := s.dial()
			if c.cut {
				if text, err := got.try(got.request(c.method, "/", nil)); err == nil {
					t.Errorf("got %q", text)
				}
				s.Seen(1)
				return
			}
			r := got.do(got.request(c.method, "/", nil))
			if r.StatusCode != c.status || r.Header.Get("Content-Length") != c.length || r.body != c.body || r.err != nil {
				t.Errorf("got %d, length %q, %.40q, %v", r.StatusCode, r.Header.Get("Content-Length"), r.body, r.err)
			}
			if _, given := r.Header["Content-Type"]; given && c.status != 500 {
				t.Errorf("a Content-Type was made up: %v", r.Header)
			}
			s.Seen(1)
		})
	}
}

func TestAnswerFields(t *testing.T) {
	s := start(t, handler(func(x *exchange.Exchange) {
		for _, f := range []string{
			"Set-Cookie:a", "set-cookie:b", "Connection:close", "Keep-Alive:1", "Transfer-Encoding:chunked", "Upgrade:x",
			"TE:a", "Trailer:a", "Content-Length:77", "Server:mine", "Date:today", "X-Empty:",
		} {
			name, value, _ := strings.Cut(f, ":")
			x.Response.Add(name, value)
		}
		x.Answer(200, "ok")
	}))
	h := s.dial().get("/").Header
	want := http.Header{
		"Set-Cookie": {"a", "b"}, "Server": {"mine"}, "Date": {"today"}, "X-Empty": {""}, "Content-Length": {"2"},
		"Content-Type": {"text/plain; charset=utf-8"},
	}
	if fmt.Sprint(h) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", h, want)
	}
}

func TestExtraFields(t *testing.T) {
	s := start(t, handler(func(x *exchange.Exchange) {
		if string(x.Request.Path) == "/own" {
			x.Response.Add("strict-transport-security", "max-age=1")
		}
		x.Answer(200, "ok")
	}), func(c *settings) {
		c.extra = []exchange.Field{{Name: []byte("strict-transport-security"), Value: []byte("max-age=2")}}
	})
	c := s.dial()
	for path, want := range map[string]string{"/": "[max-age=2]", "/own": "[max-age=1]"} {
		if got := fmt.Sprint(c.get(path).Header["Strict-Transport-Security"]); got != want {
			t.Errorf("%s: got %s, want %s", path, got, want)
		}
	}
}

func TestNoServerField(t *testing.T) {
	s := start(t, hello, func(c *settings) { c.common.ServerHeader = "none" })
	if _, given := s.dial().get("/").Header["Server"]; given {
		t.Error("there is a Server")
	}
}

func TestInterim(t *testing.T) {
	s := start(t, handler(func(x *exchange.Exchange) {
		x.Response.Status = 103
		x.Response.Add("Link", "</a.css>; rel=preload")
		x.Head()
		x.Response.Reset()
		x.Answer(200, "ok")
	}))
	c := s.dial()
	r := c.request("GET", "/", nil)
	var early []string
	r = r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{
		Got1xxResponse: func(code int, header textproto.MIMEHeader) error {
			early = append(early, fmt.Sprint(code, header))
			return nil
		},
	}))
	res := c.do(r)
	if len(early) != 1 || early[0] != "103 map[Link:[</a.css>; rel=preload]]" || res.Header.Get("Link") != "" || res.body != "ok" {
		t.Errorf("got %q, then %v", early, res.Header)
	}
}

func TestAnswerTrailers(t *testing.T) {
	s := start(t, handler(func(x *exchange.Exchange) {
		x.Response.Status = 200
		x.Head()
		x.Data([]byte("abc"))
		x.Response.Trailers = []exchange.Field{{Name: []byte("Grpc-Status"), Value: []byte("0")}, {Name: []byte("Content-Length"), Value: []byte("0")}}
		x.End()
	}))
	c := s.dial()
	for _, te := range []string{"trailers", ""} {
		r := c.request("GET", "/", nil)
		if te != "" {
			r.Header.Set("Te", te)
		}
		res := c.do(r)
		if got := res.Trailer.Get("Grpc-Status"); got != "0" || res.body != "abc" || len(res.Trailer) > 1 {
			t.Errorf("TE %q: got %q, trailers %v", te, res.body, res.Trailer)
		}
	}
}

func TestFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "f")
	content := strings.Repeat("0123456789", 100_000)
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	h := testkit.NewHeld()
	drained := 0
	h.OnDrained = func(_ *exchange.Exchange, n int) { drained += n }
	s := start(t, h)
	c := s.dial()
	done := make(chan response)
	go func() { done <- c.get("/") }()
	x := testkit.Wait(t, h.Began, "the request is there")
	var f *os.File
	post(x, func() {
		var err error
		if f, err = os.Open(name); err != nil {
			panic(err)
		}
		x.Response.Status = 200
		x.Head()
		x.Data([]byte("<"))
		x.File(f, 5, int64(len(content)-5))
		x.Data([]byte(">"))
	})
	sums := make(chan int)
	s.Until("all of it has left", func() bool {
		post(x, func() { sums <- drained })
		return <-sums == exchange.FileCost+2
	})
	post(x, x.End)
	if r := <-done; r.body != "<"+content[5:]+">" || r.err != nil {
		t.Errorf("got %d octets, %v", len(r.body), r.err)
	}
	if err := f.Close(); err == nil {
		t.Error("the file was left open")
	}
}

// TestShortFile cuts an answer whose file has shrunk.
func TestShortFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(name, []byte("abc"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := start(t, handler(func(x *exchange.Exchange) {
		f, err := os.Open(name)
		if err != nil {
			panic(err)
		}
		x.Response.Status, x.Response.ContentLength = 200, 10
		x.Head()
		x.File(f, 0, 10)
		x.End()
	}))
	c := s.dial()
	if text, err := c.try(c.request("GET", "/", nil)); err == nil {
		t.Errorf("got %q", text)
	}
	if o := s.Seen(1)[0]; o.Err == nil || !strings.Contains(o.Err.Error(), "shorter than it was") {
		t.Errorf("observed %+v", o)
	}
}
