package http3

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"rickhouse/internal/exchange"
	"rickhouse/internal/testkit"
)

func TestHello(t *testing.T) {
	s := start(t, hello)
	c := s.dial()
	r := c.get("/a%20b/../c?q=1")
	if r.StatusCode != 200 || r.body != "hello /c" || r.ContentLength != 8 || r.ProtoMajor != 3 {
		t.Errorf("got %v %q", r.Response, r.body)
	}
	for name, want := range map[string]string{"Content-Type": "text/plain; charset=utf-8", "Server": "rickhouse", "Content-Length": "8"} {
		if got := r.Header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if r.Header.Get("Date") == "" {
		t.Error("there is no Date")
	}
	o := s.Seen(1)[0]
	if o.Method != "GET" || o.Path != "/c" || o.Status != 200 || o.Out != 8 || o.Version != exchange.HTTP3 || !o.Finished || o.Client != "127.0.0.1" {
		t.Errorf("observed %+v", o)
	}
}

// TestRequest looks at what a handler sees.
func TestRequest(t *testing.T) {
	seen := make(chan string, 1)
	s := start(t, handler(func(x *exchange.Exchange) {
		r := &x.Request
		var b strings.Builder
		fmt.Fprintf(&b, "%s|%s|%s|%s|%s|%s|%d|%s:%d|%s|%v", r.Method, r.Scheme, r.Host, r.RawPath, r.Path, r.Query,
			r.ContentLength, r.ServerAddr, r.ServerPort, r.TLS, r.TrailersOK)
		for _, f := range r.Fields {
			fmt.Fprintf(&b, "|%s=%s", f.Name, f.Value)
		}
		seen <- b.String()
		x.Answer(204, "")
	}), func(c *settings) {
		c.parts.Describe = describe
	})
	c := s.dial()
	r := c.request("GET", "/a%2Fb?c=d", nil)
	r.Header = http.Header{
		"X-B": {"2", "1"}, "X-A": {"a"}, "Cookie": {"a=1", "b=2"}, "Proxy": {"evil"}, "X_under": {"no"},
		"X-Forwarded-For": {"1.2.3.4"}, "Forwarded": {"for=1.2.3.4"}, "Te": {"trailers"}, "User-Agent": {""},
	}
	c.do(r)
	want := fmt.Sprintf("GET|https|%s|/a%%2Fb|/a/b|c=d|0|127.0.0.1:%d|{\"tls_version\": 772}|true|host=%s|cookie=a=1; b=2|x-a=a|x-b=2|x-b=1",
		s.addr, s.addr.Port, s.addr)
	if got := <-seen; got != want {
		t.Errorf("got\n%s, want\n%s", got, want)
	}
}

func TestTrustedProxy(t *testing.T) {
	s := start(t, handler(func(x *exchange.Exchange) {
		x.Answer(200, string(x.Request.ClientAddr)+" "+string(x.Request.Host))
	}), func(c *settings) { c.common.TrustedProxies = []string{"127.0.0.1"} })
	c := s.dial()
	r := c.request("GET", "/", nil)
	r.Header.Set("X-Forwarded-For", "9.9.9.9, 1.2.3.4")
	r.Header.Set("X-Forwarded-Host", "example.org")
	if got := c.do(r).body; got != "1.2.3.4 example.org" {
		t.Errorf("got %q", got)
	}
}

func TestContent(t *testing.T) {
	content := strings.Repeat("0123456789abcdef", 1<<16) // 1 MiB
	for _, c := range []struct {
		name   string
		window int
		body   func() io.Reader
		want   string
	}{
		{"of known length", 4096, func() io.Reader { return strings.NewReader(content) }, content},
		{"of unknown length", 100_000, func() io.Reader { return io.MultiReader(strings.NewReader(content)) }, content},
		{"short", 1, func() io.Reader { return strings.NewReader("ab") }, "ab"},
		{"empty, of unknown length", 10, func() io.Reader { return io.MultiReader() }, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := start(t, testkit.Echo(c.window))
			got := s.dial()
			r := got.do(got.request("POST", "/", c.body()))
			if r.StatusCode != 200 || r.body != c.want || r.err != nil {
				t.Errorf("got %d, %d octets, %v", r.StatusCode, len(r.body), r.err)
			}
			if o := s.Seen(1)[0]; o.In != int64(len(c.want)) || o.Out != int64(len(c.want)) || o.Err != nil {
				t.Errorf("observed %+v", o)
			}
		})
	}
}

