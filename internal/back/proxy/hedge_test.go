package proxy

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"rickhouse/internal/exchange"
	"rickhouse/internal/testkit/door"
)

// held is an upstream that tells of each request and answers when it is told to.
type held struct {
	*fake
	asked  chan string   // a head
	answer chan string   // the octets of an answer; "" to close the connection
	closed chan struct{} // a connection has ended while it was to be answered
}

func newHeld(t *testing.T) *held {
	t.Helper()
	h := &held{asked: make(chan string, 16), answer: make(chan string), closed: make(chan struct{}, 16)}
	h.fake = unixFake(t, func(c *peerConn) {
		for {
			head := c.head()
			if head == "" {
				return
			}
			h.asked <- head
			ended := make(chan struct{})
			go func() {
				_, _ = c.r.Peek(1) // the next request, or the end
				close(ended)
			}()
			select {
			case text := <-h.answer:
				if text == "" {
					return
				}
				c.write(text)
				<-ended
			case <-ended:
				h.closed <- struct{}{}
				return
			}
		}
	})
	return h
}

// take waits for what comes from a channel.
func take[T any](t *testing.T, what string, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(door.Patience):
		t.Fatalf("waited for %s", what)
		panic("unreachable")
	}
}

func give(t *testing.T, h *held, text string) {
	t.Helper()
	select {
	case h.answer <- text:
	case <-time.After(door.Patience):
		t.Fatal("nobody is to be answered")
	}
}

// hedging is two upstreams, the first of which has a request that went to the second
// as well.
func hedging(t *testing.T, method string) (e *env, c *client, a, b *held) {
	t.Helper()
	a, b = newHeld(t), newHeld(t)
	e = start(t, Config{Upstreams: []string{a.url, b.url}, HedgeAfter: time.Millisecond, AnswerTimeout: 10 * door.Patience}, 1)
	c = e.client().send(method + " /x HTTP/1.1\r\nHost: a\r\nTE: trailers\r\n\r\n")
	first := take(t, "the first", a.asked)
	if second := take(t, "the second", b.asked); second != first || !strings.HasPrefix(first, method+" /x HTTP/1.1\r\n") {
		t.Errorf("they were asked\n%s\n%s", first, second)
	}
	return e, c, a, b
}

// reset ends the connection in a way that nobody takes for half an end.
func (c *client) reset() {
	c.t.Helper()
	if err := c.Conn.(*net.TCPConn).SetLinger(0); err != nil {
		c.t.Error(err)
	}
	_ = c.Close()
}

// wantNothingLeft waits until no request is under way.
func (e *env) wantNothingLeft() {
	e.t.Helper()
	until(e.t, "nothing is under way", func() bool {
		for _, p := range *e.proxy.peers.Load() {
			if p.active.Load() != 0 {
				return false
			}
		}
		return true
	})
}

