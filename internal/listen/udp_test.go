package listen

import (
	"net"
	"strings"
	"testing"
)

func TestUDPIsWhereTCPIs(t *testing.T) {
	for text, network := range map[string]string{"127.0.0.1:0": "udp4", "localhost:0": "udp4", "[::1]:0": "udp6", ":0": "udp"} {
		a, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		l, err := Listen(a, Config{})
		if err != nil {
			t.Logf("%s: %v", text, err) // there may be no IPv6
			continue
		}
		s, err := UDP(l.Addr())
		if err != nil {
			t.Errorf("%s: %v", text, err)
			_ = l.Close()
			continue
		}
		at := s.LocalAddr().(*net.UDPAddr)
		if at.Port != l.Addr().Port || network == "udp4" && !at.IP.Equal(net.IPv4(127, 0, 0, 1)) {
			t.Errorf("%s: UDP is at %v, TCP at %v", text, at, l.Addr())
		}
		_, err = UDP(l.Addr())
		if err == nil || !strings.Contains(err.Error(), "already in use for UDP") {
			t.Errorf("%s, a second time: %v", text, err)
		}
		_, _ = s.Close(), l.Close()
	}
}

func TestUDPNeedsAPort(t *testing.T) {
	if _, err := UDP(Addr{Path: "/s"}); err == nil || !strings.Contains(err.Error(), "is a Unix socket") {
		t.Errorf("got %v", err)
	}
}