// TestContentOnDemand shows that no more is delivered than was asked for, and that
// the end is told where nothing more is demanded.
func TestContentOnDemand(t *testing.T) {
	h := testkit.NewHeld()
	var got bytes.Buffer
	h.OnContent = func(_ *exchange.Exchange, p []byte) { got.Write(p) }
	s := start(t, h)
	c := s.dial()
	done := make(chan response)
	go func() { done <- c.do(c.request("POST", "/", strings.NewReader("0123456789"))) }()
	x := testkit.Wait(t, h.Began, "the request is there")
	sizes, want := make(chan int), 0
	for _, n := range []int{0, 3, 4} {
		post(x, func() { x.Demand(n) })
		want += n
		s.Until("what was demanded is delivered", func() bool {
			post(x, func() { sizes <- got.Len() })
			return <-sizes == want
		})
	}
	select {
	case err := <-h.Ends:
		t.Fatalf("the end is told before it has come: %v", err)
	default:
	}
	post(x, func() { x.Demand(3) })
	if err := testkit.Wait(t, h.Ends, "the content is whole"); err != nil {
		t.Error(err)
	}
	post(x, func() { x.Answer(200, got.String()) })
	if r := <-done; r.body != "0123456789" {
		t.Errorf("got %q", r.body)
	}
}

func TestTrailers(t *testing.T) {
	s := start(t, testkit.Echo(100))
	c := s.dial()
	r := c.request("POST", "/", io.MultiReader(strings.NewReader("x")))
	r.Trailer = http.Header{"X-Sum": {"42"}, "X_bad": {"1"}}
	if got := c.do(r); got.Header.Get("X-Trailer") != "x-sum=42" || len(got.Header["X-Trailer"]) != 1 {
		t.Errorf("got %v", got.Header)
	}
}

func TestExpectContinue(t *testing.T) {
	h := testkit.NewHeld()
	s := start(t, h)
	c := s.dial()
	r := c.request("POST", "/", strings.NewReader("abc"))
	r.Header.Set("Expect", "100-continue")
	done := make(chan response)
	go func() { done <- c.do(r) }()
	x := testkit.Wait(t, h.Began, "the request is there")
	post(x, func() { x.Demand(3) })
	if err := testkit.Wait(t, h.Ends, "the content has come"); err != nil {
		t.Error(err)
	}
	post(x, func() { x.Answer(200, "ok") })
	if got := <-done; got.body != "ok" {
		t.Errorf("got %q", got.body)
	}
}

// TestLimits shows the limits that HTTP/1 and HTTP/2 have as well.
func TestLimits(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(r *http.Request)
		status int
		reason string
	}{
		{"as many fields as there may be", func(r *http.Request) { addFields(r, 99) }, 200, ""},
		{"more", func(r *http.Request) { addFields(r, 101) }, 431, "more than 100 fields"},
		{"a long field", func(r *http.Request) { r.Header.Set("X", strings.Repeat("x", 8<<10)) }, 431, "longer than 8192"},
		{"a large head", func(r *http.Request) {
			for i := range 10 {
				r.Header.Set(fmt.Sprint("X", i), strings.Repeat("x", 4<<10))
			}
		}, 431, ""},
		{"a long path", func(r *http.Request) { r.URL.Path = "/" + strings.Repeat("x", 9<<10) }, 414, ""},
		{"a bad path", func(r *http.Request) { r.URL.Opaque = "//" + r.URL.Host + "/%00" }, 400, ""},
		{"another expectation", func(r *http.Request) { r.Header.Set("Expect", "wonders") }, 417, ""},
		{"too much content, as it says", func(r *http.Request) { setContent(r, 2000, 2000) }, 413, "max_body"},
		{"too much content, as it turns out", func(r *http.Request) { setContent(r, 2000, -1) }, 413, "max_body"},
		{"a host that is none", func(r *http.Request) { r.Host = "a:b" }, 400, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := start(t, testkit.Echo(100), func(c *settings) { c.common.MaxBody = 1000 })
			got := s.dial()
			r := got.request("GET", "/", nil)
			r.Header.Set("User-Agent", "")
			c.change(r)
			res := got.do(r)
			if res.StatusCode != c.status {
				t.Errorf("got %d, want %d", res.StatusCode, c.status)
			}
			if c.reason == "" {
				return
			}
			if o := s.Seen(1)[0]; o.Status != c.status || o.Err == nil || !strings.Contains(o.Err.Error(), c.reason) {
				t.Errorf("observed %+v", o)
			}
		})
	}
}

// What is logged of a path cannot end the line.
func TestLoggedPath(t *testing.T) {
	s := start(t, testkit.Echo(100), func(c *settings) { c.common.MaxBody = 1 })
	c := s.dial()
	r := c.request("GET", "/a%0Ab", nil)
	setContent(r, 2, 2)
	c.do(r)
	s.Seen(1)
	if log := s.Log.String(); !strings.Contains(log, "path=/a%0Ab\n") {
		t.Errorf("log:\n%s", log)
	}
}

func addFields(r *http.Request, n int) {
	for i := range n {
		r.Header.Add("X", fmt.Sprint(i))
	}
}

func setContent(r *http.Request, n int, length int64) {
	r.Method, r.ContentLength = "POST", length
	r.Body = io.NopCloser(strings.NewReader(strings.Repeat("x", n)))
}
