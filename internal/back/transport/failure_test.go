package transport

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"rickhouse/internal/exchange"
	"rickhouse/internal/testkit"
)

// The octets that are on their way to a client that takes none are bounded, and
// all come once it does.
func TestSlowClient(t *testing.T) {
	const total = 4 << 20
	protocols(t, func(t *testing.T, p Protocol) {
		u := start(t, p, Config{Window: 16 << 10}, func(w http.ResponseWriter, _ *http.Request) {
			piece := make([]byte, 64<<10)
			for range total / len(piece) {
				if _, err := w.Write(piece); err != nil {
					t.Error(err)
				}
			}
		})
		d := newDesk(t).request("GET", "/", nil)
		d.holds = true
		d.begin(u.Transport, u.call)
		full := func() (ok bool, seen string) {
			d.on(func() { ok, seen = d.undrained == 16<<10, fmt.Sprint(d.undrained, " octets have come") })
			return ok, seen
		}
		if err := testkit.Until(testkit.Patience, full); err != nil {
			t.Fatal(err)
		}
		d.on(func() {
			d.holds = false
			d.drain()
		})
		testkit.Wait(t, d.over, "all has come")
		if d.content.Len() != total || d.most > 16<<10 || d.aborted != nil {
			t.Errorf("%d octets, %d at once, %v", d.content.Len(), d.most, d.aborted)
		}
	})
}

// Content is demanded only as far as an upstream takes it.
func TestSlowServer(t *testing.T) {
	protocols(t, func(t *testing.T, p Protocol) {
		goOn, content := make(chan struct{}), make([]byte, 16<<20)
		u := start(t, p, Config{}, func(w http.ResponseWriter, r *http.Request) {
			<-goOn
			n, _ := io.Copy(io.Discard, r.Body)
			_, _ = fmt.Fprint(w, n)
		})
		d := newDesk(t).request("POST", "/", content)
		d.begin(u.Transport, u.call)
		// What it has not asked for is in kernel buffers and flow control windows: it
		// stands still before all of it has been taken.
		last := -1
		still := func() (ok bool, seen string) {
			var now int
			d.on(func() { now = d.demanded })
			ok, last, seen = now == last && now > 0, now, fmt.Sprint(now, " octets are demanded")
			return ok, seen
		}
		if err := testkit.Until(testkit.Patience, still); err != nil {
			t.Fatal(err)
		}
		if last >= len(content) {
			t.Errorf("%d octets were demanded of %d that nobody reads", last, len(content))
		}
		close(goOn)
		testkit.Wait(t, d.over, "it is answered")
		if d.content.String() != fmt.Sprint(len(content)) {
			t.Errorf("the upstream has got %s octets", d.content.String())
		}
	})
}

// Each event is with the client before the next is made.
func TestEventStream(t *testing.T) {
	protocols(t, func(t *testing.T, p Protocol) {
		took := make(chan struct{}, 1)
		u := start(t, p, Config{}, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			for i := range 20 {
				_, _ = fmt.Fprintf(w, "data: %d\n\n", i)
				w.(http.Flusher).Flush()
				testkit.Wait(t, took, "the client has the event")
			}
		})
		d := newDesk(t).request("GET", "/", nil)
		d.onData = func() { took <- struct{}{} }
		d.serve(u.Transport, u.call)
		if n := strings.Count(d.content.String(), "data: "); n != 20 || d.length != -1 {
			t.Errorf("%d events, length %d", n, d.length)
		}
	})
}

// An upstream may answer while the request is still being sent, piece for piece.
func TestBothAtOnce(t *testing.T) {
	u := start(t, H2C, Config{}, func(w http.ResponseWriter, r *http.Request) {
		lines := bufio.NewScanner(r.Body)
		w.WriteHeader(200)
		w.(http.Flusher).Flush()
		for lines.Scan() {
			_, _ = fmt.Fprintf(w, "<%s>", lines.Text())
			w.(http.Flusher).Flush()
		}
	})
	d := newDesk(t).request("POST", "/", nil).chunked()
	d.endless = true
	got := make(chan struct{}, 100)
	d.onData = func() { got <- struct{}{} }
	d.begin(u.Transport, u.call)
	for i := range 10 {
		d.on(func() { d.x.Server.Content(d.x, fmt.Appendf(nil, "%d\n", i)) })
		testkit.Wait(t, got, "the line comes back")
	}
	d.on(func() { d.x.Server.ContentEnd(d.x, nil) })
	testkit.Wait(t, d.over, "the exchange ends")
	if d.content.String() != "<0><1><2><3><4><5><6><7><8><9>" {
		t.Errorf("got %q", d.content.String())
	}
}

