package http1

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"rickhouse/internal/exchange"
	"rickhouse/internal/testkit"
	"rickhouse/internal/units"
)

func TestContent(t *testing.T) {
	big := strings.Repeat("0123456789abcdef", 20000)
	for _, window := range []int{1 << 20, 64 << 10, 1000} {
		t.Run(fmt.Sprint(window), func(t *testing.T) {
			s := start(t, Config{}, testkit.Echo(window))
			c := s.dial()
			for _, r := range []struct{ name, text, want string }{
				{"none", get("/"), ""},
				{"length", post("hello"), "hello"},
				{"length 0", post(""), ""},
				{"large", post(big), big},
				{"chunked", chunked("hello", 2, ""), "hello"},
				{"chunked, empty", chunked("", 1, ""), ""},
				{"chunked, large", chunked(big, 5000, ""), big},
				{"chunked, a large chunk", chunked(big, len(big), ""), big},
			} {
				// The next request follows at once.
				go c.send(r.text + post("next"))
				if res := c.read("POST"); res.StatusCode != 200 || res.body != r.want || res.err != nil {
					t.Fatalf("%s: got %d and %d octets, %v", r.name, res.StatusCode, len(res.body), res.err)
				}
				if res := c.read("POST"); res.body != "next" {
					t.Fatalf("%s: the next got %+v", r.name, res)
				}
			}
		})
	}
}

func TestTrailersOfRequest(t *testing.T) {
	s := start(t, Config{}, testkit.Echo(100))
	res := s.dial().get(chunked("abc", 1, "X-Sum: 1\r\nContent-Length: 9\r\nHost: b\r\n"))
	if res.body != "abc" || strings.Join(res.Header["X-Trailer"], ",") != "x-sum=1" {
		t.Errorf("got %+v", res)
	}
}

// Content comes octet by octet, too.
func TestContentInPieces(t *testing.T) {
	s := start(t, Config{}, testkit.Echo(3))
	c := s.dial()
	text := chunked("hello", 2, "A: b\r\n") + post("hello")
	for i := range len(text) {
		c.send(text[i : i+1])
	}
	for range 2 {
		if res := c.read("POST"); res.body != "hello" {
			t.Errorf("got %+v", res)
		}
	}
}

// However content comes, the buffer stays small.
func TestContentBufferIsBounded(t *testing.T) {
	const size = 4 << 20
	largest := 0
	s := start(t, Config{}, answers(func(x *exchange.Exchange) {
		c := x.Client.(*conn)
		col := &testkit.Collector{Window: 700, Done: func(x *exchange.Exchange, content []byte, err error) {
			if len(content) != size || err != nil {
				t.Errorf("got %d octets, %v", len(content), err)
			}
			x.Answer(200, "ok")
		}}
		x.Server = &watcher{Collector: col, watch: func() { largest = max(largest, cap(c.w.in)) }}
		x.Demand(700)
	}))
	c := s.dial()
	go c.send(chunked(strings.Repeat("x", size), 1001, ""))
	if res := c.read("POST"); res.body != "ok" {
		t.Errorf("got %+v", res)
	}
	s.Do(func() {
		if largest == 0 || largest > 4*headRead {
			t.Errorf("the buffer grew to %d octets", largest)
		}
	})
}

// watcher is a collector that leaves its demand to the end of the turn.
type watcher struct {
	*testkit.Collector
	watch func()
	ended bool
}

func (w *watcher) ContentEnd(x *exchange.Exchange, err error) {
	w.ended = true
	w.Collector.ContentEnd(x, err)
}

func (w *watcher) Content(x *exchange.Exchange, p []byte) {
	w.watch()
	w.Got = append(w.Got, p...)
	n := len(p)
	x.Executor.Post(exchange.TaskFunc(func() {
		if !w.ended {
			x.Demand(n)
		}
	}))
}

