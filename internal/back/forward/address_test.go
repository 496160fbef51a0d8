package forward

import (
	"net/netip"
	"testing"
)

// What an attacker may have a name resolve to, and what the boundaries are of what
// is refused.
func TestClassify(t *testing.T) {
	r := newRegistry()
	for _, c := range []struct {
		address string
		want    class
	}{
		{"8.8.8.8", public},
		{"1.1.1.1", public},
		{"223.255.255.255", public},
		{"11.0.0.0", public},
		{"9.255.255.255", public},
		{"0.0.0.0", unspecified},
		{"0.1.2.3", unspecified},
		{"1.0.0.0", public},
		{"127.0.0.1", loopback},
		{"127.255.255.255", loopback},
		{"126.255.255.255", public},
		{"128.0.0.0", public},
		{"10.0.0.1", private},
		{"10.255.255.255", private},
		{"172.15.255.255", public},
		{"172.16.0.0", private},
		{"172.31.255.255", private},
		{"172.32.0.0", public},
		{"192.168.0.1", private},
		{"192.167.255.255", public},
		{"192.169.0.0", public},
		{"169.254.169.254", linkLocal},
		{"169.253.255.255", public}, // the metadata of clouds
		{"100.64.0.0", shared},
		{"100.127.255.255", shared},
		{"100.63.255.255", public},
		{"100.128.0.0", public},
		{"100.100.100.200", shared},
		{"192.0.0.1", reserved},
		{"192.0.0.192", reserved},
		{"192.0.2.1", reserved},
		{"192.88.99.1", reserved},
		{"192.0.1.0", public},
		{"198.18.0.1", reserved},
		{"198.19.255.255", reserved},
		{"198.51.100.1", reserved},
		{"203.0.113.1", reserved},
		{"198.20.0.0", public},
		{"224.0.0.1", multicast},
		{"239.255.255.255", multicast},
		{"240.0.0.0", reserved},
		{"255.255.255.255", reserved},

		{"::", unspecified},
		{"::1", loopback},
		{"2606:4700:4700::1111", public},
		{"2a00::", public},
		{"2001:4860:4860::8888", public},
		{"3ffe::1", public},
		{"fe80::1", linkLocal},
		{"febf::1", linkLocal},
		{"fe80::1%eth0", linkLocal},
		{"2606::1%lo", linkLocal},
		{"fc00::1", private},
		{"fdff::1", private},
		{"fec0::1", private},
		{"fd00:ec2::254", private}, // the metadata of clouds
		{"ff02::1", multicast},
		{"ff0e::1", multicast},
		{"2001:db8::1", reserved},
		{"3fff::1", reserved},
		{"100::1", reserved},
		{"5f00::1", reserved},
		{"2001:2::1", reserved},
		{"2001:20::1", reserved},
		{"4000::1", reserved},
		{"1fff::1", reserved},
		{"::2:3:4:5", reserved},

		// IPv4 in IPv6.
		{"::ffff:127.0.0.1", loopback},
		{"::ffff:10.0.0.1", private},
		{"::ffff:8.8.8.8", public},
		{"::ffff:0.0.0.0", unspecified},
		{"::127.0.0.1", loopback},
		{"::10.0.0.1", private},
		{"::8.8.8.8", public},
		{"::ffff:0:127.0.0.1", loopback},
		{"::ffff:0:169.254.169.254", linkLocal},
		{"64:ff9b::127.0.0.1", loopback},
		{"64:ff9b::10.0.0.1", private},
		{"64:ff9b::a9fe:a9fe", linkLocal},
		{"64:ff9b::8.8.8.8", public},
		{"64:ff9b:1::10.0.0.1", tunnelled},
		{"64:ff9b:1::8.8.8.8", tunnelled},
		{"64:ff9b:0:1::8.8.8.8", reserved},
		{"2002:7f00:1::", tunnelled},
		{"2002:0a00:1::1", tunnelled},
		{"2002:808:808::1", tunnelled},
		{"2001:0:4136:e378:8000:63bf:80ff:fffe", tunnelled},
		{"2606::5efe:127.0.0.1", tunnelled},
		{"2606::200:5efe:10.0.0.1", tunnelled},
	} {
		if got, _ := r.classify(netip.MustParseAddr(c.address)); got != c.want {
			t.Errorf("%s is %s, want %s", c.address, got, c.want)
		}
	}
}

func TestClassifyTellsTheInnerAddress(t *testing.T) {
	r := newRegistry()
	for address, want := range map[string]string{
		"64:ff9b::10.0.0.1": "10.0.0.1", "::ffff:10.0.0.1": "10.0.0.1", "10.0.0.1": "10.0.0.1", "2606::1": "2606::1", "::1": "::1",
	} {
		if _, got := r.classify(netip.MustParseAddr(address)); got.String() != want {
			t.Errorf("%s stands for %s, want %s", address, got, want)
		}
	}
}

func FuzzClassify(f *testing.F) {
	f.Add([]byte{127, 0, 0, 1})
	f.Add(make([]byte, 16))
	r := newRegistry()
	f.Fuzz(func(t *testing.T, b []byte) {
		a, ok := netip.AddrFromSlice(b)
		if !ok {
			return
		}
		c, inner := r.classify(a)
		if c != public {
			return
		}
		// What the standard library knows to be special is not public either.
		if u := a.Unmap(); u.IsLoopback() || u.IsPrivate() || u.IsMulticast() || u.IsLinkLocalUnicast() || u.IsUnspecified() ||
			inner.IsLoopback() || inner.IsPrivate() || inner.IsMulticast() || inner.IsLinkLocalUnicast() || inner.IsUnspecified() {
			t.Errorf("%v is public", a)
		}
	})
}
