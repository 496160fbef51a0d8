package proxy

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"rickhouse/internal/testkit/door"
)

// dies reads a request head and closes the connection.
func dies(c *peerConn) { c.head() }

func TestRetries(t *testing.T) {
	dead, alive := unixFake(t, dies), unixFake(t, named("alive"))
	gone := "unix:" + filepath.Join(t.TempDir(), "none")
	for _, c := range []struct {
		name, method, content string
		cfg                   Config
		status                int
	}{
		{"an idempotent request that was sent", "GET", "", Config{Upstreams: []string{dead.url, alive.url}}, 200},
		{"with content that is still there", "PUT", "hello", Config{Upstreams: []string{dead.url, alive.url}}, 200},
		{"one that is not idempotent", "POST", "hello", Config{Upstreams: []string{dead.url, alive.url}}, 502},
		{"one that is not idempotent and was not sent", "POST", "hello", Config{Upstreams: []string{gone, alive.url}}, 200},
		{"without retry", "GET", "", Config{Upstreams: []string{dead.url, alive.url}, NoRetry: true}, 502},
		{"without retry, and not sent", "GET", "", Config{Upstreams: []string{gone, alive.url}, NoRetry: true}, 502},
		{"more often than retries", "GET", "", Config{Upstreams: []string{dead.url, "unix:/nowhere/1", "unix:/nowhere/2", alive.url + " backup"}, Retries: 1}, 502},
		{"a backup", "GET", "", Config{Upstreams: []string{dead.url, gone, alive.url + " backup"}}, 200},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := start(t, c.cfg, 1)
			statuses := map[int]int{}
			for range 4 { // whichever is first in turn
				a := e.client().send(fmt.Sprintf("%s / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s", c.method, len(c.content), c.content)).read(c.method)
				statuses[a.StatusCode]++
				if c.status == 200 && a.body != "alive" {
					t.Errorf("status %d, %q", a.StatusCode, a.body)
				}
			}
			if c.status != 200 && statuses[c.status] == 0 {
				t.Errorf("got %v, want some %d", statuses, c.status)
			}
		})
	}
}

// TestConnectionsThatCloseWhileTheyRest: the next request goes to a new one, whatever
// its method.
func TestConnectionsThatCloseWhileTheyRest(t *testing.T) {
	for _, method := range []string{"GET", "POST"} {
		t.Run(method, func(t *testing.T) {
			var served atomic.Int64
			f := unixFake(t, func(c *peerConn) {
				if r, _ := c.request(); r != nil {
					served.Add(1)
					c.write(ok("one"))
				}
			})
			e := start(t, Config{Upstreams: []string{f.url}}, 1)
			c := e.client()
			for i := range 200 {
				a := c.send(method + " / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab").read(method)
				if a.StatusCode != 200 && method == "GET" {
					t.Fatalf("request %d: %d %q", i, a.StatusCode, a.body)
				}
				if method == "POST" {
					// It cannot be told from a request that was run: the upstream is given
					// time to close.
					until(t, "the connection is closed", func() bool {
						n := 0
						e.On(e.Loops[0], func() { n = len(e.proxy.shards[0].conns) })
						return n == 0
					})
				}
			}
			if served.Load() != 200 {
				t.Errorf("%d requests were served", served.Load())
			}
		})
	}
}

// TestStaleConnections: an upstream that closes just as the next request comes has
// not failed, and an idempotent request is sent again.
func TestStaleConnections(t *testing.T) {
	var heads atomic.Int64
	f := unixFake(t, func(c *peerConn) {
		c.head()
		c.write(ok("one"))
		c.head() // the next request is read, and not answered
		heads.Add(1)
	})
	e := start(t, Config{Upstreams: []string{f.url}, Retries: 1, RetryBudget: 0.0001}, 1)
	c := e.client()
	for range 100 {
		c.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").read("GET").wantStatus(t, 200)
	}
	if heads.Load() == 0 {
		t.Error("no connection was stale: the test shows nothing")
	}
	c.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n").read("POST").wantStatus(t, 502)
}

// TestRetryBudget: not more requests are sent again than a share of all.
func TestRetryBudget(t *testing.T) {
	var asked atomic.Int64
	f := unixFake(t, func(c *peerConn) {
		c.head()
		asked.Add(1)
	})
	e := start(t, Config{Upstreams: []string{f.url}, Retries: 5, RetryBudget: 0.1, MaxFails: -1}, 1)
	for range 200 {
		e.get("/").wantStatus(t, 502)
	}
	if n := asked.Load(); n < 205 || n > 200+firstRetries+20 {
		t.Errorf("200 requests were sent %d times, the budget is %d", n, 200+firstRetries+20)
	}
}

// flapping is an upstream that comes and goes.
type flapping struct {
	path   string
	l      net.Listener
	conns  sync.Map
	served *atomic.Int64
}

func (f *flapping) up(t *testing.T) {
	l, err := net.Listen("unix", f.path)
	if err != nil {
		t.Error(err)
		return
	}
	f.l = l
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			f.conns.Store(c, nil)
			go f.serve(c)
		}
	}()
}

