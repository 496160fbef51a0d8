package gateway

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"rickhouse/internal/exchange"
	"rickhouse/internal/front"
	"rickhouse/internal/spool"
	"rickhouse/internal/testkit"
	"rickhouse/internal/units"
)

func TestAnswers(t *testing.T) {
	each(t, func(t *testing.T, protocol string) {
		s := start(t, protocol, settings{}, echo(1000))
		got := s.dial().get("", "REMOTE_ADDR=192.0.2.1", "REMOTE_PORT=7", "HTTPS=on", "SERVER_NAME=n", "SERVER_PORT=443", "SCRIPT_NAME=/m")
		want := response{"200 OK", "Content-Type: text/plain; charset=utf-8\r\nContent-Length: 40", "GET h https[/m] 0 192.0.2.1:7 n:443 "}
		want.fields = "Content-Type: text/plain; charset=utf-8\r\nContent-Length: " + strconv.Itoa(len(want.body))
		if got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
		big := strings.Repeat("0123456789", 30000)
		if got := s.dial().get(big); !strings.HasPrefix(got.body, "POST h http[] 300000 127.0.0.1:") || !strings.HasSuffix(got.body, " "+big) {
			t.Errorf("got %.100q, %d octets", got.body, len(got.body))
		}
		if got := s.dial().get("", "REQUEST_METHOD=HEAD"); got.body != "" || !strings.Contains(got.fields, "Content-Length: ") {
			t.Errorf("HEAD: %+v", got)
		}
		for _, o := range s.Seen(3) {
			if o.Status != 200 || o.Err != nil || !o.Finished {
				t.Errorf("observed %+v", o)
			}
		}
	})
}

// A request may come in pieces of any size.
func TestPieces(t *testing.T) {
	each(t, func(t *testing.T, protocol string) {
		s := start(t, protocol, settings{unix: true}, echo(3))
		c := s.dial()
		for _, b := range request(protocol, "hello", "REMOTE_ADDR=unix:") {
			c.send([]byte{b})
		}
		if got := c.read(); !strings.HasPrefix(got.body, "POST h http[] 5 :0 ") || !strings.HasSuffix(got.body, "/s:0 hello") {
			t.Errorf("got %+v", got)
		}
	})
}

// streamed answers with content of unknown length and a file in the middle.
func streamed(t *testing.T) exchange.Handler {
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, []byte(strings.Repeat("f", 200000)), 0o600); err != nil {
		t.Fatal(err)
	}
	return handler(func(x *exchange.Exchange) {
		x.Response.Status = 200
		x.Response.Add("X-Status", "kept")
		x.Response.Add("Status", "500")
		x.Response.Add("Connection", "close")
		x.Head()
		x.Data([]byte("before "))
		f, err := os.Open(path)
		if err != nil {
			x.Abort(err)
			return
		}
		x.File(f, 10, 150000)
		x.Data([]byte(" after"))
		x.End()
	})
}

func TestStreamed(t *testing.T) {
	each(t, func(t *testing.T, protocol string) {
		s := start(t, protocol, settings{}, streamed(t))
		got := s.dial().get("")
		if want := (response{"200 OK", "X-Status: kept", "before " + strings.Repeat("f", 150000) + " after"}); got != want {
			t.Errorf("got %q %q, %d octets", got.status, got.fields, len(got.body))
		}
	})
}

// An answer that cannot be had in whole is not taken for one that is.
func TestCut(t *testing.T) {
	each(t, func(t *testing.T, protocol string) {
		broken := errors.New("broken")
		s := start(t, protocol, settings{}, handler(func(x *exchange.Exchange) {
			x.Response.Status = 200
			x.Head()
			x.Data([]byte("part"))
			x.Abort(broken)
		}))
		text, err := s.dial().send(request(protocol, "")).text()
		if err == nil {
			t.Errorf("the client cannot tell that this is not all: %q", text)
		}
		if o := s.Seen(1)[0]; !errors.Is(o.Err, broken) {
			t.Errorf("observed %+v", o)
		}
	})
}

func TestBrokenServers(t *testing.T) {
	for name, h := range map[string]handler{
		"no head":       func(x *exchange.Exchange) { x.End() },
		"data first":    func(x *exchange.Exchange) { x.Data([]byte("x")); x.End() },
		"a bad field":   func(x *exchange.Exchange) { x.Response.Add("A", "b\nc"); x.Answer(200, "x") },
		"an upgrade":    func(x *exchange.Exchange) { x.Answer(101, "x") },
		"a late upcall": func(x *exchange.Exchange) { x.Response.Status = 103; x.Head(); x.Fail(errors.New("late")) },
	} {
		each(t, func(t *testing.T, protocol string) {
			s := start(t, protocol, settings{}, h)
			if got := s.dial().get(""); got.status != "500 Internal Server Error" || got.body != "500 Internal Server Error\n" {
				t.Errorf("%s: got %+v", name, got)
			}
		})
	}
}

// What a slow peer does not take waits in memory, then in the spool, and then the
// Server waits.
func TestBackpressure(t *testing.T) {
	each(t, func(t *testing.T, protocol string) {
		store, err := spool.NewStore(spool.Config{Directory: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = store.Close() })
		for _, spooled := range []bool{true, false} {
			h := testkit.NewHeld()
			s := start(t, protocol, settings{unix: true, spool: spool.Config{Memory: 8 * units.KiB, MaxAnswer: units.MiB}, parts: func(p *front.Parts) {
				if spooled {
					p.Store = store
				}
			}}, h)
			const pieces, size = 400, 10000
			left, window := pieces, 0
			more := func(x *exchange.Exchange) {
				for ; left > 0 && window > 0; left-- {
					window -= size
					x.Data([]byte(strings.Repeat("x", size)))
				}
				if left == 0 {
					left--
					x.End()
				}
			}
			h.OnDrained = func(x *exchange.Exchange, n int) {
				window += n
				more(x)
			}
			c := s.dial().send(request(protocol, ""))
			x := testkit.Wait(t, h.Began, "the request comes")
			s.Do(func() {
				x.Response.Status = 200
				x.Head()
				window = 100000
				more(x)
			})
			if spooled {
				s.Until("the spool has something", func() bool { return store.Used() > 0 })
			}
			if got := c.read(); got.body != strings.Repeat("x", pieces*size) {
				t.Errorf("spooled %v: got %d octets", spooled, len(got.body))
			}
			s.Seen(1)
		}
		if err := testkit.Until(testkit.Patience, func() (bool, string) {
			used := store.Used()
			return used == 0, fmt.Sprintf("%d octets of the spool are not given back", used)
		}); err != nil {
			t.Error(err)
		}
	})
}

// Fields about forwarding are believed of a client that is a trusted proxy, and
// else removed.
func TestForwarded(t *testing.T) {
	each(t, func(t *testing.T, protocol string) {
		s := start(t, protocol, settings{common: front.Config{TrustedProxies: []string{"192.0.2.1"}}}, echo(1))
		for client, want := range map[string]string{"192.0.2.1": "GET h https[] 0 198.51.100.9:0 ", "192.0.2.2": "GET h http[] 0 192.0.2.2:0 ", "": "GET h http[] 0 127.0.0.1:"} {
			got := s.dial().get("", "REMOTE_ADDR="+client, "HTTP_X_FORWARDED_FOR=198.51.100.9", "HTTP_X_FORWARDED_PROTO=https")
			if !strings.HasPrefix(got.body, want) {
				t.Errorf("of %q: got %+v", client, got)
			}
		}
	})
}