// Content that nobody demands stays with the client.
func TestContentWaitsForDemand(t *testing.T) {
	h := testkit.NewHeld()
	s := start(t, Config{}, h)
	const size = 32 << 20
	c := s.dial()
	sent := make(chan struct{})
	go func() {
		c.send(post(strings.Repeat("x", size)))
		close(sent)
	}()
	x := testkit.Wait(t, h.Began, "a request")
	s.Until("reading rests", func() bool {
		full := false
		s.Do(func() { full = x.Client.(*conn).full })
		return full
	})
	s.Do(func() {
		if len(h.Got) != 0 {
			t.Errorf("got %d octets without demand", len(h.Got))
		}
		x.Demand(10)
		x.Demand(5)
	})
	s.Until("15 octets are there", func() bool {
		n := 0
		s.Do(func() { n = len(h.Got) })
		return n == 15
	})
	select {
	case <-sent:
		t.Error("the client could send everything")
	default:
	}
	s.Do(func() { x.Demand(size) })
	if err := testkit.Wait(t, h.Ends, "the end"); err != nil {
		t.Errorf("got %v", err)
	}
	s.Do(func() {
		if len(h.Got) != size {
			t.Errorf("got %d octets", len(h.Got))
		}
		x.Answer(200, "ok")
	})
	if res := c.read("POST"); res.body != "ok" || res.Close {
		t.Errorf("got %+v", res)
	}
}

const expecting = "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"

func TestContinue(t *testing.T) {
	s := start(t, Config{}, testkit.Echo(100))
	c := s.dial().send(expecting)
	line, err := c.r.ReadString('\n')
	empty, _ := c.r.ReadString('\n')
	if line != "HTTP/1.1 100 Continue\r\n" || empty != "\r\n" || err != nil {
		t.Fatalf("got %q, %q, %v", line, empty, err)
	}
	if res := c.get("hello"); res.body != "hello" || res.Close {
		t.Errorf("got %+v", res)
	}
	// The client did not wait for it.
	if res := c.get(expecting + "hello"); res.StatusCode != 200 || res.body != "hello" {
		t.Errorf("got %+v", res)
	}
	// HTTP/1.0 does not know it.
	if res := c.get(strings.Replace(expecting, "1.1", "1.0", 1) + "hello"); res.StatusCode != 200 || res.body != "hello" {
		t.Errorf("got %+v", res)
	}
}

// A client whose content nobody asked for is answered; the connection ends, as
// it may or may not send the content.
func TestContinueRefused(t *testing.T) {
	s := start(t, Config{}, handler(func(x *exchange.Exchange) { x.Answer(403, "no") }))
	c := s.dial()
	if res := c.get(expecting); res.StatusCode != 403 || !res.Close {
		t.Errorf("got %+v", res)
	}
	c.send("hello" + get("/smuggled"))
	c.ended()
	if n := s.counters(); n.Requests != 1 {
		t.Errorf("counters %+v", n)
	}
}

// An answer before the content is read breaks nothing: a small rest is thrown
// away, a large one ends the connection, and the client can read its answer.
func TestUnreadContent(t *testing.T) {
	s := start(t, Config{}, handler(func(x *exchange.Exchange) { x.Answer(200, "early") }))
	c := s.dial()
	for _, text := range []string{post(strings.Repeat("x", 60000)), chunked(strings.Repeat("x", 60000), 1000, ""), post("x")} {
		go c.send(text)
		if res := c.read("POST"); res.body != "early" || res.Close {
			t.Fatalf("got %+v", res)
		}
	}
	go c.send(post(strings.Repeat("x", 1<<20)) + get("/smuggled"))
	if res := c.read("POST"); res.body != "early" || !res.Close {
		t.Fatalf("got %+v", res)
	}
	c.ended()
	c = s.dial()
	go c.send(chunked(strings.Repeat("x", 1<<20), 1000, "") + get("/smuggled"))
	if res := c.read("POST"); res.body != "early" {
		t.Fatalf("got %+v", res)
	}
	c.ended()
	c = s.dial()
	if res := c.get(strings.TrimSuffix(chunked("", 1, ""), "0\r\n\r\n") + "zzz\r\n" + get("/smuggled")); res.body != "early" {
		t.Fatalf("got %+v", res)
	}
	c.ended()
	if n := s.counters(); n.Requests != 6 {
		t.Errorf("counters %+v", n)
	}
}

