package proxy

import (
	"io"
	"strings"
	"testing"
	"time"

	"rickhouse/internal/testkit"
)

// TestLyingUpstreams are answered 502, with the reason in the log.
func TestLyingUpstreams(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\n"
	for name, c := range map[string]struct{ says, log string }{
		"ends before an answer":       {"", "ended before an answer"},
		"ends within the head":        {ok + "Content-Le", "ended within the head"},
		"ends within a name":          {"HTT", "ended within the head"},
		"garbage":                     {"\x00\xff garbage\r\n\r\n", "does not begin as HTTP does"},
		"another protocol":            {"SSH-2.0-OpenSSH_9\r\n", "does not begin as HTTP does"},
		"two lengths":                 {ok + "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", "more than one Content-Length"},
		"length and coding":           {ok + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "both Content-Length and Transfer-Encoding"},
		"a folded line":               {ok + "X: a\r\n b\r\nContent-Length: 0\r\n\r\n", "folded"},
		"a coding that is not there":  {ok + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "Transfer-Encoding"},
		"LF alone":                    {"HTTP/1.1 200 OK\nContent-Length: 0\n\n", "LF without CR"},
		"NUL in a field":              {ok + "X: a\x00b\r\n\r\n", "control character"},
		"a head without end":          {ok + strings.Repeat("X: "+strings.Repeat("a", 1000)+"\r\n", 80), "longer than"},
		"101 that nobody asked for":   {"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", "nobody asked for"},
		"interim answers without end": {strings.Repeat("HTTP/1.1 102 Processing\r\n\r\n", 100), "too many interim"},
	} {
		t.Run(name, func(t *testing.T) {
			f := unixFake(t, func(pc *peerConn) {
				pc.head()
				pc.write(c.says)
			})
			e := start(t, Config{Upstreams: []string{f.url}, Retries: 1}, 1)
			cl := e.client().send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
			a := cl.read("POST")
			for a.StatusCode == 102 {
				a = cl.read("POST")
			}
			a.wantStatus(t, 502)
			e.wantLog(c.log)
			if strings.Contains(a.body, "upstream") || len(a.body) > 40 {
				t.Errorf("the client is told %q", a.body)
			}
		})
	}
}

// TestAnswersThatAreCut: a client can tell that the answer is not whole, and gets no
// octet of what is not content.
func TestAnswersThatAreCut(t *testing.T) {
	for name, says := range map[string]string{
		"too short":               "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello",
		"within a chunk":          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\nhello",
		"between chunks":          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
		"a bad chunk":             "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nxyz\r\n",
		"a chunk without its end": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello!!!!",
		"bad trailers":            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX : y\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			f := unixFake(t, func(c *peerConn) {
				c.head()
				c.write(says)
			})
			e := start(t, Config{Upstreams: []string{f.url}}, 1)
			a := e.get("/")
			if a.StatusCode != 200 || a.body != "hello" || a.err == nil {
				t.Errorf("status %d, %q, error %v: want hello and an error", a.StatusCode, a.body, a.err)
			}
			if f.conns.Load() != 1 {
				t.Errorf("it was asked %d times", f.conns.Load())
			}
		})
	}
}

// TestMoreThanTheAnswer: what follows an answer is never taken for the next.
func TestMoreThanTheAnswer(t *testing.T) {
	for name, more := range map[string]string{
		"at once": ok("one") + ok("smuggled"),
		"octets":  ok("one") + "x",
	} {
		t.Run(name, func(t *testing.T) {
			f := unixFake(t, func(c *peerConn) {
				for c.head() != "" {
					c.write(more)
				}
			})
			e := start(t, Config{Upstreams: []string{f.url}}, 1)
			c := e.client()
			for range 3 {
				if a := c.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").read("GET"); a.body != "one" {
					t.Fatalf("got %q", a.body)
				}
			}
			if n := f.conns.Load(); n != 3 {
				t.Errorf("%d connections, want one for each", n)
			}
		})
	}
	t.Run("while it rests", func(t *testing.T) {
		f := unixFake(t, func(c *peerConn) {
			c.head()
			c.write(ok("one"))
			if c.n == 1 {
				c.write(ok("smuggled"))
			}
			c.head()
		})
		e := start(t, Config{Upstreams: []string{f.url}}, 1)
		e.get("/")
		for range 2 { // either way, that connection is not used again
			if a := e.get("/"); a.body != "one" {
				t.Fatalf("got %q", a.body)
			}
		}
	})
}

