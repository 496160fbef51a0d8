package chain

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"sync/atomic"
	"testing"

	"rickhouse/internal/exchange"
	"rickhouse/internal/testkit"
)

// keeper keeps what the chains of a route have, as a server does that loads its
// configuration again.
type keeper struct{ keys, values []any }

func (k *keeper) keep(key any, make func() any) any {
	for i := range k.keys {
		if reflect.TypeOf(k.keys[i]) == reflect.TypeOf(key) && reflect.DeepEqual(k.keys[i], key) {
			return k.values[i]
		}
	}
	k.keys, k.values = append(k.keys, key), append(k.values, make())
	return k.values[len(k.values)-1]
}

// chain is a further chain of the route.
func (k *keeper) chain(t *testing.T, c Config, next exchange.Handler) exchange.Handler {
	t.Helper()
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	wrap, err := New(c, NewShared(), k.keep)
	if err != nil {
		t.Fatal(err)
	}
	return wrap(next)
}

// A client at its limit stays there when the route gets another chain with the same
// limit, and one with another limit counts anew.
func TestRatesAreKept(t *testing.T) {
	limit := RateConfig{Limit: "2/h", Key: "header:X-Key"}
	for name, tt := range map[string]struct {
		next Config
		kept bool
	}{
		"nothing else":  {Config{Rate: limit}, true},
		"other headers": {Config{Rate: limit, Edits: EditsConfig{SetHeaders: map[string]string{"X-Other": "1"}}}, true},
		"in other words": {Config{
			Rate: RateConfig{Limit: "2/h", Key: "header:X-Key", Burst: 2, Entries: 65536}, Concurrency: ConcurrencyConfig{Max: 5},
		}, true},
		"another rate":  {Config{Rate: RateConfig{Limit: "3/h", Key: "header:X-Key"}}, false},
		"another burst": {Config{Rate: RateConfig{Limit: "2/h", Burst: 3, Key: "header:X-Key"}}, false},
		"another key":   {Config{Rate: RateConfig{Limit: "2/h", Key: "header:X-Other"}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			var k keeper
			before := k.chain(t, Config{Rate: limit}, text(200, "ok"))
			after := k.chain(t, tt.next, text(200, "ok"))
			status := func(h exchange.Handler, key string) int {
				x, p := ask(t, "GET", "/", "X-Key: "+key)
				h.Serve(x)
				p.finish()
				return p.status
			}
			if a, b, c := status(before, "k"), status(before, "k"), status(before, "k"); a != 200 || b != 200 || c != 429 {
				t.Fatalf("before: %d, %d, %d", a, b, c)
			}
			want := map[bool]int{true: 429, false: 200}[tt.kept]
			if got := status(after, "k"); got != want {
				t.Errorf("the client gets %d, want %d", got, want)
			}
			if got := status(after, "another"); tt.kept && got != 200 {
				t.Errorf("another client gets %d", got)
			}
		})
	}
}

// Requests of the chain before count until they are over, and who waits there gets its
// turn, in the order of all.
func TestPlacesAreKept(t *testing.T) {
	var k keeper
	c := Config{Concurrency: ConcurrencyConfig{Max: 1, Queue: 2}}
	old, now := &application{}, &application{}
	before := k.chain(t, c, old)
	c.Edits.SetHeaders = map[string]string{"X-Other": "1"}
	after := k.chain(t, c, now)
	request := func(h exchange.Handler) *peer {
		x, p := ask(t, "GET", "/")
		h.Serve(x)
		return p
	}
	first, second, third := request(before), request(before), request(after)
	if fourth := request(after); fourth.status != 503 {
		t.Errorf("one more than may wait gets %d", fourth.status)
	}
	if old.served != 1 || now.served != 0 {
		t.Fatalf("%d and %d are served, want the first alone", old.served, now.served)
	}
	first.x.Answer(200, "")
	second.settle()
	third.settle()
	if old.served != 2 || old.x != second.x || now.served != 0 {
		t.Fatalf("%d and %d are served, want the second by its own chain", old.served, now.served)
	}
	second.x.Answer(200, "")
	third.settle()
	if now.served != 1 || now.x != third.x {
		t.Fatalf("%d and %d are served, want the third", old.served, now.served)
	}
	third.x.Answer(200, "")
	if p := request(before); old.served != 3 {
		t.Errorf("a place was lost: %d", p.status)
	}

	c.Concurrency.Max = 2
	other := k.chain(t, c, now)
	for range 2 {
		if p := request(other); p.status != 0 {
			t.Errorf("status %d: another limit counts anew", p.status)
		}
	}
	if now.served != 3 {
		t.Errorf("%d are served, want two more", now.served)
	}
}