// A Server that has begun to take content in and gives up with a whole answer:
// the head tells the client if the connection ends because of it.
func TestContentGivenUp(t *testing.T) {
	s := start(t, Config{}, handler(func(x *exchange.Exchange) {
		if !x.HasContent {
			x.Answer(200, "next")
			return
		}
		col := &testkit.Collector{Window: 10, Done: func(*exchange.Exchange, []byte, error) { t.Error("the content is whole") }}
		x.Server = &quitter{col}
		x.Demand(10)
	}))
	c := s.dial()
	go c.send(post(strings.Repeat("x", 60000)) + get("/next"))
	if res := c.read("POST"); res.body != "enough" || res.Close {
		t.Errorf("a small rest: got %+v", res)
	}
	if res := c.read("GET"); res.body != "next" {
		t.Errorf("got %+v", res)
	}
	go c.send(post(strings.Repeat("x", 1<<20)) + get("/smuggled"))
	if res := c.read("POST"); res.body != "enough" || !res.Close {
		t.Errorf("a large rest: got %+v", res)
	}
	c.ended()
}

// quitter is a collector that answers at the first content.
type quitter struct{ *testkit.Collector }

func (*quitter) Content(x *exchange.Exchange, _ []byte) { x.Answer(200, "enough") }

// A large upload that is refused: the client reads the answer only when it has
// sent everything, and must not get a reset instead.
func TestLingeringClose(t *testing.T) {
	s := start(t, Config{MaxBody: units.MiB}, testkit.Echo(100))
	for _, text := range []string{
		post(strings.Repeat("x", 8<<20)),
		chunked(strings.Repeat("x", 8<<20), 60000, ""),
	} {
		c := s.dial()
		if _, err := io.WriteString(c.Conn, text); err != nil {
			t.Fatalf("sending: %v", err)
		}
		if res := c.read("POST"); res.StatusCode != 413 || !res.Close || res.err != nil {
			t.Fatalf("got %+v", res)
		}
		c.ended()
	}
}

