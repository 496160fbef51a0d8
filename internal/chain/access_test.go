package chain

import (
	"net/netip"
	"testing"

	"rickhouse/internal/exchange"
)

func TestAccess(t *testing.T) {
	lists := map[string]AccessConfig{
		"allow":  {Allow: []string{"10.0.0.0/8", "2001:db8::/32", "192.0.2.7"}},
		"deny":   {Deny: []string{"192.0.2.0/24", "unix"}},
		"nested": {Allow: []string{"10.0.0.0/8", "10.1.2.3", "unix"}, Deny: []string{"10.1.0.0/16"}},
		"mapped": {Deny: []string{"::ffff:192.0.2.0/120"}},
	}
	for _, tt := range []struct {
		list, client string
		status       int
	}{
		{"allow", "10.9.8.7", 200},
		{"allow", "11.0.0.1", 403},
		{"allow", "192.0.2.7", 200},
		{"allow", "192.0.2.8", 403},
		{"allow", "2001:db8:1::1", 200},
		{"allow", "2001:db9::1", 403},
		{"allow", "::ffff:10.0.0.1", 200},
		{"allow", "", 403},
		{"allow", "garbage", 403},
		{"deny", "192.0.2.200", 403},
		{"deny", "192.0.3.1", 200},
		{"deny", "", 403},
		{"deny", "::1", 200},
		{"nested", "10.1.9.9", 403},
		{"nested", "10.1.2.3", 200},
		{"nested", "10.2.2.3", 200},
		{"nested", "", 200},
		{"nested", "192.0.2.1", 403},
		{"mapped", "192.0.2.1", 403},
		{"mapped", "192.0.3.1", 200},
	} {
		x, p := ask(t, "GET", "/")
		x.Request.ClientAddr = []byte(tt.client)
		one(t, Config{Access: lists[tt.list]}, text(200, "ok")).Serve(x)
		if p.finish(); p.status != tt.status {
			t.Errorf("%s: %q: %d, want %d", tt.list, tt.client, p.status, tt.status)
		}
	}
}

func TestAccessAllocatesNothing(t *testing.T) {
	n := networks{}
	n.add([]string{"10.0.0.0/8", "10.1.2.3"}, true)
	x, _ := ask(t, "GET", "/")
	if n := testing.AllocsPerRun(100, func() { n.get(&x.Request, false) }); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

// Addresses are read as netip reads them.
func FuzzClientAddr(f *testing.F) {
	for _, s := range []string{"192.0.2.1", "0.0.0.0", "01.2.3.4", "1.2.3", "1.2.3.4.5", "256.1.1.1", "::1", "::ffff:1.2.3.4", "fe80::1%eth0", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		want, err := netip.ParseAddr(s)
		got, ok := clientAddr(&exchange.Request{ClientAddr: []byte(s)})
		if ok != (err == nil) || ok && got != want.Unmap().WithZone("") {
			t.Errorf("%q: %v %v, want %v %v", s, got, ok, want, err)
		}
	})
}

func TestAccessThatCannotBe(t *testing.T) {
	for _, tt := range []struct {
		c    AccessConfig
		want string
	}{
		{AccessConfig{Allow: []string{"10.0.0.0/33"}}, `allow[0]: "10.0.0.0/33" is not an address, a network such as 10.0.0.0/8, or "unix"`},
		{AccessConfig{Deny: []string{"example.org"}}, `deny[0]: "example.org" is not an address, a network such as 10.0.0.0/8, or "unix"`},
		{AccessConfig{Allow: []string{"::1"}, Deny: []string{"::1"}}, `deny[0]: ::1 stands in allow as well`},
	} {
		if err := tt.c.Validate(); err == nil || err.Error() != tt.want {
			t.Errorf("%+v: %v, want %s", tt.c, err, tt.want)
		}
	}
}