// down closes the socket and every connection, whatever they are at.
func (f *flapping) down() {
	_ = f.l.Close()
	f.conns.Range(func(c, _ any) bool {
		_ = c.(net.Conn).Close()
		f.conns.Delete(c)
		return true
	})
}

func (f *flapping) serve(nc net.Conn) {
	c := newPeerConn(nc)
	for c.head() != "" {
		f.served.Add(1)
		c.write(ok("fine"))
	}
	_ = nc.Close()
}

// TestFlappingUpstreams: of 10,000 requests that may be sent again none is lost
// while upstreams come and go, one at a time.
func TestFlappingUpstreams(t *testing.T) {
	served := &atomic.Int64{}
	dir := t.TempDir()
	var all []*flapping
	var urls []string
	for i := range 3 {
		f := &flapping{path: filepath.Join(dir, fmt.Sprint(i)), served: served}
		f.up(t)
		all, urls = append(all, f), append(urls, "unix:"+f.path)
	}
	e := start(t, Config{Upstreams: urls, Retries: 100, RetryBudget: 1, EjectTime: 10 * time.Millisecond})
	stop, stopped := make(chan struct{}), make(chan struct{})
	// some waits until a few more were served: on a machine that is slow upstreams come
	// and go as slowly, or the budget for retries would not do.
	some := func() {
		for to := served.Load() + 20 + rand.Int64N(40); served.Load() < to; time.Sleep(100 * time.Microsecond) {
			select {
			case <-stop:
				return
			default:
			}
		}
	}
	go func() {
		defer close(stopped)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			f := all[i%3]
			f.down()
			some()
			f.up(t)
			some()
		}
	}()
	const clients, each = 20, 500
	var lost atomic.Int64
	var wg sync.WaitGroup
	for range clients {
		c := e.client()
		_ = c.SetDeadline(time.Time{}) // how long this takes depends on what else the machine does
		wg.Go(func() {
			for range each {
				_, err := io.WriteString(c.Conn, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
				if err != nil {
					t.Error(err)
					return
				}
				res, err := http.ReadResponse(c.r, nil)
				if err != nil {
					t.Error(err)
					return
				}
				body, err := io.ReadAll(res.Body)
				if err != nil || res.StatusCode != 200 || string(body) != "fine" {
					// An answer that was cut cannot be tried again; no other is lost.
					lost.Add(1)
				}
			}
		})
	}
	wg.Wait()
	close(stop)
	<-stopped
	for _, f := range all {
		f.down()
	}
	if lost.Load() > 0 {
		t.Errorf("%d of %d requests were lost", lost.Load(), clients*each)
	}
	if served.Load() < clients*each {
		t.Errorf("%d requests were served", served.Load())
	}
	if !strings.Contains(e.Log.String(), "a request is tried again") {
		t.Error("none was tried again: the test shows nothing")
	}
}

// TestQueue: requests wait where an upstream has all its connections, in order and
// not for ever.
func TestQueue(t *testing.T) {
	var open, most atomic.Int64
	gate := make(chan struct{})
	f := unixFake(t, func(c *peerConn) {
		for c.head() != "" {
			n := open.Add(1)
			for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
			}
			<-gate
			open.Add(-1)
			c.write(ok("done"))
		}
	})
	e := start(t, Config{Upstreams: []string{f.url}, MaxConnections: 2, Queue: 6, QueueTimeout: 10 * door.Patience})
	var wg sync.WaitGroup
	var done, full atomic.Int64
	for range 12 {
		c := e.client()
		wg.Go(func() {
			_, _ = io.WriteString(c.Conn, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
			res, err := http.ReadResponse(c.r, nil)
			switch {
			case err != nil:
				t.Error(err)
			case res.StatusCode == 200:
				done.Add(1)
			case res.StatusCode == 503:
				full.Add(1)
			}
		})
	}
	until(t, "some find the queue full", func() bool { return full.Load() == 4 })
	close(gate)
	wg.Wait()
	if done.Load() != 8 || most.Load() > 2 {
		t.Errorf("%d were served, %d at once, want 8 and 2", done.Load(), most.Load())
	}
}

func TestQueueTimeout(t *testing.T) {
	gate := make(chan struct{})
	f := unixFake(t, func(c *peerConn) {
		c.head()
		<-gate
		c.write(ok("done"))
	})
	e := start(t, Config{Upstreams: []string{f.url}, MaxConnections: 1, QueueTimeout: 50 * time.Millisecond}, 1)
	first := e.client().send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	until(t, "the first is there", func() bool { return f.conns.Load() == 1 })
	e.get("/").wantStatus(t, 503)
	close(gate)
	first.read("GET").wantStatus(t, 200)
}

// TestPlacesMoveBetweenLoops: a connection that rests on one loop makes room for who
// waits on another.
func TestPlacesMoveBetweenLoops(t *testing.T) {
	f := unixFake(t, named("x"))
	e := start(t, Config{Upstreams: []string{f.url}, MaxConnections: 1, QueueTimeout: door.Patience}, 3)
	for range 60 {
		e.get("/").wantStatus(t, 200)
	}
}