func TestBadChunksReachTheServer(t *testing.T) {
	s := start(t, Config{MaxBody: 100}, testkit.Echo(1000))
	for text, status := range map[string]int{
		"5\r\nhello\r\nxyz\r\n":                        400,
		"5\r\nhello\n":                                 400,
		strings.Repeat("a\r\n0123456789\r\n", 11):      413,
		"5\r\nhello\r\n0\r\nA : b\r\n\r\n":             400,
		"0\r\n" + strings.Repeat("A: b\r\n", 200):      431,
		"1\r\nx\r\nFFFFFFFFFFFFFFFFFFFFFFFFFFFF\r\n":   400,
		"1;" + strings.Repeat("a", 2000) + "\r\nx\r\n": 400,
	} {
		c := s.dial()
		res := c.get("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + text + get("/smuggled"))
		if res.StatusCode != status || !res.Close {
			t.Errorf("%.40q: got %+v, want %d", text, res, status)
		}
		c.ended()
	}
}

// FIN in the middle of content is told; the client may still read.
func TestContentCut(t *testing.T) {
	s := start(t, Config{}, testkit.Echo(1000))
	for _, text := range []string{part(post("hello")), part(chunked("hello", 5, ""))} {
		c := s.dial().send(text)
		c.finishSending()
		if res := c.read("POST"); res.StatusCode != 400 || !res.Close {
			t.Errorf("got %+v", res)
		}
		c.ended()
	}
	for _, o := range s.Seen(2) {
		if !errors.Is(o.Err, exchange.ErrClientGone) {
			t.Errorf("observed %+v", o)
		}
	}
}

// Answers may be under way while content comes.
func TestBothWays(t *testing.T) {
	s := start(t, Config{}, handler(func(x *exchange.Exchange) {
		x.Response.Status = 200
		x.Head()
		x.Server = &mirror{}
		x.Demand(1000)
	}))
	c := s.dial().send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
	for {
		line, err := c.r.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if line == "\r\n" {
			break
		}
	}
	for i := range 10 {
		c.send(fmt.Sprintf("1\r\n%d\r\n", i))
		buf := make([]byte, 6)
		if _, err := io.ReadFull(c.r, buf); err != nil || string(buf) != fmt.Sprintf("1\r\n%d\r\n", i) {
			t.Fatalf("got %q, %v", buf, err)
		}
	}
	c.send("0\r\n\r\n" + "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
	if line, err := c.r.ReadString('\n'); line != "0\r\n" {
		t.Errorf("got %q, %v", line, err)
	}
}

// mirror sends back what comes.
type mirror struct{}

func (*mirror) Content(x *exchange.Exchange, p []byte) {
	x.Data(p)
	x.Demand(len(p))
}
func (*mirror) ContentEnd(x *exchange.Exchange, err error) { x.End() }
func (*mirror) Drained(*exchange.Exchange, int)            {}
func (*mirror) Gone(x *exchange.Exchange, cause error)     { x.Abort(cause) }

// A client that sends its head, or its content, too slowly is told so.
func TestTooSlow(t *testing.T) {
	cfg := Config{MinRate: 1 << 20, MinRateGrace: 100 * time.Millisecond, IdleTimeout: 200 * time.Millisecond}
	s := start(t, cfg, testkit.Echo(1000))
	for text, head := range map[string]bool{
		"GET / HTT": true, "GET / HTTP/1.1\r\nHost: a\r\n": true, part(post("hello")): false, part(chunked("hello", 1, "")): false,
	} {
		c := s.dial().send(text)
		if head {
			s.hasten("part of a head is there", func(c *conn) bool { return c.state == reading && c.w.parser.Begun() })
		}
		if res := c.read("GET"); res.StatusCode != 408 || !res.Close {
			t.Errorf("%q: got %+v", text, res)
		}
		c.ended()
	}
	// Who has sent nothing is told nothing.
	for text, at := range map[string]state{"": idle, "\r\n": reading} {
		c := s.dial().send(text)
		s.hasten("it is there", func(c *conn) bool { return c.state == at })
		if got := c.all(); got != "" {
			t.Errorf("%q: got %q", text, got)
		}
	}
	c := s.dial()
	c.get(get("/"))
	if got := c.all(); got != "" {
		t.Errorf("after idling got %q", got)
	}
}

// Slow clients cost others nothing.
func TestSlowLoris(t *testing.T) {
	s := start(t, Config{HeaderTimeout: patience}, hello)
	var slow []*client
	for range 200 {
		slow = append(slow, s.dial().send("GET / HTTP/1.1\r\n"))
	}
	s.Until("all have begun", func() bool {
		begun := 0
		s.Do(func() {
			s.door.idle.Each(func(c *conn) {
				if c.state == reading {
					begun++
				}
			})
		})
		return begun == len(slow)
	})
	s.Do(func() {
		s.door.idle.Each(func(c *conn) {
			c.until = s.Loop.Now() + int64(300*time.Millisecond)
			c.arm()
		})
	})
	// What is sent past the end may take the answer along, unless that is read by then.
	answers := make(chan string, len(slow))
	for _, l := range slow {
		go func() {
			got, _ := io.ReadAll(l.r)
			answers <- string(got)
		}()
	}
	stop := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
				slow[i%len(slow)].send("a")
			}
		}
	}()
	c := s.dial()
	for range 100 {
		if res := c.get(get("/")); res.StatusCode != 200 {
			t.Fatalf("got %+v", res)
		}
	}
	for range slow {
		if got := testkit.Wait(t, answers, "the answer of a slow one"); !strings.HasPrefix(got, "HTTP/1.1 408 ") {
			t.Fatalf("a slow one got %q", got)
		}
	}
	close(stop)
	<-done
}

// A Server that is slow itself is not held against the client.
func TestSlowServerIsNoSlowClient(t *testing.T) {
	h := testkit.NewHeld()
	s := start(t, Config{MinRateGrace: patience}, h)
	c := s.dial().send(part(post("hello")))
	x := testkit.Wait(t, h.Began, "a request")
	for _, waits := range []bool{false, true} {
		if waits {
			s.Do(func() { x.Demand(100) })
		}
		s.Do(func() {
			if at := s.door.busy.Oldest().deadline(); (at != 0) != waits {
				t.Errorf("the Server waits: %v; the deadline is %d", waits, at)
			}
		})
	}
	c.send("llo")
	if err := testkit.Wait(t, h.Ends, "the end"); err != nil {
		t.Errorf("got %v", err)
	}
	s.Do(func() { x.Answer(200, "") })
	c.read("POST")
}
