package http1

import (
	"bufio"
	"bytes"
	"net/http"
	"strings"
	"testing"

	"rickhouse/internal/exchange"
)

// FuzzRequest: octet by octet gives what the whole gives; what is accepted and
// written again is read as the same; net/http does not see another request.
func FuzzRequest(f *testing.F) {
	for _, s := range []string{
		wrkHead, browserHead,
		"POST /a%20b/../c?d HTTP/1.1\r\nHost: a:1\r\nContent-Length: 3\r\nX: \ty\r\n\r\nabc",
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "\r\nOPTIONS * HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
		"GET http://a/ HTTP/1.1\r\nHost: b\r\nConnection: upgrade\r\nUpgrade: c\r\n\r\n",
		"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		whole, req := parse(newTestParser(), string(text))
		fed := feed(newTestParser(), string(text))
		if whole.status != fed.status || whole.n != fed.n || whole.req != fed.req {
			t.Fatalf("whole %+v\noctet by octet %+v", whole, fed)
		}
		if whole.n == 0 {
			return
		}
		again, _ := parse(newTestParser(), rewrite(req, whole.keepAlive))
		again.n = whole.n
		if again.req != whole.req || again.keepAlive != whole.keepAlive {
			t.Fatalf("first %+v\nagain %+v\nas %q", whole, again, rewrite(req, whole.keepAlive))
		}
		compare(t, text[:whole.n], req)
	})
}

// rewrite writes req as a client could have.
func rewrite(req *exchange.Request, keepAlive bool) string {
	var b strings.Builder
	b.WriteString(string(req.Method) + " " + string(req.Target))
	switch {
	case req.Version == exchange.HTTP10 && keepAlive:
		b.WriteString(" HTTP/1.0\r\nConnection: keep-alive\r\n")
	case req.Version == exchange.HTTP10:
		b.WriteString(" HTTP/1.0\r\n")
	case keepAlive:
		b.WriteString(" HTTP/1.1\r\n")
	default:
		b.WriteString(" HTTP/1.1\r\nConnection: close\r\n")
	}
	if req.Upgrade != nil {
		b.WriteString("Connection: upgrade\r\n")
	}
	if req.TrailersOK {
		b.WriteString("TE: trailers\r\n")
	}
	if req.ContentLength < 0 {
		b.WriteString("Transfer-Encoding: chunked\r\n")
	}
	for _, f := range req.Fields {
		b.WriteString(string(f.Name) + ": " + string(f.Value) + "\r\n")
	}
	return b.String() + "\r\n"
}

// compare checks that net/http, where it accepts the head too, sees the same.
func compare(t *testing.T, head []byte, req *exchange.Request) {
	other, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(bytes.TrimPrefix(head, []byte("\r\n")))))
	if err != nil {
		return
	}
	if other.Method != string(req.Method) || other.RequestURI != string(req.Target) {
		t.Fatalf("net/http sees %s %s, we %s %s", other.Method, other.RequestURI, req.Method, req.Target)
	}
	if other.ContentLength != req.ContentLength && req.Form != exchange.AuthorityForm {
		t.Fatalf("net/http sees a length of %d, we %d", other.ContentLength, req.ContentLength)
	}
}

// FuzzChunked: pieces of any size give the same, and what is decoded comes back
// when it is encoded and decoded again.
func FuzzChunked(f *testing.F) {
	for _, s := range []string{
		"0\r\n\r\n", "5\r\nhello\r\n0\r\nA: b\r\n\r\n", "5;a=\"\\\"\";b\r\nhello\r\n00\r\n\r\n", "ffffffffffffffff\r\n", "1 ;a\r\nx\r\n0\r\n\r\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		got := decodeAll(t, string(text))
		if !got.done {
			return
		}
		b := AppendChunk(nil, []byte(got.data))
		b, err := AppendLastChunk(b, nil)
		if err != nil {
			t.Fatal(err)
		}
		if again := decodeAll(t, string(b)); again.data != got.data || !again.done || again.n != len(b) {
			t.Fatalf("got %+v, again %+v", got, again)
		}
	})
}

// FuzzResponse: what is written is one response, as net/http reads it, with the
// fields that were given and no others.
func FuzzResponse(f *testing.F) {
	f.Add(200, int64(3), "", "Content-Type", "text/plain", false, false, false)
	f.Add(404, int64(-1), "No", "A", "b\r\nEvil: yes", true, false, false)
	f.Add(304, int64(9), "", "Connection", "close", false, true, false)
	f.Add(101, int64(-1), "", "Upgrade", "x", false, false, true)
	f.Fuzz(func(t *testing.T, status int, length int64, reason, name, value string, head, old, closing bool) {
		res := response(status, max(length, -1), name, value)
		res.Reason = []byte(reason)
		r := Reply{Version: exchange.HTTP11, Head: head, Close: closing}
		method := http.MethodGet
		if head {
			method = http.MethodHead
		}
		if old {
			r.Version = exchange.HTTP10
		}
		b, framing, err := AppendHead(nil, res, &r)
		if err != nil {
			return
		}
		if n := bytes.Index(b, []byte("\r\n\r\n")); n+4 != len(b) {
			t.Fatalf("the head ends early: %q", b)
		}
		got, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(b)), &http.Request{Method: method})
		if err != nil {
			t.Fatalf("%q: %v", b, err)
		}
		if got.StatusCode != status {
			t.Fatalf("%q is read as %d", b, got.StatusCode)
		}
		if framing == ByLength && got.ContentLength != res.ContentLength {
			t.Fatalf("%q is read with a length of %d", b, got.ContentLength)
		}
		if Classify([]byte(name)) == PlainField && got.Header.Get(name) != strings.Trim(value, " \t") {
			t.Fatalf("%q is read with %q as %q", b, name, got.Header.Get(name))
		}
		if lines := bytes.Count(b, []byte("\r\n")); lines > 5 {
			t.Fatalf("%q has %d lines", b, lines)
		}
	})
}
