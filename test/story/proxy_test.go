package story

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rickhouse/internal/testkit"
	rfc6455 "rickhouse/internal/wire/websocket"
)

// upstream serves h on a Unix socket until the test ends, and returns its path.
func upstream(t *testing.T, h http.Handler) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "up-") // a Unix socket needs a short path
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "s")
	l, err := listenUnix(path)
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: h}
	go func() {
		if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	}()
	t.Cleanup(func() {
		_ = s.Close()
		_ = os.RemoveAll(dir)
	})
	return path
}

// shop is what the stories have behind the proxy.
func shop(step chan struct{}) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/echo/", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("X-Seen", fmt.Sprintf("%s %s %s %s", r.Method, r.RequestURI, r.Host, r.Header.Get("X-Forwarded-For")))
		_, _ = w.Write(body)
	})
	mux.HandleFunc("/events", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for i := range 3 {
			_, _ = fmt.Fprintf(w, "data: %d\n\n", i)
			_ = http.NewResponseController(w).Flush()
			<-step
		}
	})
	mux.HandleFunc("/trailers", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Trailer", "X-Sum")
		_, _ = fmt.Fprintf(w, "got %s", r.Trailer.Get("X-Client"))
		w.Header().Set("X-Sum", "42")
	})
	mux.HandleFunc("/socket", func(w http.ResponseWriter, r *http.Request) {
		c, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer c.Close()
		_, _ = fmt.Fprintf(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
			rfc6455.AcceptKey(r.Header.Get("Sec-WebSocket-Key")))
		_, _ = io.Copy(c, buffered) // frames come back as they are
	})
	return mux
}

// reverse starts a server before upstreams at those sockets.
func reverse(t *testing.T, keys string, sockets ...string) *testkit.Server {
	t.Helper()
	urls := make([]string, len(sockets))
	for i, s := range sockets {
		urls[i] = fmt.Sprintf("%q", "unix:"+s)
	}
	dir := application(t, map[string]string{"rickhouse.toml": "[[routes]]\nproxy = [" + strings.Join(urls, ", ") + "]\n" + keys})
	return start(t, dir, "-c", "rickhouse.toml")
}

