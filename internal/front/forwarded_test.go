package front

import (
	"strings"
	"testing"
	"time"

	"rickhouse/internal/exchange"
)

func fields(text string) []exchange.Field {
	var fs []exchange.Field
	for line := range strings.SplitSeq(text, "\n") {
		if name, value, ok := strings.Cut(line, ": "); ok {
			fs = append(fs, exchange.Field{Name: []byte(name), Value: []byte(value)})
		}
	}
	return fs
}

func TestForwarded(t *testing.T) {
	all := []string{"10.0.0.0/8", "192.0.2.1", "2001:db8::/32", "unix"}
	for _, c := range []struct {
		name, peer, fields string
		client             string
		port               uint16
		scheme, host       string
	}{
		{"nothing", "10.0.0.1", "", "10.0.0.1", 7, "http", "a"},
		{"untrusted", "203.0.113.9", "x-forwarded-for: 1.2.3.4\nx-forwarded-proto: https\nx-forwarded-host: b\nforwarded: for=1.2.3.4\nx-real-ip: 1.2.3.4", "203.0.113.9", 7, "http", "a"},
		{"one proxy", "10.0.0.1", "x-forwarded-for: 1.2.3.4\nx-forwarded-proto: https\nx-forwarded-host: b:81", "1.2.3.4", 0, "https", "b:81"},
		{"what the client claims", "10.0.0.1", "x-forwarded-for: 6.6.6.6, 1.2.3.4", "1.2.3.4", 0, "http", "a"},
		{"what the client claims in its own field", "10.0.0.1", "x-forwarded-for: 6.6.6.6\nx-forwarded-for: 1.2.3.4", "1.2.3.4", 0, "http", "a"},
		{"two proxies", "10.0.0.1", "x-forwarded-for: 6.6.6.6, 1.2.3.4, 10.0.0.2", "1.2.3.4", 0, "http", "a"},
		{"all trusted", "10.0.0.1", "x-forwarded-for: 10.0.0.3,10.0.0.2", "10.0.0.3", 0, "http", "a"},
		{"lists of the same length", "10.0.0.1", "x-forwarded-for: 6.6.6.6, 1.2.3.4, 10.0.0.2\nx-forwarded-proto: evil, https, http\nx-forwarded-host: evil, b, c", "1.2.3.4", 0, "https", "b"},
		{"lists of another length", "10.0.0.1", "x-forwarded-for: 1.2.3.4, 10.0.0.2\nx-forwarded-proto: evil, evil, https", "1.2.3.4", 0, "https", "a"},
		{"an address that is none", "10.0.0.1", "x-forwarded-for: 6.6.6.6, unknown", "10.0.0.1", 7, "http", "a"},
		{"a proxy that hides", "10.0.0.1", "x-forwarded-for: 6.6.6.6, hidden, 10.0.0.2", "10.0.0.2", 0, "http", "a"},
		{"ports", "10.0.0.1", "x-forwarded-for: 1.2.3.4:56", "1.2.3.4", 56, "http", "a"},
		{"IPv6 and a port", "10.0.0.1", "x-forwarded-for: [2001:db9::1]:56", "2001:db9::1", 56, "http", "a"},
		{"IPv6", "2001:db8::5", "x-forwarded-for: 2001:db9::1", "2001:db9::1", 0, "http", "a"},
		{"IPv4 in IPv6", "10.0.0.1", "x-forwarded-for: 1.2.3.4, ::ffff:10.0.0.2", "1.2.3.4", 0, "http", "a"},
		{"a scheme that is none", "10.0.0.1", "x-forwarded-proto: javascript", "10.0.0.1", 7, "http", "a"},
		{"WebSocket", "10.0.0.1", "x-forwarded-proto: WSS", "10.0.0.1", 7, "https", "a"},
		{"a host that is none", "10.0.0.1", "x-forwarded-host: b/c", "10.0.0.1", 7, "http", "a"},
		{"no address", "10.0.0.1", "x-forwarded-proto: https\nx-forwarded-host: b", "10.0.0.1", 7, "https", "b"},
		{"Unix socket", "", "x-forwarded-for: 1.2.3.4\nx-forwarded-proto: https", "1.2.3.4", 0, "https", "a"},
		{"Forwarded", "10.0.0.1", "forwarded: for=1.2.3.4:5;proto=https;host=b", "1.2.3.4", 5, "https", "b"},
		{"overruled: Forwarded from the client of a proxy that does not know it", "10.0.0.1", "forwarded: for=6.6.6.6;proto=https;host=evil\nx-forwarded-for: 1.2.3.4", "1.2.3.4", 0, "http", "a"},
		{"overruled: Forwarded beside a scheme", "10.0.0.1", "forwarded: for=6.6.6.6;host=evil\nx-forwarded-proto: https", "10.0.0.1", 7, "https", "a"},
		{"Forwarded, beside others", "10.0.0.1", "forwarded: for=1.2.3.4\nx-forwarded-port: 80\nx-real-ip: 6.6.6.6", "1.2.3.4", 0, "http", "a"},
		{"Forwarded, quoted", "10.0.0.1", `forwarded: for="[2001:db9::1]:5"; proto="https";Host="b:81"`, "2001:db9::1", 5, "https", "b:81"},
		{"Forwarded, the client's claims", "10.0.0.1", "forwarded: for=6.6.6.6;host=evil;proto=http, for=1.2.3.4;proto=https;host=b", "1.2.3.4", 0, "https", "b"},
		{"Forwarded, two proxies", "10.0.0.1", "forwarded: for=6.6.6.6;host=evil\nforwarded: for=1.2.3.4;proto=https;host=b, for=10.0.0.2;proto=http;host=c", "1.2.3.4", 0, "https", "b"},
		{"Forwarded, a comma in quotes", "10.0.0.1", `forwarded: for=1.2.3.4;ext="a,for=6.6.6.6";proto=https`, "1.2.3.4", 0, "https", "a"},
		{"Forwarded, open quotes", "10.0.0.1", `forwarded: for=6.6.6.6, for="1.2.3.4`, "10.0.0.1", 7, "http", "a"},
		{"Forwarded, unknown", "10.0.0.1", "forwarded: for=6.6.6.6, for=unknown;proto=https", "10.0.0.1", 7, "https", "a"},
		{"Forwarded, hidden", "10.0.0.1", "forwarded: for=_x", "10.0.0.1", 7, "http", "a"},
	} {
		t.Run(c.name, func(t *testing.T) {
			tr := NewProxies(all)
			req := exchange.Request{ClientAddr: []byte(c.peer), ClientPort: 7, Scheme: []byte("http"), Host: []byte("a")}
			req.Fields = fields("host: a\nx-other: 1\n" + c.fields)
			total := len(req.Fields)
			tr.Apply(&req, c.peer == "", make([]byte, 0, 64))
			if string(req.ClientAddr) != c.client || req.ClientPort != c.port || string(req.Scheme) != c.scheme || string(req.Host) != c.host {
				t.Errorf("got %s:%d %s://%s", req.ClientAddr, req.ClientPort, req.Scheme, req.Host)
			}
			if string(req.Get("host")) != c.host || string(req.Get("x-other")) != "1" {
				t.Errorf("the fields are %q", req.Fields)
			}
			if kept := len(req.Fields) == total; kept == (strings.HasPrefix(c.name, "untrusted") || strings.HasPrefix(c.name, "overruled")) {
				t.Errorf("the fields are %q", req.Fields)
			}
		})
	}
	if tr := NewProxies([]string{"10.0.0.0/8"}); true {
		req := exchange.Request{Scheme: []byte("http"), Fields: fields("x-forwarded-for: 1.2.3.4")}
		tr.Apply(&req, true, nil)
		if len(req.ClientAddr) != 0 || len(req.Fields) != 0 {
			t.Error("a Unix socket is believed without being trusted")
		}
	}
}