func TestNobodyListens(t *testing.T) {
	gone := "http://" + testkit.RefusedAddress(t)
	for name, url := range map[string]string{"tcp": gone, "unix": "unix:" + t.TempDir() + "/none"} {
		t.Run(name, func(t *testing.T) {
			e := start(t, Config{Upstreams: []string{url}})
			e.get("/").wantStatus(t, 502)
			e.wantLog("an upstream failed.*" + url)
		})
	}
}

func TestTimeouts(t *testing.T) {
	stall := func(says string) func(c *peerConn) {
		return func(c *peerConn) {
			c.head()
			c.write(says)
			_, _ = io.Copy(io.Discard, c.r)
		}
	}
	t.Run("no answer", func(t *testing.T) {
		f := unixFake(t, stall(""))
		e := start(t, Config{Upstreams: []string{f.url}, AnswerTimeout: 50 * time.Millisecond})
		e.get("/").wantStatus(t, 504)
		e.wantLog("answer_timeout")
		until(t, "it is asked", func() bool { return f.conns.Load() > 0 }) // which a slow machine does late
		if n := f.conns.Load(); n != 1 {
			t.Errorf("it was asked %d times", n)
		}
	})
	t.Run("part of a head", func(t *testing.T) {
		f := unixFake(t, stall("HTTP/1.1 200 OK\r\nX-"))
		e := start(t, Config{Upstreams: []string{f.url}, AnswerTimeout: 50 * time.Millisecond})
		e.get("/").wantStatus(t, 504)
	})
	t.Run("part of the content", func(t *testing.T) {
		f := unixFake(t, stall("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello"))
		e := start(t, Config{Upstreams: []string{f.url}, StallTimeout: 50 * time.Millisecond})
		if a := e.get("/"); a.body != "hello" || a.err == nil {
			t.Errorf("got %q, %v", a.body, a.err)
		}
		e.wantLog("stall_timeout")
	})
	t.Run("it takes nothing", func(t *testing.T) {
		f := unixFake(t, func(c *peerConn) {
			c.head()
			time.Sleep(time.Hour)
		})
		e := start(t, Config{Upstreams: []string{f.url}, StallTimeout: 100 * time.Millisecond})
		c := e.client()
		go func() {
			_, _ = io.WriteString(c.Conn, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8000000\r\n\r\n"+strings.Repeat("x", 8_000_000))
		}()
		c.read("POST").wantStatus(t, 504)
	})
	t.Run("no connection", func(t *testing.T) {
		if !raw {
			t.Skip("package net does not wait for a backlog")
		}
		// A Unix socket whose backlog is full takes nobody.
		l := fullBacklog(t)
		e := start(t, Config{Upstreams: []string{"unix:" + l}, ConnectTimeout: 100 * time.Millisecond})
		e.get("/").wantStatus(t, 504)
		e.wantLog("connect_timeout")
	})
	t.Run("an idle connection is closed", func(t *testing.T) {
		ended := make(chan struct{})
		f := unixFake(t, func(c *peerConn) {
			c.head()
			c.write(ok("a"))
			if c.head() == "" {
				close(ended)
			}
		})
		e := start(t, Config{Upstreams: []string{f.url}, KeepaliveTimeout: 50 * time.Millisecond})
		e.get("/").wantStatus(t, 200)
		<-ended
	})
}

// TestTrickle: an answer that comes octet by octet passes as it comes.
func TestTrickle(t *testing.T) {
	step := make(chan struct{})
	f := tcpFake(t, func(c *peerConn) {
		c.head()
		for _, b := range "HTTP/1.1 200 OK\r\nX-A: b\r\nContent-Length: 5\r\n\r\nhel" {
			c.write(string(b))
		}
		<-step
		c.write("lo")
	})
	e := start(t, Config{Upstreams: []string{f.url}})
	c := e.client().send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	var got strings.Builder
	for !strings.HasSuffix(got.String(), "hel") {
		b, err := c.r.ReadByte()
		if err != nil {
			t.Fatal(err)
		}
		got.WriteByte(b)
	}
	close(step)
	rest := make([]byte, 2)
	if _, err := io.ReadFull(c.r, rest); err != nil || string(rest) != "lo" {
		t.Errorf("then %q, %v", rest, err)
	}
}
