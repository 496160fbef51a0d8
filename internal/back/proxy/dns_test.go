package proxy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"rickhouse/internal/testkit/door"
)

// nobody wants to know what was found so far.
func nobody([]record) {}

// found writes records down, sorted.
func found(records []record) []string {
	var all []string
	for _, r := range records {
		text := fmt.Sprintf("%s weight=%d", r.addr, r.weight)
		if r.backup {
			text += " backup"
		}
		all = append(all, text)
	}
	slices.Sort(all)
	return all
}

func TestLookUp(t *testing.T) {
	for _, c := range []struct {
		name string
		zone []dnsmessage.Resource
		long bool
		want []string
		ttl  time.Duration
	}{
		{
			"the least TTL counts",
			[]dnsmessage.Resource{a4(60, 2), a4(50, 3), a6(40, 4)},
			false,
			[]string{"127.0.0.2:80 weight=2", "127.0.0.3:80 weight=2", "[fd00::4]:80 weight=2"},
			40 * time.Second,
		},
		{"that of an alias too", []dnsmessage.Resource{cname(7, "else.test."), a4(60, 2)}, false, []string{"127.0.0.2:80 weight=2"}, 7 * time.Second},
		{"0 is a second", []dnsmessage.Resource{a4(0, 2)}, false, []string{"127.0.0.2:80 weight=2"}, time.Second},
		{"a negative one is none", []dnsmessage.Resource{a4(math.MaxInt32+1, 2)}, false, []string{"127.0.0.2:80 weight=2"}, time.Second},
		{"a day is five minutes", []dnsmessage.Resource{a4(86400, 2)}, false, []string{"127.0.0.2:80 weight=2"}, 5 * time.Minute},
		{"over TCP", []dnsmessage.Resource{a4(30, 2)}, true, []string{"127.0.0.2:80 weight=2"}, 30 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newNameServer(t)
			s.long = c.long
			s.set("shop.test.", c.zone...)
			records, ttl, err := s.lookUp(t.Context(), &upstream{host: "shop.test.", port: 80, weight: 2}, nobody)
			if err != nil || !slices.Equal(found(records), c.want) || ttl != c.ttl {
				t.Errorf("got %q, %v, %v, want %q, %v", found(records), ttl, err, c.want, c.ttl)
			}
		})
	}
	t.Run("without DNS there is none", func(t *testing.T) {
		records, ttl, err := newNameServer(t).lookUp(t.Context(), &upstream{host: "127.0.0.9", port: 80, weight: 1}, nobody)
		if err != nil || ttl != 0 || len(records) != 1 {
			t.Errorf("got %q, %v, %v", found(records), ttl, err)
		}
	})
	t.Run("an unknown name", func(t *testing.T) {
		_, _, err := newNameServer(t).lookUp(t.Context(), &upstream{host: "shop.test.", port: 80}, nobody)
		var e *net.DNSError
		if !errors.As(err, &e) || !e.IsNotFound {
			t.Errorf("got %v", err)
		}
	})
}

// TestLookUpService: RFC 2782.
func TestLookUpService(t *testing.T) {
	s := newNameServer(t)
	s.set("a.test.", a4(60, 2))
	s.set("b.test.", a4(20, 3), a6(60, 3))
	service := &upstream{host: "_http._tcp.shop.test.", srv: true, weight: 1}
	for _, c := range []struct {
		name string
		zone []dnsmessage.Resource
		want []string
		ttl  time.Duration
	}{
		{"ports, weights, and backups", []dnsmessage.Resource{
			srv(90, 20, 5, 8003, "a.test."), srv(90, 10, 3, 8001, "a.test."), srv(90, 10, 0, 8002, "b.test."),
		}, []string{
			"127.0.0.2:8001 weight=3", "127.0.0.2:8003 weight=5 backup", "127.0.0.3:8002 weight=1", "[fd00::3]:8002 weight=1",
		}, 20 * time.Second},
		{"the service's own TTL", []dnsmessage.Resource{srv(10, 1, 65535, 8001, "a.test.")}, []string{"127.0.0.2:8001 weight=1000"}, 10 * time.Second},
		{"a target that is unknown is asked for soon", []dnsmessage.Resource{
			srv(90, 1, 1, 8001, "a.test."), srv(90, 1, 1, 8002, "c.test."),
		}, []string{"127.0.0.2:8001 weight=1"}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			s.set(service.host, c.zone...)
			records, ttl, err := s.lookUp(t.Context(), service, nobody)
			if err != nil || !slices.Equal(found(records), c.want) || ttl != c.ttl {
				t.Errorf("got %q, %v, %v, want %q, %v", found(records), ttl, err, c.want, c.ttl)
			}
		})
	}
	t.Run("no target is known", func(t *testing.T) {
		s.set(service.host, srv(90, 1, 1, 8001, "c.test."), srv(90, 1, 1, 8001, "d.test."))
		if _, _, err := s.lookUp(t.Context(), service, nobody); err == nil || !strings.Contains(err.Error(), "c.test") || !strings.Contains(err.Error(), "d.test") {
			t.Errorf("got %v", err)
		}
	})
}