// A head of trusted addresses, as long as may be, is walked in one go: an element
// costs the same wherever it stands.
func TestForwardedIsLinear(t *testing.T) {
	tr := NewProxies([]string{"::1"})
	req := exchange.Request{ClientAddr: []byte("::1"), ClientPort: 7}
	long := strings.Repeat("::1,", int(maxHead)/4)
	req.Fields = fields("x-forwarded-for: 1.2.3.4," + long + "::1\nx-forwarded-proto: " + strings.Repeat(",", len(long)/4) + "https")
	done := make(chan struct{})
	go func() {
		tr.Apply(&req, false, make([]byte, 0, 64))
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(30 * time.Second): // it takes milliseconds
		t.Fatal("the walk does not come to its end")
	}
	if string(req.ClientAddr) != "1.2.3.4" || string(req.Scheme) != "https" {
		t.Errorf("got %s, %s", req.ClientAddr, req.Scheme)
	}
}

func TestParseAddr(t *testing.T) {
	for text, want := range map[string]string{
		"1.2.3.4": "1.2.3.4", "255.255.255.255": "255.255.255.255", "0.0.0.0": "0.0.0.0", "::1": "::1", "::ffff:1.2.3.4": "1.2.3.4",
		"": "", "1": "", "1.2.3": "", "1.2.3.": "", "1.2.3.4.": "", "1.2.3.4.5": "", "256.1.1.1": "", "1.1.1.256": "", "1.2.3.1000": "",
		"01.2.3.4": "", "1.2..4": "", "a": "", "1.2.3.4 ": "", "-1.2.3.4": "",
	} {
		if a, ok := parseAddr([]byte(text)); ok != (want != "") || ok && a.String() != want {
			t.Errorf("%q: %v, %v, want %q", text, a, ok, want)
		}
	}
}
