package http1

import (
	"testing"

	"rickhouse/internal/exchange"
	"rickhouse/internal/testkit/onloop"
)

// Behind a proxy requests cost no allocation either.
func TestForwardedDoesNotAllocate(t *testing.T) {
	s := &onloop.Stream{}
	conn := fakeDoor(t, Config{TrustedProxies: []string{"127.0.0.1"}}, newStatic()).fakeConn(s)
	text := []byte("GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 6.6.6.6, 1.2.3.4\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: b\r\n\r\n")
	serve := func() {
		s.In, s.Out = text, s.Out[:0]
		conn.Readable()
	}
	serve()
	if n := testing.AllocsPerRun(100, serve); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestForwardedOnTheWire(t *testing.T) {
	show := handler(func(x *exchange.Exchange) {
		r := &x.Request
		x.Answer(200, string(r.Scheme)+" "+string(r.Host)+" "+string(r.ClientAddr)+" "+string(r.Get("x-forwarded-for")))
	})
	request := "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: b\r\n\r\n"
	for _, c := range []struct {
		trusted []string
		want    string
	}{{nil, "http a 127.0.0.1 "}, {[]string{"127.0.0.0/8"}, "https b 1.2.3.4 1.2.3.4"}} {
		s := start(t, Config{TrustedProxies: c.trusted}, show)
		if res := s.dial().get(request); res.body != c.want {
			t.Errorf("trusting %v: got %q, want %q", c.trusted, res.body, c.want)
		}
	}
}
