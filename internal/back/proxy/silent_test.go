package proxy

import (
	"context"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"rickhouse/internal/testkit/door"
)

// A silent name server of one name holds up nobody who does not need that. Its name is
// asked for without end here, so that whoever waits for it does so for ever.
func TestASilentNameHoldsNobodyUp(t *testing.T) {
	one, two := tcpFake(t, named("one")), tcpFake(t, named("two"))
	port := func(f *fake) uint16 { return netip.MustParseAddrPort(f.l.Addr().String()).Port() }
	for name, c := range map[string]struct {
		upstreams []string
		change    func(s *nameServer)
	}{
		"two names": {
			[]string{"http://silent.test.:1", fmt.Sprintf("http://quick.test.:%d", port(one))},
			func(s *nameServer) { s.set("quick.test.", a4(1, 1), a4(1, 2)) },
		},
		"two targets of a service": {
			[]string{"http+srv://_http._tcp.shop.test."},
			nil,
		},
		"a silent target of many": {
			[]string{"http+srv://_many._tcp.shop.test."},
			nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newNameServer(t)
			s.silent, s.asked = "silent.test.", make(chan struct{}, 1)
			s.set("quick.test.", a4(1, 1))
			s.set("_http._tcp.shop.test.", srv(1, 1, 1, port(two), "silent.test."), srv(1, 2, 1, port(one), "quick.test."))
			many := srv(1, 1, 1, port(one), "quick.test.")
			s.set("_many._tcp.shop.test.", many, many, many, srv(1, 0, 1, port(two), "silent.test."))
			endless, stop := context.WithCancel(t.Context())
			e := &env{t: t, Door: door.Loops(t, 1)}
			p, err := New(Config{Upstreams: c.upstreams, ConnectTimeout: door.Patience}, Parts{
				Loops: e.Loops, Log: e.Logger,
				lookup: func(_ context.Context, u *upstream, some func([]record)) ([]record, time.Duration, error) {
					for {
						records, ttl, err := s.dialer().lookUp(endless, u, some)
						if err == nil || endless.Err() != nil {
							return records, ttl, err
						}
					}
				},
			})
			if err != nil {
				t.Fatal(err)
			}
			p.Begin()
			defer p.Close()
			defer stop()
			e.proxy = p
			e.Open(p, frontConfig(), "")
			for range 3 {
				if a := e.get("/"); a.body != "one" {
					t.Fatalf("got %d %q", a.StatusCode, a.body)
				}
			}
			<-s.asked
			if c.change != nil {
				c.change(s)
				until(t, "another address is known", func() bool { return len(*p.peers.Load()) == 2 })
			}
		})
	}
}
