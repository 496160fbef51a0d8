package transport

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"rickhouse/internal/exchange"
	"rickhouse/internal/testkit"
)

func TestAnswers(t *testing.T) {
	h := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Saw", fmt.Sprintf("%s %s %s %q", r.Method, r.Host, r.RequestURI, r.Header.Get("User-Agent")))
		w.Header()["Set-Cookie"] = []string{"a=1", "b=2"}
		switch r.URL.Path {
		case "/none":
			w.WriteHeader(http.StatusNoContent)
		case "/same":
			w.Header().Set("ETag", `"1"`)
			w.WriteHeader(http.StatusNotModified)
		case "/teapot":
			w.WriteHeader(http.StatusTeapot)
		default:
			w.Header().Set("Content-Length", "5")
			_, _ = io.WriteString(w, "hello"[:5])
		}
	}
	protocols(t, func(t *testing.T, p Protocol) {
		u := start(t, p, Config{}, h)
		for _, c := range []struct {
			method, target string
			status         int
			length         int64
			content        string
		}{
			{"GET", "/a%2Fb/%7e?x=%20&y", 200, 5, "hello"},
			{"GET", "//double?", 200, 5, "hello"},
			{"HEAD", "/", 200, 5, ""},
			{"GET", "/none", 204, 0, ""},
			{"GET", "/same", 304, -1, ""},
			{"GET", "/teapot", 418, 0, ""},
		} {
			t.Run(c.method+c.target, func(t *testing.T) {
				d := newDesk(t).request(c.method, c.target, nil)
				call := u.call
				call.Host = "shop.example"
				var outcome error
				calls := 0
				call.Done = func(err error) { outcome, calls = err, calls+1 }
				d.serve(u.Transport, call)
				if d.aborted != nil || d.status != c.status || d.length != c.length || d.content.String() != c.content {
					t.Errorf("%d, length %d, %q, aborted %v", d.status, d.length, d.content.String(), d.aborted)
				}
				if outcome != nil || calls != 1 {
					t.Errorf("the outcome is %v, told %d times", outcome, calls)
				}
				want := fmt.Sprintf("X-Saw: %s shop.example %s %q\n", c.method, c.target, "")
				if !strings.Contains(d.fields, want) || !strings.Contains(d.fields, "Set-Cookie: a=1\nSet-Cookie: b=2\n") {
					t.Errorf("got the fields\n%swithout %s", d.fields, want)
				}
			})
		}
	})
}

func TestAsterisk(t *testing.T) {
	protocols(t, func(t *testing.T, p Protocol) {
		seen := make(chan string, 1)
		u := start(t, p, Config{}, func(http.ResponseWriter, *http.Request) {})
		// net/http answers OPTIONS * itself.
		d := newDesk(t).request("OPTIONS", "*", nil)
		d.x.Request.Form = exchange.AsteriskForm
		d.serve(u.Transport, u.call)
		close(seen)
		if d.status != 200 || d.aborted != nil {
			t.Errorf("got %d, %v", d.status, d.aborted)
		}
	})
}

func TestContentBothWays(t *testing.T) {
	content := make([]byte, 3<<20+17)
	_, _ = rand.Read(content)
	h := func(w http.ResponseWriter, r *http.Request) {
		all, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		w.Header().Set("X-Length", fmt.Sprint(r.ContentLength))
		_, _ = w.Write(all)
	}
	protocols(t, func(t *testing.T, p Protocol) {
		u := start(t, p, Config{}, h)
		for _, chunked := range []bool{false, true} {
			d := newDesk(t).request("POST", "/", content)
			d.piece = 5000
			want := fmt.Sprintf("X-Length: %d\n", len(content))
			if chunked {
				d.chunked()
				want = "X-Length: -1\n"
			}
			d.serve(u.Transport, u.call)
			if d.aborted != nil || d.status != 200 || !bytes.Equal(d.content.Bytes(), content) || !strings.Contains(d.fields, want) {
				t.Errorf("chunked %v: %d, %d octets, %v\n%s", chunked, d.status, d.content.Len(), d.aborted, d.fields)
			}
			if d.most > defaultWindow {
				t.Errorf("%d octets were on their way to the client at once", d.most)
			}
			if d.demanded > len(content)+defaultWindow {
				t.Errorf("%d octets were demanded of %d", d.demanded, len(content))
			}
		}
	})
}

