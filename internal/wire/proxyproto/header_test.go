package proxyproto

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
)

// two makes a header of version 2.
func two(command, family byte, body string) string {
	return signature + string([]byte{command, family, byte(len(body) >> 8), byte(len(body))}) + body
}

const (
	ports = "\x12\x34\x01\xbb"
	four  = "\x0a\x01\x02\x03\xc0\x00\x02\x01" + ports
	six   = "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01" +
		"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\xc0\x00\x02\x01" + ports
)

func known(source, destination string) Header {
	return Header{Known: true, Source: netip.MustParseAddrPort(source), Destination: netip.MustParseAddrPort(destination)}
}

// headers are those that are right.
func headers() map[string]struct {
	text string
	want Header
} {
	return map[string]struct {
		text string
		want Header
	}{
		"1, IPv4":             {"PROXY TCP4 10.1.2.3 192.0.2.1 4660 443\r\n", known("10.1.2.3:4660", "192.0.2.1:443")},
		"1, IPv6":             {"PROXY TCP6 2001:db8::1 ::1 0 65535\r\n", known("[2001:db8::1]:0", "[::1]:65535")},
		"1, unknown":          {"PROXY UNKNOWN\r\n", Header{}},
		"1, unknown and more": {"PROXY UNKNOWN ffff::1 x y z\r\n", Header{}},
		"1, longest": {
			"PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n", Header{},
		},
		"2, IPv4":              {two(proxied, 0x11, four), known("10.1.2.3:4660", "192.0.2.1:443")},
		"2, IPv6 and mapped":   {two(proxied, 0x21, six), known("[2001:db8::1]:4660", "192.0.2.1:443")},
		"2, TLVs":              {two(proxied, 0x11, four+"\x04\x00\x03abc"), known("10.1.2.3:4660", "192.0.2.1:443")},
		"2, local":             {two(local, 0x00, ""), Header{}},
		"2, local, addresses":  {two(local, 0x11, four), Header{}},
		"2, unspecified":       {two(proxied, 0x00, "anything"), Header{}},
		"2, unix":              {two(proxied, 0x31, strings.Repeat("\x00", 216)), Header{Known: true, Unix: true}},
		"2, as long as may be": {two(proxied, 0x11, four+strings.Repeat("x", MaxLength-fixed-12)), known("10.1.2.3:4660", "192.0.2.1:443")},
	}
}

func TestHeaders(t *testing.T) {
	for name, test := range headers() {
		h, n, _, err := Parse([]byte(test.text + "GET / HTTP/1.1\r\n"))
		if err != nil || h != test.want || n != len(test.text) {
			t.Errorf("%s: %+v, %d of %d octets, %v", name, h, n, len(test.text), err)
		}
		// Whoever reads no more than what is needed reads the header and nothing
		// behind it.
		have := 0
		for {
			_, n, need, err := Parse([]byte(test.text[:have]))
			if err != nil || n > 0 {
				if n != have || have != len(test.text) {
					t.Errorf("%s: with %d of %d octets: %d, %v", name, have, len(test.text), n, err)
				}
				break
			}
			if need < 1 || have+need > len(test.text) {
				t.Fatalf("%s: with %d of %d octets %d more are needed", name, have, len(test.text), need)
			}
			have += need
		}
	}
}

func TestWhatIsNoHeader(t *testing.T) {
	for name, text := range map[string]string{
		"HTTP":                    "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
		"TLS":                     "\x16\x03\x01\x02\x00\x01\x00",
		"preface":                 "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		"one octet":               "G",
		"signature broken":        "\r\n\r\n\x00\r\nQUIT\r",
		"lower case":              "proxy TCP4 1.1.1.1 1.1.1.1 1 1\r\n",
		"no CR":                   "PROXY TCP4 1.1.1.1 1.1.1.1 1 1\n",
		"no end":                  "PROXY " + strings.Repeat("x", 200),
		"too long":                "PROXY UNKNOWN " + strings.Repeat("x", 100) + "\r\n",
		"no protocol":             "PROXY UDP4 1.1.1.1 1.1.1.1 1 1\r\n",
		"unknown and no space":    "PROXY UNKNOWNX\r\n",
		"the other protocol":      "PROXY TCP4 ::1 ::1 1 1\r\n",
		"mapped":                  "PROXY TCP4 ::ffff:1.1.1.1 1.1.1.1 1 1\r\n",
		"zone":                    "PROXY TCP6 fe80::1%eth0 ::1 1 1\r\n",
		"leading zero":            "PROXY TCP4 1.1.1.1 1.1.1.1 01 1\r\n",
		"address, leading zero":   "PROXY TCP4 01.1.1.1 1.1.1.1 1 1\r\n",
		"port":                    "PROXY TCP4 1.1.1.1 1.1.1.1 65536 1\r\n",
		"sign":                    "PROXY TCP4 1.1.1.1 1.1.1.1 +1 1\r\n",
		"fields missing":          "PROXY TCP4 1.1.1.1 1.1.1.1 1\r\n",
		"fields more":             "PROXY TCP4 1.1.1.1 1.1.1.1 1 1 1\r\n",
		"two spaces":              "PROXY TCP4  1.1.1.1 1.1.1.1 1 1\r\n",
		"space at the end":        "PROXY TCP4 1.1.1.1 1.1.1.1 1 1 \r\n",
		"version 1 in version 2":  two(0x11, 0x11, four),
		"command":                 two(0x22, 0x11, four),
		"family":                  two(proxied, 0x41, four),
		"transport":               two(proxied, 0x13, four),
		"datagrams":               two(proxied, 0x12, four),
		"addresses cut":           two(proxied, 0x11, four[:11]),
		"IPv6 addresses cut":      two(proxied, 0x21, four),
		"unix addresses cut":      two(proxied, 0x31, four),
		"longer than is taken":    two(proxied, 0x11, four+strings.Repeat("x", MaxLength)),
		"the length, before that": two(proxied, 0x11, four+strings.Repeat("x", MaxLength))[:fixed],
	} {
		h, n, need, err := Parse([]byte(text))
		if err == nil {
			t.Errorf("%s: %+v, %d octets, %d needed", name, h, n, need)
		}
		if none := errors.Is(err, ErrNone); none != (name == "HTTP" || name == "TLS" || name == "preface" || name == "one octet" || name == "signature broken" || name == "lower case") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, h := range headers() {
		f.Add([]byte(h.text))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		h, n, need, err := Parse(b)
		switch {
		case err != nil:
			return
		case n == 0 && need < 1, n > 0 && need != 0, n > len(b), n > MaxLength:
			t.Fatalf("%d octets, %d needed, of %d", n, need, len(b))
		case n == 0 && len(b) >= MaxLength:
			t.Fatal("more is wanted than is taken")
		case n == 0:
			return
		case !h.Known && h != (Header{}), h.Unix && h.Source.IsValid(), h.Known && !h.Unix && !h.Source.IsValid():
			t.Fatalf("%+v", h)
		}
		// What follows the header has no say, and no part of it is enough.
		if again, m, _, err := Parse(append(b[:n:n], "PROXY UNKNOWN\r\n"...)); again != h || m != n || err != nil {
			t.Fatalf("%+v, %d, %v", again, m, err)
		}
		if _, m, _, err := Parse(b[:n-1]); m != 0 || err != nil {
			t.Fatalf("without its last octet: %d, %v", m, err)
		}
	})
}