// TestAnswersThatTellNoTTL: what is not a whole, good answer counts for nothing.
func TestAnswersThatTellNoTTL(t *testing.T) {
	whole := func(change func(*dnsmessage.Message)) []byte {
		answer := a4(30, 1)
		answer.Header.Name = dnsmessage.MustNewName("shop.test.")
		m := dnsmessage.Message{Header: dnsmessage.Header{Response: true}, Answers: []dnsmessage.Resource{answer}}
		change(&m)
		b, err := m.Pack()
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	good := whole(func(*dnsmessage.Message) {})
	for name, message := range map[string][]byte{
		"nothing":      nil,
		"cut":          good[:len(good)-1],
		"a question":   whole(func(m *dnsmessage.Message) { m.Response = false }),
		"a failure":    whole(func(m *dnsmessage.Message) { m.RCode = dnsmessage.RCodeServerFailure }),
		"truncated":    whole(func(m *dnsmessage.Message) { m.Truncated = true }),
		"no addresses": whole(func(m *dnsmessage.Message) { m.Answers = nil }),
	} {
		var least leastTTL
		if least.note(message); least.get() != 0 {
			t.Errorf("%s: %v", name, least.get())
		}
	}
	var least leastTTL
	if least.note(good); least.get() != 30*time.Second {
		t.Errorf("a good one: %v", least.get())
	}
}

// TestWhenNamesAreLookedUp: each when its TTL is over, and after resolve_interval
// where there is none.
func TestWhenNamesAreLookedUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		var mu sync.Mutex
		asked := map[time.Duration][]string{}
		p, err := New(Config{Upstreams: []string{"http://fast.test", "unix:/fixed", "http://slow.test", "http://hosts.test"}, ResolveInterval: 40 * time.Second}, Parts{
			Log: slog.New(slog.DiscardHandler),
			lookup: func(_ context.Context, u *upstream, _ func([]record)) ([]record, time.Duration, error) {
				at := time.Since(begun)
				mu.Lock()
				asked[at] = append(asked[at], strings.TrimSuffix(u.host, ".test"))
				mu.Unlock()
				here := []record{{address{ip: netip.MustParseAddrPort("127.0.0.1:80")}, 1, false}}
				switch {
				case u.host == "hosts.test":
					return here, 0, nil
				case u.host == "slow.test":
					return here, 100 * time.Second, nil
				case at == 60*time.Second:
					return nil, 0, errors.New("the name server is away")
				}
				return here, 30 * time.Second, nil
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		p.Begin()
		time.Sleep(131 * time.Second)
		synctest.Wait()
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		var got []string
		for _, at := range slices.Sorted(maps.Keys(asked)) {
			slices.Sort(asked[at])
			got = append(got, fmt.Sprintf("%v%v", at, asked[at]))
		}
		want := "0s[fast hosts slow] 30s[fast] 40s[hosts] 1m0s[fast] 1m20s[hosts] 1m40s[fast slow] 2m0s[hosts] 2m10s[fast]"
		if got := strings.Join(got, " "); got != want {
			t.Errorf("asked %s\nwant  %s", got, want)
		}
		if n := len(*p.peers.Load()); n != 4 {
			t.Errorf("%d peers are left", n)
		}
	})
}

// TestServicesFromDNS: from a name server to who gets requests, by nothing but TTLs.
func TestServicesFromDNS(t *testing.T) {
	one, two, spare := tcpFake(t, named("one")), tcpFake(t, named("two")), tcpFake(t, named("spare"))
	port := func(f *fake) uint16 { return netip.MustParseAddrPort(f.l.Addr().String()).Port() }
	s := newNameServer(t)
	const service = "_http._tcp.shop.test."
	s.set("local.test.", a4(1, 1))
	s.set(service, srv(1, 1, 3, port(one), "local.test."), srv(1, 1, 1, port(two), "local.test."), srv(1, 2, 1, port(spare), "local.test."))
	e := &env{t: t, Door: door.Loops(t, 1)}
	p, err := New(Config{Upstreams: []string{"http+srv://" + service}, ResolveInterval: time.Hour, ConnectTimeout: door.Patience}, Parts{
		Loops: e.Loops, Log: e.Logger, lookup: s.lookUp,
	})
	if err != nil {
		t.Fatal(err)
	}
	p.Begin()
	defer p.Close()
	e.proxy = p
	e.Open(p, frontConfig(), "")
	counts := map[string]int{}
	for range 8 {
		counts[e.get("/").body]++
	}
	if counts["one"] != 6 || counts["two"] != 2 {
		t.Errorf("at first: %v", counts)
	}
	s.set(service, srv(1, 2, 1, port(spare), "local.test."))
	until(t, "the last one is asked", func() bool { return e.get("/").body == "spare" })
	s.fail()
	e.wantLog("cannot be looked up")
	if a := e.get("/"); a.body != "spare" {
		t.Errorf("without DNS: %d %q", a.StatusCode, a.body)
	}
}