func TestTrailersBothWays(t *testing.T) {
	h := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/grpc")
		_, _ = io.Copy(w, r.Body)
		w.(http.Flusher).Flush()
		w.Header().Set(http.TrailerPrefix+"Grpc-Status", "0")
		w.Header().Set(http.TrailerPrefix+"Saw", r.Trailer.Get("Checksum")+r.Header.Get("Te"))
		w.Header().Set(http.TrailerPrefix+"Set-Cookie", "evil=1")
	}
	protocols(t, func(t *testing.T, p Protocol) {
		u := start(t, p, Config{}, h)
		d := newDesk(t).request("POST", "/", []byte("frames"), "trailer: checksum, content-length, a b").chunked()
		d.x.Request.TrailersOK = true
		d.x.Request.Trailers = []exchange.Field{{Name: []byte("checksum"), Value: []byte("c0ffee")}, {Name: []byte("host"), Value: []byte("evil")}}
		d.serve(u.Transport, u.call)
		want := "Grpc-Status: 0\nSaw: c0ffeetrailers\n"
		if d.aborted != nil || d.content.String() != "frames" || d.trailers != want {
			t.Errorf("%q with the trailers %q, want %q; %v", d.content.String(), d.trailers, want, d.aborted)
		}
	})
}

func TestInterimAnswers(t *testing.T) {
	h := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "</a.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		w.Header().Del("Link")
		_, _ = io.WriteString(w, "done")
	}
	protocols(t, func(t *testing.T, p Protocol) {
		u := start(t, p, Config{}, h)
		d := newDesk(t).request("GET", "/", nil).serve(u.Transport, u.call)
		if d.content.String() != "done" || len(d.interims) != 1 || d.interims[0] != "103 Link: </a.css>; rel=preload" {
			t.Errorf("got %q after %q", d.content.String(), d.interims)
		}
		if strings.Contains(d.fields, "Link") {
			t.Errorf("the fields of the interim answer are in the final one:\n%s", d.fields)
		}
	})
}

func TestTooManyInterimAnswers(t *testing.T) {
	u := raw(t, strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 1000)+"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
	d := newDesk(t).request("GET", "/", nil).serve(u.Transport, u.call)
	if d.status != 502 || len(d.interims) > maxInterims {
		t.Errorf("got %d after %d interim answers", d.status, len(d.interims))
	}
}

// A client that waits for 100 is asked for content only if the upstream says so.
func TestExpectations(t *testing.T) {
	h := func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/refuse" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = io.Copy(w, r.Body)
	}
	protocols(t, func(t *testing.T, p Protocol) {
		u := start(t, p, Config{}, h)
		d := newDesk(t).request("POST", "/", []byte("content"), "expect: 100-continue").serve(u.Transport, u.call)
		if d.content.String() != "content" || len(d.interims) != 0 {
			t.Errorf("got %q after %q", d.content.String(), d.interims)
		}
		d = newDesk(t).request("POST", "/refuse", []byte("content"), "expect: 100-continue").serve(u.Transport, u.call)
		if d.status != 401 || d.demanded != 0 {
			t.Errorf("got %d, and %d octets were demanded", d.status, d.demanded)
		}
	})
}

func TestFieldsOfTheConnection(t *testing.T) {
	h := func(w http.ResponseWriter, r *http.Request) {
		_ = r.Header.Write(w)
	}
	u := start(t, HTTP1, Config{}, h)
	d := newDesk(t).request("GET", "/", nil, "host: a", "connection: x-b, close", "keep-alive: 5", "proxy-authorization: secret", "x-c: kept",
		"te: gzip", "upgrade: h2c", "http2-settings: AA", "content-length: 9", "transfer-encoding: chunked", "trailer: d").serve(u.Transport, u.call)
	if got := d.content.String(); got != "X-C: kept\r\n" {
		t.Errorf("the upstream got the fields %q", got)
	}
	u = raw(t, "HTTP/1.1 200 OK\r\nConnection: x-secret\r\nX-Secret: 1\r\nKeep-Alive: 1\r\nProxy-Authenticate: Basic\r\nUpgrade: h2c\r\nTrailer: a\r\nContent-Length: 2\r\nX-B: b\r\n\r\nok")
	d = newDesk(t).request("GET", "/", nil).serve(u.Transport, u.call)
	if d.fields != "X-B: b\n" || d.content.String() != "ok" || d.length != 2 {
		t.Errorf("got the fields %q, content %q of %d octets", d.fields, d.content.String(), d.length)
	}
}