func TestProxy(t *testing.T) {
	step := make(chan struct{})
	s := reverse(t, "", upstream(t, shop(step)))
	t.Run("requests and answers", func(t *testing.T) {
		body := strings.Repeat("0123456789", 100_000)
		r, err := http.NewRequest(http.MethodPost, "http://"+s.Addr()+"/echo/a%20b?c=d", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Host = "shop.example"
		res, err := s.Client(1).Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		got, err := io.ReadAll(res.Body)
		if err != nil || string(got) != body {
			t.Errorf("%d octets came back, %v", len(got), err)
		}
		if seen := res.Header.Get("X-Seen"); seen != "POST /echo/a%20b?c=d shop.example 127.0.0.1" {
			t.Errorf("the upstream saw %q", seen)
		}
	})
	t.Run("events", func(t *testing.T) {
		res, err := s.Client(1).Get("http://" + s.Addr() + "/events")
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		r := bufio.NewReader(res.Body)
		for i := range 3 {
			if line, err := r.ReadString('\n'); err != nil || line != fmt.Sprintf("data: %d\n", i) {
				t.Fatalf("event %d is %q, %v", i, line, err)
			}
			_, _ = r.ReadString('\n')
			step <- struct{}{}
		}
	})
	t.Run("trailers", func(t *testing.T) {
		raw, err := s.Raw()
		if err != nil {
			t.Fatal(err)
		}
		defer raw.Close()
		err = raw.Send("POST /trailers HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nTrailer: X-Client\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nX-Client: me\r\n\r\n")
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.ReadResponse(bufio.NewReader(raw.Conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		if err != nil || res.Trailer.Get("X-Sum") != "42" {
			t.Errorf("%q with %v, %v", body, res.Trailer, err)
		}
	})
	t.Run("a WebSocket", func(t *testing.T) { proxiedSocket(t, s) })
}

func proxiedSocket(t *testing.T, s *testkit.Server) {
	raw, err := s.Raw()
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	key := "dGhlIHNhbXBsZSBub25jZQ=="
	err = raw.Send("GET /socket HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + key + "\r\n\r\n")
	if err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(raw.Conn)
	res, err := http.ReadResponse(r, nil)
	if err != nil || res.StatusCode != 101 || res.Header.Get("Sec-WebSocket-Accept") != rfc6455.AcceptKey(key) {
		t.Fatalf("got %v, %v", res, err)
	}
	frame := []byte{0x81, 0x85, 0, 0, 0, 0, 'h', 'e', 'l', 'l', 'o'}
	for range 3 {
		if _, err := raw.Write(frame); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, len(frame))
		if _, err := io.ReadFull(r, got); err != nil || !bytes.Equal(got, frame) {
			t.Fatalf("got %x, %v", got, err)
		}
	}
}

// TestProxyFailures: what clients and the log are told.
func TestProxyFailures(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	dir := application(t, map[string]string{"rickhouse.toml": `[[routes]]
path = "/gone"
proxy = ["unix:` + t.TempDir() + `/none"]

[[routes]]
path = "/silent"
proxy = ["http://` + silent.Addr().String() + `"]
answer_timeout = "50ms"
`})
	s := start(t, dir, "-c", "rickhouse.toml")
	for path, want := range map[string]int{"/gone": 502, "/silent": 504, "/nowhere": 404} {
		res, err := s.Client(1).Get("http://" + s.Addr() + path)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("%s: %d, want %d", path, res.StatusCode, want)
		}
	}
	for _, line := range []string{"an upstream failed.*no such file", "an upstream failed.*answer_timeout"} {
		if _, err := s.Log.Wait(line, 1, time.Minute); err != nil {
			t.Error(err)
		}
	}
}

// TestProxyBalances: requests spread, and go on where one upstream ends.
func TestProxyBalances(t *testing.T) {
	name := func(n string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, n) })
	}
	one := upstream(t, name("one"))
	s := reverse(t, "", one, upstream(t, name("two")))
	ask := func() string {
		res, err := s.Client(1).Get("http://" + s.Addr() + "/")
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, _ := io.ReadAll(res.Body)
		return fmt.Sprint(res.StatusCode, " ", string(body))
	}
	counts := map[string]int{}
	for range 20 {
		counts[ask()]++
	}
	if counts["200 one"] == 0 || counts["200 two"] == 0 || len(counts) != 2 {
		t.Errorf("the answers are %v", counts)
	}
	if err := os.Remove(one); err != nil { // who comes anew finds nobody there
		t.Fatal(err)
	}
	for range 20 {
		if got := ask(); got != "200 one" && got != "200 two" {
			t.Errorf("got %s", got)
		}
	}
}

// TestProxyPaths: an upstream that is mounted, and one that sees another path.
func TestProxyPaths(t *testing.T) {
	up := upstream(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprintf(w, "%s %s", r.RequestURI, r.Header.Get("X-Forwarded-Prefix"))
	}))
	dir := application(t, map[string]string{"rickhouse.toml": `[[routes]]
path = "/api/*"
strip = true
proxy = ["unix:` + up + `"]

[[routes]]
path = "/users/{id}"
rewrite = "/v2/{id}"
proxy = ["unix:` + up + `"]

[[routes]]
path = "/*"
proxy = ["unix:` + up + `"]
`})
	s := start(t, dir, "-c", "rickhouse.toml")
	for path, want := range map[string]string{
		"/api/a%20b?c=d": "/a%20b?c=d /api", "/api": "/ /api", "/users/7?x=y": "/v2/7?x=y ", "/users/%37": "/v2/7 ", "/other": "/other ",
	} {
		res, err := s.Client(1).Get("http://" + s.Addr() + path)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if string(body) != want {
			t.Errorf("%s: the upstream sees %q, want %q", path, body, want)
		}
	}
}