func TestUpstreamsThatFail(t *testing.T) {
	for _, c := range []struct {
		name, text string
		status     int
		cut        bool
	}{
		{"nothing", "", 502, false},
		{"garbage", "SSH-2.0-OpenSSH\r\n", 502, false},
		{"part of a head", "HTTP/1.1 200 OK\r\nContent-", 502, false},
		{"no field name", "HTTP/1.1 200 OK\r\n: a\r\n\r\n", 502, false},
		{"a name with a space", "HTTP/1.1 200 OK\r\nA B: a\r\n\r\n", 502, false},
		{"a control character", "HTTP/1.1 200 OK\r\nA: b\x01c\r\nContent-Length: 0\r\n\r\n", 502, false},
		{"two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\na", 502, false},
		{"a length that is none", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\na", 502, false},
		{"101", "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n", 502, false},
		{"a status that is none", "HTTP/1.1 99 No\r\nContent-Length: 0\r\n\r\n", 502, false},
		{"a head without end", "HTTP/1.1 200 OK\r\nA: " + strings.Repeat("a", 2*defaultMaxHead), 502, false},
		{"too short", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", 200, true},
		{"a broken chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 200, true},
		{"chunks without end", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", 200, true},
		{"too long", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcHTTP/1.1 200 OK\r\n\r\n", 200, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			u := raw(t, c.text)
			call := u.call
			var outcome error
			call.Done = func(err error) { outcome = err }
			d := newDesk(t).request("GET", "/", nil).serve(u.Transport, call)
			if d.status != c.status || (d.aborted != nil) != c.cut {
				t.Errorf("got %d, aborted %v; %v", d.status, d.aborted, d.x.Stats.Err)
			}
			if bad := c.cut || c.status != 200; (outcome != nil) != bad {
				t.Errorf("the outcome is %v", outcome)
			}
		})
	}
}

func TestNobodyThere(t *testing.T) {
	u := via2(t, Config{}, Options{}.RoundTripper())
	c := Call{Scheme: "http", Authority: testkit.RefusedAddress(t)}
	d := newDesk(t).request("POST", "/", []byte("a")).serve(u.Transport, c)
	if d.status != 502 || !strings.Contains(d.x.Stats.Err.Error(), c.Authority) {
		t.Errorf("got %d, %v", d.status, d.x.Stats.Err)
	}
	// Whoever wants to try another upstream learns that it may.
	c.Failed = func(x *exchange.Exchange, f Failure) {
		if f.Sent || f.Taken || f.Err.Status != 502 || x.Server != nil {
			t.Errorf("got %+v", f)
		}
		x.Answer(200, "another")
	}
	d = newDesk(t).request("POST", "/", []byte("a")).serve(u.Transport, c)
	if d.content.String() != "another" {
		t.Errorf("got %q", d.content.String())
	}
}

func TestFailedSaysWhatWasSent(t *testing.T) {
	u := raw(t, "")
	var got Failure
	c := u.call
	c.Failed = func(x *exchange.Exchange, f Failure) { got = f; x.Fail(f.Err) }
	newDesk(t).request("POST", "/", []byte("a")).serve(u.Transport, c)
	if !got.Sent || !got.Taken {
		t.Errorf("got %+v", got)
	}
}

func TestStalledUpstreams(t *testing.T) {
	for name, h := range map[string]http.HandlerFunc{
		"no head": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"no more content": func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, "part")
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		},
	} {
		t.Run(name, func(t *testing.T) {
			protocols(t, func(t *testing.T, p Protocol) {
				u := start(t, p, Config{Stall: 100 * time.Millisecond}, h)
				d := newDesk(t).request("GET", "/", nil).serve(u.Transport, u.call)
				var e *exchange.Error
				if !errors.As(d.x.Stats.Err, &e) || e.Status != 504 || (d.status == 200) != (d.aborted != nil) {
					t.Errorf("got %d, aborted %v: %v", d.status, d.aborted, d.x.Stats.Err)
				}
			})
		})
	}
}

// An upstream that waits for a client is not the one that stands still.
func TestStallIsTheUpstreams(t *testing.T) {
	protocols(t, func(t *testing.T, p Protocol) {
		u := start(t, p, Config{Stall: time.Hour, Window: minWindow}, func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) })
		d := newDesk(t).request("POST", "/", []byte("content"))
		d.endless = true
		d.begin(u.Transport, u.call)
		asked := func() (ok bool, seen string) {
			d.on(func() { ok = d.demanded > 0 })
			return ok, "no content is demanded"
		}
		if err := testkit.Until(testkit.Patience, asked); err != nil {
			t.Fatal(err)
		}
		paused := func() (bool, string) {
			w := &d.x.Server.(*call).watch
			w.mu.Lock()
			defer w.mu.Unlock()
			return w.paused > 0, "it is not paused"
		}
		if err := testkit.Until(testkit.Patience, paused); err != nil {
			t.Error(err)
		}
		d.on(func() { d.endless = false; d.feed() })
		testkit.Wait(t, d.over, "it is answered")
	})
}