func TestHedges(t *testing.T) {
	big := strings.Repeat("0123456789", 100_000)
	chunked := fmt.Sprintf("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-End\r\n\r\n%x\r\n%s\r\n0\r\nX-End: yes\r\n\r\n", len(big), big)
	t.Run("the second answers", func(t *testing.T) {
		e, c, a, b := hedging(t, "GET")
		give(t, b, chunked)
		if got := c.read("GET"); got.body != big || got.Trailer.Get("X-End") != "yes" || got.err != nil {
			t.Errorf("got %d octets, %v, %v", len(got.body), got.Trailer, got.err)
		}
		take(t, "the first to be given up", a.closed)
		e.wantNothingLeft()
		e.wantLog("a request goes to a second upstream.*" + a.url)
		if p := (*e.proxy.peers.Load())[0]; p.fails.Load() != 0 {
			t.Error("who is slow has failed")
		}
	})
	t.Run("the first answers", func(t *testing.T) {
		e, c, a, b := hedging(t, "GET")
		give(t, a, chunked)
		if got := c.read("GET"); got.body != big || got.Trailer.Get("X-End") != "yes" {
			t.Errorf("got %d octets, %v", len(got.body), got.Trailer)
		}
		take(t, "the second to be given up", b.closed)
		e.wantNothingLeft()
	})
	t.Run("HEAD", func(t *testing.T) {
		_, c, _, b := hedging(t, "HEAD")
		give(t, b, "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n")
		if got := c.read("HEAD"); got.ContentLength != 7 {
			t.Errorf("got %v", got.Header)
		}
	})
	t.Run("an interim answer wins nothing", func(t *testing.T) {
		_, c, a, b := hedging(t, "GET")
		give(t, b, "HTTP/1.1 103 Early Hints\r\nLink: </b>\r\n\r\n")
		give(t, a, ok("a"))
		if got := c.read("GET"); got.StatusCode != 200 || got.body != "a" {
			t.Errorf("got %d %q", got.StatusCode, got.body)
		}
	})
	t.Run("the first fails", func(t *testing.T) {
		e, c, a, b := hedging(t, "GET")
		give(t, a, "")
		until(t, "one connection is left", func() (one bool) {
			e.On(e.Loops[0], func() { one = len(e.proxy.shards[0].conns) == 1 })
			return one
		})
		give(t, b, ok("b"))
		if got := c.read("GET"); got.body != "b" {
			t.Errorf("got %d %q", got.StatusCode, got.body)
		}
		e.wantNothingLeft()
	})
	t.Run("the second fails", func(t *testing.T) {
		e, c, a, b := hedging(t, "GET")
		give(t, b, "nonsense\r\n\r\n")
		e.wantLog("an upstream failed.*" + b.url + ".*not valid")
		give(t, a, ok("a"))
		if got := c.read("GET"); got.body != "a" {
			t.Errorf("got %d %q", got.StatusCode, got.body)
		}
		e.wantNothingLeft()
	})
	t.Run("the client goes", func(t *testing.T) {
		e, c, a, b := hedging(t, "GET")
		c.reset()
		take(t, "the first to be given up", a.closed)
		take(t, "the second to be given up", b.closed)
		e.wantNothingLeft()
	})
	t.Run("the client goes while the second answers", func(t *testing.T) {
		e, c, a, b := hedging(t, "GET")
		give(t, b, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
		take(t, "the first to be given up", a.closed)
		c.reset()
		e.wantNothingLeft()
	})
	t.Run("the server stops", func(t *testing.T) {
		e, c, _, _ := hedging(t, "GET")
		if err := e.proxy.Close(); err != nil {
			t.Error(err)
		}
		c.read("GET").wantStatus(t, 503)
		e.wantNothingLeft()
	})
}

// TestBothOfAHedgeFail: no more is tried than without.
func TestBothOfAHedgeFail(t *testing.T) {
	e, c, a, b := hedging(t, "GET")
	stop := make(chan struct{})
	defer close(stop)
	for _, h := range []*held{a, b} {
		go func() {
			for {
				select {
				case h.answer <- "":
				case <-stop:
					return
				}
			}
		}()
	}
	c.read("GET").wantStatus(t, 502)
	e.wantNothingLeft()
	if n := a.conns.Load() + b.conns.Load(); n > 4 {
		t.Errorf("it was sent %d times", n)
	}
}

// TestWhoIsNotAskedTwice: where nobody else is to be asked a slow request waits.
func TestWhoIsNotAskedTwice(t *testing.T) {
	for _, c := range []struct {
		name   string
		others []string
		change func(e *env)
	}{
		{name: "there is one upstream"},
		{name: "the other is a backup", others: []string{"unix:/none backup"}},
		{"the other is left alone", []string{"unix:/none"}, func(e *env) { (*e.proxy.peers.Load())[1].until.Store(1 << 62) }},
		{"the budget is spent", []string{"unix:/none"}, func(e *env) { e.proxy.shards[0].budget = -1 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := newHeld(t)
			e := start(t, Config{Upstreams: append([]string{a.url}, c.others...), HedgeAfter: time.Millisecond, AnswerTimeout: 10 * door.Patience}, 1)
			if c.change != nil {
				e.On(e.Loops[0], func() { c.change(e) })
			}
			client := e.client().send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
			take(t, "the request", a.asked)
			until(t, "it was thought of", func() (hedged bool) {
				e.On(e.Loops[0], func() {
					for c := range e.proxy.shards[0].conns {
						hedged = hedged || c.call != nil && c.call.hedged && c.call.rival == nil
					}
				})
				return hedged
			})
			give(t, a, ok("a"))
			if got := client.read("GET"); got.body != "a" {
				t.Errorf("got %d %q", got.StatusCode, got.body)
			}
			if strings.Contains(e.Log.String(), "second upstream") {
				t.Error("it went to another one")
			}
		})
	}
}

func TestWhatMayBeHedged(t *testing.T) {
	p := bench(t, Config{Upstreams: []string{"unix:/a", "unix:/b"}, HedgeAfter: time.Second})
	for _, c := range []struct {
		name   string
		want   bool
		change func(x *exchange.Exchange)
	}{
		{"GET", true, func(x *exchange.Exchange) {}},
		{"HEAD", true, func(x *exchange.Exchange) { x.Request.Method = []byte("HEAD") }},
		{"PUT", false, func(x *exchange.Exchange) { x.Request.Method = []byte("PUT") }},
		{"content", false, func(x *exchange.Exchange) { x.HasContent = true }},
		{"an upgrade", false, func(x *exchange.Exchange) { x.Request.Upgrade = []byte("websocket") }},
		{"rerun = false", false, func(x *exchange.Exchange) { x.Route.NoRerun = true }},
	} {
		x := &exchange.Exchange{Request: exchange.Request{Method: []byte("GET")}}
		c.change(x)
		if got := (&call{sh: p.shards[0], x: x}).mayHedge(); got != c.want {
			t.Errorf("%s: got %t", c.name, got)
		}
	}
}

// TestHedgesUnderLoad: whoever answers, an answer is that of its request.
func TestHedgesUnderLoad(t *testing.T) {
	erratic := func(c *peerConn) {
		for {
			r, _ := c.request()
			if r == nil {
				return
			}
			time.Sleep(time.Duration(rand.IntN(3)) * time.Millisecond)
			c.write(ok(r.URL.Path))
		}
	}
	a, b := unixFake(t, erratic), unixFake(t, erratic)
	e := start(t, Config{Upstreams: []string{a.url, b.url}, HedgeAfter: time.Millisecond, RetryBudget: 1})
	var wg sync.WaitGroup
	for i := range 8 {
		c := e.client()
		_ = c.SetDeadline(time.Time{}) // how long this takes depends on what else the machine does
		wg.Go(func() {
			for j := range 200 {
				path := fmt.Sprintf("/%d/%d", i, j)
				_, _ = io.WriteString(c.Conn, "GET "+path+" HTTP/1.1\r\nHost: a\r\n\r\n")
				res, err := http.ReadResponse(c.r, nil)
				if err != nil {
					t.Errorf("%s: %v", path, err)
					return
				}
				body, err := io.ReadAll(res.Body)
				if err != nil || res.StatusCode != 200 || string(body) != path {
					t.Errorf("%s: %d %q, %v", path, res.StatusCode, body, err)
				}
			}
		})
	}
	wg.Wait()
	e.wantNothingLeft()
	if !strings.Contains(e.Log.String(), "second upstream") {
		t.Error("no request was hedged: the test shows nothing")
	}
}
