package http1

import (
	"bufio"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"rickhouse/internal/exchange"
	"rickhouse/internal/listen"
	"rickhouse/internal/testkit"
	"rickhouse/internal/testkit/onloop"
)

func TestKeepAlive(t *testing.T) {
	s := start(t, Config{}, hello)
	c := s.dial()
	for range 3 {
		if res := c.get(get("/a")); res.StatusCode != 200 || res.body != "hello /a" || res.Close {
			t.Fatalf("got %+v", res)
		}
	}
	if res := c.get("GET /b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"); !res.Close || res.body != "hello /b" {
		t.Errorf("got %+v", res)
	}
	c.ended()
	s.Until("the connection is gone", func() bool { return s.counters().Open == 0 })
	if n := s.counters(); n.Requests != 4 || n.Accepted != 1 || n.Idle != 0 {
		t.Errorf("counters %+v", n)
	}
	for _, o := range s.Seen(4) {
		if o.Status != 200 || o.Method != "GET" || o.Out != 8 || o.Err != nil || !o.Finished {
			t.Errorf("observed %+v", o)
		}
	}
}

func TestHeadIsWhole(t *testing.T) {
	s := start(t, Config{ServerHeader: "me"}, hello)
	res := s.dial().get(get("/"))
	if _, err := http.ParseTime(res.Header.Get("Date")); err != nil || res.Header.Get("Server") != "me" || res.ContentLength != 7 {
		t.Errorf("got %v", res.Header)
	}
	s = start(t, Config{ServerHeader: "none"}, hello)
	if res := s.dial().get(get("/")); res.Header.Get("Server") != "" {
		t.Errorf("got %v", res.Header)
	}
}