func TestCallSaysMore(t *testing.T) {
	u := start(t, HTTP1, Config{}, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.RequestURI+" "+r.Header.Get("A")+r.Header.Get("B"))
	})
	c := u.call
	c.Target, c.Fields = "/other?b", []exchange.Field{{Name: []byte("b"), Value: []byte("new")}}
	c.Edit = func(x *exchange.Exchange) { x.Response.Add("Via", "1.1 rickhouse") }
	d := newDesk(t).request("GET", "/a?q", nil, "a: old").serve(u.Transport, c)
	if d.content.String() != "/other?b new" || !strings.Contains(d.fields, "Via: 1.1 rickhouse\n") {
		t.Errorf("got %q\n%s", d.content.String(), d.fields)
	}
}

func TestRefused(t *testing.T) {
	for name, change := range map[string]func(r *exchange.Request){
		"CONNECT":   func(r *exchange.Request) { r.Form = exchange.AuthorityForm },
		"WebSocket": func(r *exchange.Request) { r.Upgrade = []byte("websocket") },
	} {
		u := via2(t, Config{}, Options{}.RoundTripper())
		d := newDesk(t).request("GET", "/", nil)
		change(&d.x.Request)
		if d.serve(u.Transport, u.call); d.status != 501 {
			t.Errorf("%s is answered with %d", name, d.status)
		}
	}
}

func TestTooManyCalls(t *testing.T) {
	goOn := make(chan struct{})
	u := start(t, HTTP1, Config{MaxCalls: 1}, func(http.ResponseWriter, *http.Request) { <-goOn })
	first := newDesk(t).request("GET", "/", nil)
	first.begin(u.Transport, u.call)
	second := newDesk(t).request("GET", "/", nil).serve(u.Transport, u.call)
	if second.status != 503 || !strings.Contains(second.fields, "Retry-After: 1\n") {
		t.Errorf("the second is answered with %d\n%s", second.status, second.fields)
	}
	close(goOn)
	testkit.Wait(t, first.over, "the first is answered")
	if first.status != 200 {
		t.Errorf("the first is answered with %d", first.status)
	}
	// Its goroutine may end a moment later.
	if err := testkit.Until(testkit.Patience, func() (bool, string) { return u.Calls() == 0, "a call is left" }); err != nil {
		t.Error(err)
	}
}

func TestConfigIsValidated(t *testing.T) {
	_, err := New(Config{Window: 5, Stall: -1, MaxCalls: -1}, nil, nil)
	if err == nil || strings.Count(err.Error(), "\n") != 2 {
		t.Errorf("got %v", err)
	}
	if errors.Is(err, errStalled) {
		t.Error("the errors are mixed up")
	}
}

// TestAnswersOfNoOctets: they are whole at once, so that HTTP/2 has them in one frame.
func TestAnswersOfNoOctets(t *testing.T) {
	protocols(t, func(t *testing.T, p Protocol) {
		u := start(t, p, Config{}, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/told" {
				w.Header().Set("Content-Length", "0")
			}
			w.WriteHeader(http.StatusOK)
		})
		for _, target := range []string{"/", "/told"} {
			for _, method := range []string{"GET", "HEAD"} {
				d := newDesk(t).request(method, target, nil)
				apart := false
				d.onHead = func() {
					d.Post(exchange.TaskFunc(func() { apart = d.x.Server != nil }))
				}
				d.serve(u.Transport, u.call)
				d.on(func() {
					if d.status != 200 || d.aborted != nil || apart {
						t.Errorf("%s %s: %d, %v, its end came apart: %v", method, target, d.status, d.aborted, apart)
					}
				})
			}
		}
	})
}
