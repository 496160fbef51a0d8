package websocket

import (
	"reflect"
	"strings"
	"testing"

	"rickhouse/internal/exchange"
)

// request is a handshake with these fields, as "name: value" lines.
func request(version exchange.Version, fields ...string) *exchange.Request {
	r := &exchange.Request{Method: []byte("GET"), Version: version, Upgrade: []byte("WebSocket")}
	for _, f := range fields {
		name, value, _ := strings.Cut(f, ": ")
		r.Fields = append(r.Fields, exchange.Field{Name: []byte(name), Value: []byte(value)})
	}
	return r
}

const (
	goodKey     = "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ=="
	goodVersion = "sec-websocket-version: 13"
)

func TestHandshake(t *testing.T) {
	h, err := ParseHandshake(request(exchange.HTTP11, goodVersion, "sec-websocket-protocol: a, b", goodKey,
		"sec-websocket-protocol: c,,", "sec-websocket-extensions: x-a", "sec-websocket-extensions: permessage-deflate"))
	if err != nil {
		t.Fatal(err)
	}
	want := &Handshake{"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", []string{"a", "b", "c"}, Deflate{On: true, WindowBits: 15}}
	if !reflect.DeepEqual(h, want) {
		t.Errorf("got %+v", h)
	}
	if !h.Offers("b") || h.Offers("d") || h.Offers("") {
		t.Error("Offers is wrong")
	}
	// RFC 8441 §5: no key over HTTP/2.
	if h, err = ParseHandshake(request(exchange.HTTP2, goodVersion)); err != nil || h.Accept != "" {
		t.Errorf("over HTTP/2: %+v, %v", h, err)
	}
}

func TestHandshakeRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		fields []string
		status int
	}{
		"no version":           {[]string{goodKey}, 426},
		"an old version":       {[]string{goodKey, "sec-websocket-version: 8"}, 426},
		"a new version":        {[]string{goodKey, "sec-websocket-version: 14"}, 426},
		"two versions":         {[]string{goodKey, goodVersion, goodVersion}, 426},
		"a list of versions":   {[]string{goodKey, "sec-websocket-version: 13, 8"}, 426},
		"no key":               {[]string{goodVersion}, 400},
		"two keys":             {[]string{goodVersion, goodKey, goodKey}, 400},
		"a short key":          {[]string{goodVersion, "sec-websocket-key: dGhlIHNhbXBsZSBub25jZ=="}, 400},
		"15 octets":            {[]string{goodVersion, "sec-websocket-key: dGhlIHNhbXBsZSBub25j"}, 400},
		"17 octets":            {[]string{goodVersion, "sec-websocket-key: dGhlIHNhbXBsZSBub25jZWU="}, 400},
		"no base64":            {[]string{goodVersion, "sec-websocket-key: dGhlIHNhbXBsZSBub25j!Q=="}, 400},
		"a subprotocol's name": {[]string{goodVersion, goodKey, "sec-websocket-protocol: a b"}, 400},
		"extensions":           {[]string{goodVersion, goodKey, "sec-websocket-extensions: a; =b"}, 400},
	} {
		_, err := ParseHandshake(request(exchange.HTTP11, c.fields...))
		if err == nil || exchange.AsError(err).Status != c.status {
			t.Errorf("%s: %v, want %d", name, err, c.status)
		}
	}
	r := request(exchange.HTTP11, goodVersion, goodKey)
	r.ContentLength = 1
	if _, err := ParseHandshake(r); err == nil || exchange.AsError(err).Status != 400 {
		t.Errorf("with content: %v", err)
	}
}

func TestRequested(t *testing.T) {
	for _, c := range []struct {
		method, upgrade string
		want            bool
	}{{"GET", "websocket", true}, {"GET", "WebSocket", true}, {"POST", "websocket", false}, {"GET", "h2c", false}, {"GET", "", false}} {
		if got := Requested(&exchange.Request{Method: []byte(c.method), Upgrade: []byte(c.upgrade)}); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

func TestNegotiate(t *testing.T) {
	const plain = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
	for offer, want := range map[string]string{
		"":                   "",
		"permessage-deflate": plain,
		"permessage-deflate; client_max_window_bits":                                 plain,
		"permessage-deflate; client_max_window_bits=8":                               plain,
		"permessage-deflate; client_max_window_bits=\"10\"":                          plain,
		"permessage-deflate; client_max_window_bits=\"1\\0\"":                        plain,
		"permessage-deflate;server_no_context_takeover ; client_no_context_takeover": plain,
		"permessage-deflate; server_max_window_bits=8":                               plain + "; server_max_window_bits=8",
		"permessage-deflate; server_max_window_bits=15":                              plain + "; server_max_window_bits=15",
		"x-other, permessage-deflate":                                                plain,
		", permessage-deflate ,":                                                     plain,
		"permessage-deflate; server_max_window_bits":                                 "",
		"permessage-deflate; server_max_window_bits=7":                               "",
		"permessage-deflate; server_max_window_bits=16":                              "",
		"permessage-deflate; server_max_window_bits=09":                              "",
		"permessage-deflate; server_max_window_bits=+9":                              "",
		"permessage-deflate; client_max_window_bits=7":                               "",
		"permessage-deflate; client_max_window_bits=x":                               "",
		"permessage-deflate; server_no_context_takeover=1":                           "",
		"permessage-deflate; client_no_context_takeover=1":                           "",
		"permessage-deflate; unknown":                                                "",
		"permessage-deflate; client_max_window_bits; client_max_window_bits":         "",
		"permessage-deflate; unknown, permessage-deflate":                            plain,
		"permessage-deflate; server_max_window_bits=9, permessage-deflate":           plain + "; server_max_window_bits=9",
		"x-webkit-deflate-frame":                                                     "",
	} {
		offers, ok := parseExtensions(offer)
		if !ok {
			t.Errorf("%q cannot be read", offer)
		}
		got := ""
		if d := negotiate(offers); d.On {
			got = d.Response()
		}
		if got != want {
			t.Errorf("%q is answered by %q, want %q", offer, got, want)
		}
	}
	for _, bad := range []string{"a b", ";", "a;", "a; b=", "a; b=\"", "a; b=\"c", "a; b=\"\"", "a; b=\"c d\"", "a; b=\"c\\", "a=b", "a; b c", "\x00"} {
		if got, ok := parseExtensions(bad); ok {
			t.Errorf("%q is read as %+v", bad, got)
		}
	}
}

// FuzzExtensions: what is agreed on is within bounds and can be answered.
func FuzzExtensions(f *testing.F) {
	f.Add("permessage-deflate; server_max_window_bits=\"1\\0\"; client_max_window_bits, x; a=b")
	f.Fuzz(func(t *testing.T, s string) {
		offers, ok := parseExtensions(s)
		if !ok {
			return
		}
		d := negotiate(offers)
		if d.On && (d.WindowBits < minWindow || d.WindowBits > maxWindow) {
			t.Fatalf("%+v", d)
		}
		if !d.On {
			return
		}
		again, ok := parseExtensions(d.Response())
		if !ok || len(again) != 1 || negotiate(again).WindowBits != d.WindowBits {
			t.Fatalf("%q", d.Response())
		}
	})
}