// Every way to break the rules gets its status and a closed connection; what
// follows is not served, and the server goes on.
func TestBadRequests(t *testing.T) {
	s := start(t, Config{MaxBody: 10}, hello)
	smuggled := get("/smuggled")
	for _, c := range []struct {
		name   string
		status int
		text   string
	}{
		{"400", 400, "GET / HTTP/1.1\r\nHost: a\r\nA : b\r\n\r\n"},
		{"400 for both lengths", 400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
		{"400 for TLS", 400, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"},
		{"411", 411, "POST / HTTP/1.0\r\n\r\n"},
		{"413", 413, post("01234567890")},
		{"414", 414, "GET /" + strings.Repeat("a", 9000) + " HTTP/1.1\r\n"},
		{"417", 417, "GET / HTTP/1.1\r\nHost: a\r\nExpect: tea\r\n\r\n"},
		{"431", 431, "GET / HTTP/1.1\r\nHost: a\r\nA: " + strings.Repeat("a", 9000) + "\r\n\r\n"},
		{"431 for many", 431, "GET / HTTP/1.1\r\nHost: a\r\n" + strings.Repeat("A: b\r\n", 200) + "\r\n"},
		{"501", 501, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n"},
		{"505", 505, "GET / HTTP/3.1\r\nHost: a\r\n\r\n"},
		{"505 for HTTP/2", 505, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := s.counters()
			con := s.dial()
			res := con.get(c.text + smuggled)
			if res.StatusCode != c.status || !res.Close {
				t.Errorf("got %+v, want %d", res, c.status)
			}
			con.ended()
			after := s.counters()
			if after.Refused != before.Refused+1 {
				t.Errorf("before %+v, after %+v", before, after)
			}
		})
	}
	for _, o := range s.Seen(12) {
		if strings.Contains(o.Path, "smuggled") || o.Err == nil || o.Client != "127.0.0.1" {
			t.Errorf("observed %+v", o)
		}
	}
	if log := s.Log.String(); strings.Count(log, "refused a request") != 12 || !strings.Contains(log, "client=127.0.0.1") {
		t.Errorf("log:\n%s", log)
	}
	if res := s.dial().get(get("/")); res.StatusCode != 200 {
		t.Errorf("afterwards: %+v", res)
	}
}

// What is logged of a path cannot end the line.
func TestLoggedPath(t *testing.T) {
	s := start(t, Config{MaxBody: 1}, hello)
	s.dial().get("POST /a%0Ab HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n")
	if log := s.Log.String(); !strings.Contains(log, "path=/a%0Ab\n") {
		t.Errorf("log:\n%s", log)
	}
}

func TestPipelining(t *testing.T) {
	s := start(t, Config{}, hello)
	c := s.dial()
	var all strings.Builder
	const n = 2000 // more than a buffer, and than a stack would like
	for range n {
		all.WriteString(get("/x"))
	}
	go c.send(all.String())
	for i := range n {
		if res := c.read("GET"); res.body != "hello /x" {
			t.Fatalf("answer %d: %+v", i, res)
		}
	}
}

// Pipelined requests are served one after the other, whoever finishes them.
func TestPipeliningWaits(t *testing.T) {
	h := testkit.NewHeld()
	s := start(t, Config{}, h)
	c := s.dial().send(get("/1") + get("/2") + get("/3"))
	for _, path := range []string{"/1", "/2", "/3"} {
		x := testkit.Wait(t, h.Began, "a request")
		if len(h.Began) != 0 {
			t.Fatal("two requests at a time")
		}
		s.Do(func() {
			if string(x.Request.Path) != path {
				t.Errorf("got %s, want %s", x.Request.Path, path)
			}
			x.Answer(200, path)
			if len(h.Began) != 0 {
				t.Error("the next request was served within End")
			}
		})
		if res := c.read("GET"); res.body != path {
			t.Errorf("got %+v", res)
		}
	}
}

// A client that pipelines without end is read only as fast as it is answered.
func TestPipeliningIsBounded(t *testing.T) {
	h := testkit.NewHeld()
	s := start(t, Config{}, h)
	c := s.dial()
	go c.send(strings.Repeat(get("/"), 1<<20))
	x := testkit.Wait(t, h.Began, "a request")
	s.Until("reading rests", func() bool {
		full := false
		s.Do(func() { full = x.Client.(*conn).full })
		return full
	})
	s.Do(func() {
		if n := len(x.Client.(*conn).w.in); n > 2*headRead {
			t.Errorf("%d octets are buffered", n)
		}
		x.Answer(200, "")
	})
	c.read("GET")
}

func TestHTTP10(t *testing.T) {
	s := start(t, Config{}, handler(func(x *exchange.Exchange) {
		x.Response.Status = 200
		if string(x.Request.Path) == "/length" {
			x.Response.ContentLength = 3
		}
		x.Head()
		x.Data([]byte("abc"))
		x.End()
	}))
	c := s.dial().send("GET /length HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
	if res := c.read("GET"); res.Header.Get("Connection") != "keep-alive" || res.body != "abc" {
		t.Errorf("got %+v", res)
	}
	if res := c.get("GET /unknown HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"); !res.Close || res.body != "abc" || res.TransferEncoding != nil {
		t.Errorf("got %+v", res)
	}
	c.ended()
	c = s.dial()
	if res := c.get("GET /length HTTP/1.0\r\n\r\n"); !res.Close || res.body != "abc" {
		t.Errorf("got %+v", res)
	}
	c.ended()
}

func TestKeepaliveRequests(t *testing.T) {
	s := start(t, Config{KeepaliveRequests: 2}, hello)
	c := s.dial()
	if res := c.get(get("/")); res.Close {
		t.Errorf("got %+v", res)
	}
	if res := c.get(get("/")); !res.Close {
		t.Errorf("got %+v", res)
	}
	c.ended()
}

// A client that has sent its next request when the connection ends gets its
// answer, and no reset.
func TestKeepaliveEndsWhileTheClientSends(t *testing.T) {
	h := testkit.NewHeld()
	s := start(t, Config{KeepaliveRequests: 1}, h)
	c := s.dial().send(get("/1"))
	x := testkit.Wait(t, h.Began, "a request")
	s.Do(func() { // nobody reads while the loop is here
		c.send(get("/2"))
		x.Answer(200, "/1")
	})
	if res := c.read("GET"); res.body != "/1" || !res.Close {
		t.Errorf("got %+v", res)
	}
	if rest := c.all(); rest != "" {
		t.Errorf("got %q", rest)
	}
	if n := s.counters().Requests; n != 1 {
		t.Errorf("%d requests", n)
	}
}

// A head may come in pieces of any size.
func TestHeadInPieces(t *testing.T) {
	s := start(t, Config{}, hello)
	c := s.dial()
	text := "\r\n" + get("/a%20b") + post("0123") + get("/c")
	for i := range len(text) {
		c.send(text[i : i+1])
	}
	for _, want := range []string{"hello /a b", "hello /", "hello /c"} {
		if res := c.read("GET"); res.body != want {
			t.Errorf("got %q, want %q", res.body, want)
		}
	}
}

func TestUnixSocket(t *testing.T) {
	s := startUnix(t, Config{}, handler(func(x *exchange.Exchange) {
		r := &x.Request
		if len(r.ClientAddr) != 0 || r.ClientPort != 0 || r.ServerPort != 0 || !strings.HasSuffix(string(r.ServerAddr), "/s") {
			t.Errorf("got %q:%d at %q:%d", r.ClientAddr, r.ClientPort, r.ServerAddr, r.ServerPort)
		}
		x.Answer(200, "ok")
	}))
	if res := s.dial().get(get("/")); res.body != "ok" {
		t.Errorf("got %+v", res)
	}
}

func TestAddresses(t *testing.T) {
	s := start(t, Config{}, handler(func(x *exchange.Exchange) {
		r := &x.Request
		if string(r.ClientAddr) != "127.0.0.1" || r.ClientPort == 0 || string(r.ServerAddr) != "127.0.0.1" || r.ServerPort == 0 || string(r.Scheme) != "http" {
			t.Errorf("got %q:%d at %s %q:%d", r.ClientAddr, r.ClientPort, r.Scheme, r.ServerAddr, r.ServerPort)
		}
		x.Answer(200, "ok")
	}))
	if res := s.dial().get(get("/")); res.body != "ok" {
		t.Errorf("got %+v", res)
	}
}

// What a client that goes in the middle leaves behind reaches nobody else.
func TestNothingLeaks(t *testing.T) {
	h := testkit.NewHeld()
	s := start(t, Config{}, h)
	for i := range 50 {
		c := s.dial().send("POST /secret HTTP/1.1\r\nHost: a\r\nX-Secret: yes\r\nContent-Length: 100\r\n\r\nsecret")
		x := testkit.Wait(t, h.Began, "a request")
		s.Do(func() {
			x.Demand(10)
			if i%2 == 0 {
				x.Response.Status = 200
				x.Response.Add("X-Secret", "yes")
				x.Head()
				x.Data([]byte("secret"))
			}
		})
		c.vanish()
		if err := testkit.Wait(t, h.Causes, "Gone"); err == nil {
			t.Fatal("Gone without a cause")
		}
		other := s.dial().send(get("/other"))
		y := testkit.Wait(t, h.Began, "another request")
		if x == y {
			t.Fatal("an exchange is used again before its end")
		}
		s.Do(func() { x.Data([]byte("secret")); x.End() })
		s.Do(func() {
			if y.Request.Get("x-secret") != nil || len(y.Request.Fields) != 1 || len(y.Response.Fields) != 0 || y.HasContent {
				t.Errorf("the other request is %+v", y.Request)
			}
			y.Answer(200, "fine")
		})
		res := other.read("GET")
		if res.body != "fine" || res.Header.Get("X-Secret") != "" {
			t.Fatalf("got %+v", res)
		}
		third := s.dial().send(get("/third"))
		z := testkit.Wait(t, h.Began, "a third request")
		s.Do(func() {
			if z.Request.Get("x-secret") != nil || z.Canceled || z.Stats.Err != nil || len(z.Response.Fields) != 0 {
				t.Errorf("the third request is %+v", z)
			}
			z.Answer(200, "fine too")
		})
		if res := third.read("GET"); res.body != "fine too" {
			t.Fatalf("got %+v", res)
		}
		_ = other.Close()
		_ = third.Close()
	}
}

func TestMaxConnections(t *testing.T) {
	h := testkit.NewHeld()
	s := start(t, Config{MaxConnections: 3}, h)
	first := s.dial().send(get("/"))
	x := testkit.Wait(t, h.Began, "a request")
	idle := s.dial()
	s.Until("two are open", func() bool { return s.counters().Open == 2 })
	for range 5 {
		_ = s.dial()
	}
	idle.ended() // the oldest idle one made room
	s.Do(func() { x.Answer(200, "still here") })
	if res := first.read("GET"); res.body != "still here" {
		t.Errorf("got %+v", res)
	}
	// Nobody is idle: accepting rests, and goes on when one is gone.
	s = start(t, Config{MaxConnections: 2}, h)
	var busy []*client
	var xs []*exchange.Exchange
	for range 3 {
		busy = append(busy, s.dial().send(get("/")))
		xs = append(xs, testkit.Wait(t, h.Began, "a request"))
	}
	late := s.dial().send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
	s.Until("accepting rests", func() bool {
		paused := false
		s.Do(func() { paused = s.door.paused })
		return paused
	})
	if n := s.counters().Open; n != 3 {
		t.Errorf("%d connections", n)
	}
	for i, x := range xs {
		s.Do(func() { x.Answer(200, "x") })
		busy[i].read("GET")
		_ = busy[i].Close()
	}
	y := testkit.Wait(t, h.Began, "the request that waited")
	s.Do(func() { y.Answer(200, "late") })
	if res := late.read("GET"); res.body != "late" {
		t.Errorf("got %+v", res)
	}
}

// Whoever uses an Exchange after its end reaches nobody.
func TestLateUse(t *testing.T) {
	h := testkit.NewHeld()
	s := start(t, Config{}, h)
	c := s.dial().send(get("/"))
	x := testkit.Wait(t, h.Began, "a request")
	generation := x.Generation
	s.Do(func() {
		x.Answer(200, "x")
		x.Demand(1)
		x.Head()
		x.Data([]byte("secret"))
		x.End()
		x.Abort(nil)
		f, err := os.Open(os.DevNull)
		if err != nil {
			t.Error(err)
		}
		x.File(f, 0, 1)
		if _, err := f.Stat(); err == nil {
			t.Error("the file was left open")
		}
		if x.Generation == generation {
			t.Error("the generation is the same")
		}
	})
	if res := c.read("GET"); res.body != "x" {
		t.Errorf("got %+v", res)
	}
	if n := strings.Count(s.Log.String(), "used after its end"); n != 6 {
		t.Errorf("%d uses were logged", n)
	}
}

// A handler that panics costs its client the connection, and nobody else anything.
func TestPanics(t *testing.T) {
	for name, h := range map[string]func(x *exchange.Exchange){
		"in Serve": func(*exchange.Exchange) { panic("oops") },
		"in Content": func(x *exchange.Exchange) {
			x.Server = &watcher{Collector: &testkit.Collector{Window: 3}, watch: func() { panic("oops") }}
			x.Demand(3)
		},
		"in a later Content": func(x *exchange.Exchange) {
			x.Server = &watcher{Collector: &testkit.Collector{Window: 3}, watch: func() { panic("oops") }}
			x.Executor.Post(exchange.TaskFunc(func() { x.Demand(3) }))
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, Config{}, handler(func(x *exchange.Exchange) {
				if x.HasContent {
					h(x)
					return
				}
				x.Answer(200, "fine")
			}))
			c := s.dial().send(post("hello"))
			testkit.Wait(t, s.Panics, "a panic")
			_ = c.Conn.(*net.TCPConn).CloseWrite() // where the panic was no event of the socket's, the next is
			c.ended()
			s.Until("the connection is gone", func() bool { return s.counters().Open == 0 })
			if res := s.dial().get(get("/")); res.body != "fine" {
				t.Errorf("got %+v", res)
			}
		})
	}
}

// When files run out, idle connections go first.
func TestOutOfFiles(t *testing.T) {
	d := fakeDoor(t, Config{}, newStatic())
	streams := make([]onloop.Stream, 2*evictions)
	for i := range streams {
		d.fakeConn(&streams[i])
	}
	d.refused(syscall.EMFILE)
	for i := range streams {
		if streams[i].Closed != (i < evictions) {
			t.Errorf("connection %d: closed is %v", i, streams[i].Closed)
		}
	}
	if n := d.Counters(); n.Evicted != evictions || n.Open != evictions || n.Idle != evictions {
		t.Errorf("counters %+v", n)
	}
}

// A connection that cannot be watched is closed, idle ones make room, and the log
// is not flooded.
func TestOutOfWatches(t *testing.T) {
	var log testkit.Log
	d := fakeDoor(t, Config{}, newStatic())
	d.f.parts.Log = slog.New(slog.NewTextHandler(&log, nil))
	var idle onloop.Stream
	d.fakeConn(&idle)
	name, _ := temporary(t, 1)
	for range 10 {
		fd, err := syscall.Open(name, syscall.O_RDONLY, 0) // no file that can be waited for
		if err != nil {
			t.Fatal(err)
		}
		d.accepted(d.newGate(nil, listen.Addr{}, d.f.parts.Handler), fd, netip.AddrPort{})
	}
	if n := strings.Count(log.String(), "cannot accept"); n != 1 || !idle.Closed {
		t.Errorf("%d lines, closed is %v", n, idle.Closed)
	}
}

// A connection that is no socket of ours is served as well.
func TestServeConn(t *testing.T) {
	s := start(t, Config{}, hello)
	ours, theirs := net.Pipe()
	s.Do(func() { s.door.ServeConn(ours, listen.Addr{Host: "127.0.0.1", Port: 80}) })
	_ = theirs.SetDeadline(time.Now().Add(patience))
	c := &client{t, theirs, bufio.NewReader(theirs)}
	for range 2 {
		go c.send(get("/piped"))
		if res := c.read("GET"); res.body != "hello /piped" {
			t.Errorf("got %+v", res)
		}
	}
	_ = theirs.Close()
}