// Who has shown a password need not have it verified again, unless there are other
// users now.
func TestPasswordsAreKept(t *testing.T) {
	var k keeper
	c := Config{BasicAuth: BasicAuthConfig{Users: map[string]string{"ann": bcryptOf(t, "x")}}}
	before := k.chain(t, c, text(200, "ok")).(*basicAuth)
	status := func(b *basicAuth) int {
		x, p := ask(t, "GET", "/", basic("ann", "x"))
		b.Serve(x)
		p.finish()
		return p.status
	}
	if got := status(before); got != 200 {
		t.Fatalf("status %d", got)
	}
	c.BasicAuth.Realm = "another"
	after := k.chain(t, c, text(200, "ok")).(*basicAuth)
	if after.checker != before.checker || !after.checker.Known("ann", "x") {
		t.Error("it is verified again")
	}
	if got := status(after); got != 200 {
		t.Errorf("with another realm: %d", got)
	}
	c.BasicAuth.Users = map[string]string{"bob": bcryptOf(t, "x")}
	if got := status(k.chain(t, c, text(200, "ok")).(*basicAuth)); got != 401 {
		t.Errorf("a user who is no more gets %d", got)
	}
}

// The connections to forward_auth are used again, and closed at the end.
func TestForwardAuthConnectionsAreKept(t *testing.T) {
	var opened, closed atomic.Int32
	auth := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	auth.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		switch s {
		case http.StateNew:
			opened.Add(1)
		case http.StateClosed:
			closed.Add(1)
		}
	}
	auth.Start()
	defer auth.Close()
	var k keeper
	asked := int32(0)
	for ; asked == opened.Load() && asked < 20; asked++ { // net/http drops a connection where the machine is slow
		c := Config{ForwardAuth: ForwardAuthConfig{URL: auth.URL, Timeout: patience}, Edits: EditsConfig{SetHeaders: map[string]string{"X-N": fmt.Sprint(asked)}}}
		x, p := ask(t, "GET", "/")
		k.chain(t, c, text(200, "ok")).Serve(x)
		if p.finish(); p.status != 200 {
			t.Fatalf("status %d", p.status)
		}
	}
	if n := opened.Load(); n == asked {
		t.Errorf("%d connections were opened for as many questions", n)
	}
	if len(k.values) != 1 {
		t.Errorf("%d are kept, want one for all chains", len(k.values))
	}
	if err := k.values[0].(io.Closer).Close(); err != nil {
		t.Error(err)
	}
	err := testkit.Until(patience, func() (bool, string) {
		return closed.Load() == opened.Load(), fmt.Sprintf("%d of %d connections are closed", closed.Load(), opened.Load())
	})
	if err != nil {
		t.Error(err)
	}
}

// Encoders are bounded over all chains of a route.
func TestEncodersAreKept(t *testing.T) {
	var k keeper
	c := Config{Compress: CompressConfig{Compress: true, Streams: 1}}
	coding := func() string {
		a := &application{}
		x, p := ask(t, "GET", "/", "Accept-Encoding: gzip")
		k.chain(t, c, a).Serve(x)
		x.Response.Status, x.Response.ContentLength = 200, -1
		addFields(&x.Response, "Content-Type: text/plain")
		x.Head()
		x.Data([]byte("and so on"))
		return p.get("Content-Encoding")
	}
	first := coding()
	c.Compress.Min = 100
	if second := coding(); first != "gzip" || second != "" {
		t.Errorf("the first is %q, the second of another chain %q; there is one encoder", first, second)
	}
}