func TestGoneEndsTheRequest(t *testing.T) {
	protocols(t, func(t *testing.T, p Protocol) {
		for name, answering := range map[string]bool{"before the head": false, "after it": true} {
			t.Run(name, func(t *testing.T) {
				began, ended := make(chan struct{}), make(chan struct{})
				u := start(t, p, Config{}, func(w http.ResponseWriter, r *http.Request) {
					if answering {
						_, _ = io.WriteString(w, "part")
						w.(http.Flusher).Flush()
					}
					close(began)
					<-r.Context().Done()
					close(ended)
				})
				d := newDesk(t).request("GET", "/", nil)
				c := u.call
				var outcome error
				c.Done = func(err error) { outcome = err }
				d.begin(u.Transport, c)
				testkit.Wait(t, began, "the upstream has the request")
				d.on(func() { d.x.Server.Gone(d.x, exchange.ErrHalfClosed) })
				d.on(func() {
					if d.x.Server == nil {
						t.Error("a half-close has ended the request")
						return
					}
					d.x.Server.Gone(d.x, exchange.ErrClientGone)
				})
				testkit.Wait(t, d.over, "the exchange is finished")
				testkit.Wait(t, ended, "the upstream is told")
				if !errors.Is(d.aborted, exchange.ErrClientGone) || !errors.Is(outcome, exchange.ErrClientGone) {
					t.Errorf("aborted with %v, outcome %v", d.aborted, outcome)
				}
			})
		}
	})
}

func TestContentThatIsCut(t *testing.T) {
	protocols(t, func(t *testing.T, p Protocol) {
		read := make(chan error, 1)
		u := start(t, p, Config{}, func(_ http.ResponseWriter, r *http.Request) {
			_, err := io.ReadAll(r.Body)
			read <- err
		})
		d := newDesk(t).request("POST", "/", []byte("part")).chunked()
		d.cut = &exchange.Error{Status: 413, Reason: "too large"}
		d.serve(u.Transport, u.call)
		if d.status != 413 {
			t.Errorf("got %d, %v", d.status, d.x.Stats.Err)
		}
		// It may not have been asked at all.
		u.Wait()
		select {
		case err := <-read:
			if err == nil {
				t.Error("to the upstream the content is whole")
			}
		default:
		}
	})
}

// An upstream that answers before it has read everything is heard.
func TestEarlyAnswer(t *testing.T) {
	protocols(t, func(t *testing.T, p Protocol) {
		u := start(t, p, Config{}, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Connection", "close")
			w.WriteHeader(http.StatusForbidden)
		})
		d := newDesk(t).request("POST", "/", []byte("part")).chunked()
		d.endless = true
		d.serve(u.Transport, u.call)
		if d.status != 403 || d.aborted != nil {
			t.Errorf("got %d, %v", d.status, d.aborted)
		}
	})
}

type panics struct{}

func (panics) RoundTrip(*http.Request) (*http.Response, error) { panic("oh") }

func TestPanic(t *testing.T) {
	u := via2(t, Config{}, panics{})
	d := newDesk(t).request("GET", "/", nil).serve(u.Transport, Call{Scheme: "http", Authority: "a"})
	if d.status != 502 || !strings.Contains(u.log.String(), "a bug in the server") {
		t.Errorf("got %d, and the log\n%s", d.status, u.log.String())
	}
	u.Wait()
	if u.Calls() != 0 {
		t.Errorf("%d calls are left", u.Calls())
	}
}

// A connection that is kept is used again.
func TestConnectionsAreKept(t *testing.T) {
	protocols(t, func(t *testing.T, p Protocol) {
		peers := map[string]bool{}
		u := start(t, p, Config{}, func(w http.ResponseWriter, r *http.Request) {
			peers[r.RemoteAddr] = true // one request at a time
			_, _ = io.Copy(w, r.Body)
		})
		for range 20 {
			d := newDesk(t).request("POST", "/", []byte("content")).serve(u.Transport, u.call)
			if d.content.String() != "content" {
				t.Fatalf("got %q, %v", d.content.String(), d.aborted)
			}
		}
		if p != HTTP1 && len(peers) != 1 {
			t.Errorf("20 requests came on %d connections", len(peers))
		}
	})
}

func TestDialErrorsMayChoose(t *testing.T) {
	refuse := func() error { return &exchange.Error{Status: 403, Reason: "not there"} }
	via := Options{Dial: dialer(refuse)}.RoundTripper()
	u := via2(t, Config{}, via)
	d := newDesk(t).request("GET", "/", nil).serve(u.Transport, Call{Scheme: "http", Authority: "a"})
	if d.status != 403 {
		t.Errorf("got %d, %v", d.status, d.x.Stats.Err)
	}
}

var _ net.Error = (*timeout)(nil)

type timeout struct{}

func (*timeout) Error() string   { return "late" }
func (*timeout) Timeout() bool   { return true }
func (*timeout) Temporary() bool { return false }

func TestTimeouts(t *testing.T) {
	via := Options{Dial: dialer(func() error { return &timeout{} })}.RoundTripper()
	u := via2(t, Config{}, via)
	d := newDesk(t).request("GET", "/", nil).serve(u.Transport, Call{Scheme: "http", Authority: "a"})
	if d.status != 504 {
		t.Errorf("got %d, %v", d.status, d.x.Stats.Err)
	}
}
