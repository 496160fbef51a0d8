package http2

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"rickhouse/internal/exchange"
	"rickhouse/internal/testkit"
)

func TestGet(t *testing.T) {
	s := start(t, settings{}, hello)
	c := s.client()
	for i := range 3 {
		res, body := s.do(c, "GET", fmt.Sprintf("/%d?q", i), nil)
		if res.StatusCode != 200 || res.ProtoMajor != 2 || body != fmt.Sprintf("hello /%d", i) || res.ContentLength != int64(len(body)) {
			t.Errorf("got %+v, %q", res, body)
		}
		if res.Header.Get("Server") != "rickhouse" || res.Header.Get("Date") == "" {
			t.Errorf("got %v", res.Header)
		}
	}
	if n := s.counters(); n.Accepted != 1 || n.Requests != 3 {
		t.Errorf("counters %+v", n)
	}
	for _, o := range s.Seen(3) {
		if o.Status != 200 || o.Err != nil || !o.Finished || o.Method != "GET" || o.Out != 8 {
			t.Errorf("observed %+v", o)
		}
	}
}

func TestManyAtATime(t *testing.T) {
	s := start(t, settings{}, hello)
	c := s.client()
	var all sync.WaitGroup
	for i := range 200 {
		all.Go(func() {
			res, err := c.Get(s.url(fmt.Sprintf("/%d", i)))
			if err != nil {
				t.Error(err)
				return
			}
			body, err := io.ReadAll(res.Body)
			if want := fmt.Sprintf("hello /%d", i); string(body) != want || err != nil {
				t.Errorf("got %q, %v, want %q", body, err, want)
			}
		})
	}
	all.Wait()
	if n := s.counters(); n.Requests != 200 || n.Broken != 0 {
		t.Errorf("counters %+v", n)
	}
}

// What a request is does not depend on the version that brought it.
func TestRequest(t *testing.T) {
	s := start(t, settings{}, handler(func(x *exchange.Exchange) {
		r := &x.Request
		var b strings.Builder
		fmt.Fprintf(&b, "%s %d %s %s %s %s %s %d %v\n", r.Method, r.Version, r.Target, r.Path, r.Query, r.Host, r.Scheme, r.ContentLength, x.HasContent)
		for _, f := range r.Fields {
			fmt.Fprintf(&b, "%s: %s\n", f.Name, f.Value)
		}
		x.Answer(200, b.String())
	}))
	req, err := http.NewRequest("DELETE", s.url("/a/../b%20c?x=1"), nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "example.org:81"
	req.Header = http.Header{"X-A": {"1"}, "Cookie": {"a=1; b=2; c=3"}, "Te": {"trailers"}, "X_b": {"dropped"}, "Proxy": {"dropped"}, "User-Agent": {"t"}, "Accept-Encoding": {"x"}}
	res, err := s.client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(res.Body)
	lines := strings.Split(strings.TrimSpace(string(body)), "\n")
	if want := "DELETE 20 /a/../b%20c?x=1 /b c x=1 example.org:81 http 0 false"; lines[0] != want {
		t.Errorf("got %q, want %q", lines[0], want)
	}
	if lines[1] != "host: example.org:81" {
		t.Errorf("Host is not the first field: %q", lines)
	}
	for _, want := range []string{"x-a: 1", "cookie: a=1; b=2; c=3", "user-agent: t"} {
		if !strings.Contains(string(body), want+"\n") {
			t.Errorf("%q is not in %q", want, body)
		}
	}
	if strings.Contains(string(body), "dropped") || strings.Contains(string(body), "te:") {
		t.Errorf("got %q", body)
	}
}

func TestContent(t *testing.T) {
	for _, size := range []int{0, 1, 1000, 70000, 1 << 20, 5 << 20} {
		for _, window := range []int{1 << 10, 1 << 20} {
			s := start(t, settings{}, testkit.Echo(window))
			want := bytes.Repeat([]byte("0123456789abcdef"), size/16+1)[:size]
			c := s.client()
			for _, body := range []io.Reader{bytes.NewReader(want), io.MultiReader(bytes.NewReader(want))} {
				if _, got := s.do(c, "POST", "/", body); got != string(want) {
					t.Errorf("%d octets in windows of %d: got %d", size, window, len(got))
				}
			}
		}
	}
}

func TestTrailers(t *testing.T) {
	s := start(t, settings{}, handler(func(x *exchange.Exchange) {
		x.Server = &testkit.Collector{Window: 100, Done: func(x *exchange.Exchange, content []byte, err error) {
			x.Response.Status = 200
			x.Head()
			x.Data(content)
			for _, f := range x.Request.Trailers {
				x.Response.Trailers = append(x.Response.Trailers, exchange.Field{Name: []byte("Got-" + string(f.Name)), Value: f.Value})
			}
			x.Response.Trailers = append(x.Response.Trailers, exchange.Field{Name: []byte("Grpc-Status"), Value: []byte("0")})
			x.End()
		}}
		x.Demand(100)
	}))
	req, err := http.NewRequest("POST", s.url("/"), io.MultiReader(strings.NewReader("hello")))
	if err != nil {
		t.Fatal(err)
	}
	req.Trailer = http.Header{"X-Sum": {"42"}, "Host": nil}
	delete(req.Trailer, "Host")
	res, err := s.client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	if string(body) != "hello" || err != nil || res.Trailer.Get("Grpc-Status") != "0" || res.Trailer.Get("Got-X-Sum") != "42" {
		t.Errorf("got %q, %v, %v", body, err, res.Trailer)
	}
}
