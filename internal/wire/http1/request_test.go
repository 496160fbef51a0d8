package http1

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"rickhouse/internal/exchange"
)

// parsed is what one head came to, in a form that can be compared and printed.
type parsed struct {
	n                 int
	status            int
	reason            string
	req               string
	keepAlive, expect bool
}

func newTestParser() *Parser {
	limits := Limits{Underscore: []string{"x_allowed"}}.WithDefaults()
	return NewParser(&limits)
}

// parse parses a copy of text at once.
func parse(p *Parser, text string) (parsed, *exchange.Request) {
	var req exchange.Request
	n, err := p.Parse([]byte(text), &req)
	return describe(p, n, err, &req), &req
}

// feed parses text octet by octet, in a buffer that moves each time.
func feed(p *Parser, text string) parsed {
	for i := 1; i <= len(text); i++ {
		var req exchange.Request
		n, err := p.Parse([]byte(text[:i]), &req)
		if n > 0 || err != nil {
			return describe(p, n, err, &req)
		}
	}
	return parsed{}
}

func describe(p *Parser, n int, err *exchange.Error, req *exchange.Request) parsed {
	if err != nil {
		return parsed{status: err.Status, reason: err.Reason}
	}
	if n == 0 {
		return parsed{}
	}
	return parsed{n: n, req: show(req), keepAlive: p.KeepAlive, expect: p.Expect}
}

func show(r *exchange.Request) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %d %s|%s|%s|%s|host=%s|len=%d|up=%s|te=%v\n", r.Method, r.Version, r.Target, r.RawPath, r.Path, r.Query,
		r.Host, r.ContentLength, r.Upgrade, r.TrailersOK)
	for _, f := range r.Fields {
		fmt.Fprintf(&b, "%s: %s\n", f.Name, f.Value)
	}
	return b.String()
}

// Every head here is refused, whole and octet by octet, with that status.
func TestRefused(t *testing.T) {
	const host = "Host: a\r\n"
	for _, c := range []struct {
		name   string
		status int
		head   string
	}{
		{"Content-Length and Transfer-Encoding", 400, "POST / HTTP/1.1\r\n" + host + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"},
		{"Transfer-Encoding and Content-Length", 400, "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n"},
		{"Content-Length twice", 400, "POST / HTTP/1.1\r\n" + host + "Content-Length: 3\r\nContent-Length: 4\r\n\r\n"},
		{"Content-Length twice the same", 400, "POST / HTTP/1.1\r\n" + host + "Content-Length: 3\r\nContent-Length: 3\r\n\r\n"},
		{"Content-Length list", 400, "POST / HTTP/1.1\r\n" + host + "Content-Length: 3, 3\r\n\r\n"},
		{"Content-Length empty", 400, "POST / HTTP/1.1\r\n" + host + "Content-Length:\r\n\r\n"},
		{"Content-Length plus", 400, "POST / HTTP/1.1\r\n" + host + "Content-Length: +3\r\n\r\n"},
		{"Content-Length minus", 400, "POST / HTTP/1.1\r\n" + host + "Content-Length: -3\r\n\r\n"},
		{"Content-Length hex", 400, "POST / HTTP/1.1\r\n" + host + "Content-Length: 0x3\r\n\r\n"},
		{"Content-Length fraction", 400, "POST / HTTP/1.1\r\n" + host + "Content-Length: 3.0\r\n\r\n"},
		{"Content-Length with a space", 400, "POST / HTTP/1.1\r\n" + host + "Content-Length: 3 3\r\n\r\n"},
		{"Content-Length underscore digits", 400, "POST / HTTP/1.1\r\n" + host + "Content-Length: 1_0\r\n\r\n"},
		{"Content-Length over 2^63", 400, "POST / HTTP/1.1\r\n" + host + "Content-Length: 9223372036854775808\r\n\r\n"},
		{"Content-Length over 2^64", 400, "POST / HTTP/1.1\r\n" + host + "Content-Length: 18446744073709551619\r\n\r\n"},
		{"Content-Length of many digits", 400, "POST / HTTP/1.1\r\n" + host + "Content-Length: 00000000000000000003\r\n\r\n"},
		{"Content-Length non-ASCII digit", 400, "POST / HTTP/1.1\r\n" + host + "Content-Length: \u0663\r\n\r\n"},
		{"Transfer-Encoding unknown", 501, "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: gzip\r\n\r\n"},
		{"Transfer-Encoding identity", 501, "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: identity\r\n\r\n"},
		{"Transfer-Encoding like chunked", 501, "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: xchunked\r\n\r\n"},
		{"Transfer-Encoding with a parameter", 501, "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked;a=b\r\n\r\n"},
		{"Transfer-Encoding gzip, chunked", 501, "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: gzip, chunked\r\n\r\n"},
		{"Transfer-Encoding chunked not last", 400, "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked, identity\r\n\r\n"},
		{"Transfer-Encoding chunked in a list", 400, "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked,\r\n\r\n"},
		{"Transfer-Encoding chunked twice in a field", 400, "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked, chunked\r\n\r\n"},
		{"Transfer-Encoding twice", 400, "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"},
		{"Transfer-Encoding chunked, then identity", 400, "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n"},
		{"Transfer-Encoding empty", 400, "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding:\r\n\r\n"},
		{"Transfer-Encoding vertical tab", 400, "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: \x0bchunked\r\n\r\n"},
		{"Transfer-Encoding in HTTP/1.0", 400, "POST / HTTP/1.0\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n"},
		{"bare LF after the request line", 400, "GET / HTTP/1.1\nHost: a\r\n\r\n"},
		{"bare LF after a field", 400, "GET / HTTP/1.1\r\nHost: a\n\r\n"},
		{"bare LF ends the head", 400, "GET / HTTP/1.1\r\nHost: a\r\n\n"},
		{"bare LF first", 400, "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"},
		{"bare CR in a value", 400, "GET / HTTP/1.1\r\n" + host + "A: b\rc\r\n\r\n"},
		{"bare CR ends a value", 400, "GET / HTTP/1.1\r\n" + host + "A: b\r\r\n\r\n"},
		{"bare CR starts a line", 400, "GET / HTTP/1.1\r\n" + host + "\rA: b\r\n\r\n"},
		{"bare CR in the request line", 400, "GET /\rHTTP/1.1 HTTP/1.1\r\n" + host + "\r\n"},
		{"bare CR after another version", 400, "GET / HTTP/1.0\r HTTP/1.1\r\n" + host + "\r\n"},
		{"NUL in a value", 400, "GET / HTTP/1.1\r\n" + host + "A: b\x00c\r\n\r\n"},
		{"DEL in a value", 400, "GET / HTTP/1.1\r\n" + host + "A: b\x7fc\r\n\r\n"},
		{"escape in a value", 400, "GET / HTTP/1.1\r\n" + host + "A: b\x1b[31m\r\n\r\n"},
		{"NUL in a name", 400, "GET / HTTP/1.1\r\n" + host + "A\x00: b\r\n\r\n"},
		{"folded line", 400, "GET / HTTP/1.1\r\n" + host + "A: b\r\n c\r\n\r\n"},
		{"folded line with a tab", 400, "GET / HTTP/1.1\r\n" + host + "A: b\r\n\tc: d\r\n\r\n"},
		{"folded first line", 400, "GET / HTTP/1.1\r\n Host: a\r\n\r\n"},
		{"space before the colon", 400, "GET / HTTP/1.1\r\n" + host + "A : b\r\n\r\n"},
		{"tab before the colon", 400, "POST / HTTP/1.1\r\n" + host + "Content-Length\t: 3\r\n\r\n"},
		{"no colon", 400, "GET / HTTP/1.1\r\n" + host + "A\r\n\r\n"},
		{"no name", 400, "GET / HTTP/1.1\r\n" + host + ": b\r\n\r\n"},
		{"name with a parenthesis", 400, "GET / HTTP/1.1\r\n" + host + "A(b): c\r\n\r\n"},
		{"name not ASCII", 400, "GET / HTTP/1.1\r\n" + host + "\xc3\xa4: c\r\n\r\n"},
		{"no Host", 400, "GET / HTTP/1.1\r\n\r\n"},
		{"no Host but a target with one", 400, "GET http://a/ HTTP/1.1\r\n\r\n"},
		{"Host twice", 400, "GET / HTTP/1.1\r\n" + host + host + "\r\n"},
		{"Host twice in HTTP/1.0", 400, "GET / HTTP/1.0\r\n" + host + host + "\r\n"},
		{"Host with a path", 400, "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"},
		{"Host with user", 400, "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n"},
		{"Host list", 400, "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n"},
		{"Host with a space", 400, "GET / HTTP/1.1\r\nHost: a b\r\n\r\n"},
		{"Host with a bad port", 400, "GET / HTTP/1.1\r\nHost: a:b\r\n\r\n"},
		{"Host with a large port", 400, "GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n"},
		{"Host with a long port", 400, "GET / HTTP/1.1\r\nHost: a:000080\r\n\r\n"},
		{"Host that is a port", 400, "GET / HTTP/1.1\r\nHost: :80\r\n\r\n"},
		{"Host with an open bracket", 400, "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n"},
		{"Host with a zone", 400, "GET / HTTP/1.1\r\nHost: [fe80::1%25eth0]\r\n\r\n"},
		{"Host after the bracket", 400, "GET / HTTP/1.1\r\nHost: [::1]a\r\n\r\n"},
		{"Host with half an escape", 400, "GET / HTTP/1.1\r\nHost: a%4\r\n\r\n"},
		{"Host with a backslash", 400, "GET / HTTP/1.1\r\nHost: a\\b\r\n\r\n"},
		{"Host not ASCII", 400, "GET / HTTP/1.1\r\nHost: \xc3\xa4\r\n\r\n"},
		{"asterisk with GET", 400, "GET * HTTP/1.1\r\n" + host + "\r\n"},
		{"authority with GET", 400, "GET a:80 HTTP/1.1\r\n" + host + "\r\n"},
		{"CONNECT with a path", 400, "CONNECT / HTTP/1.1\r\n" + host + "\r\n"},
		{"CONNECT without a port", 400, "CONNECT a HTTP/1.1\r\n" + host + "\r\n"},
		{"CONNECT with an empty port", 400, "CONNECT a: HTTP/1.1\r\n" + host + "\r\n"},
		{"CONNECT with content", 400, "CONNECT a:1 HTTP/1.1\r\n" + host + "Content-Length: 3\r\n\r\n"},
		{"CONNECT with chunked content", 400, "CONNECT a:1 HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n"},
		{"target of another scheme", 400, "GET ftp://a/ HTTP/1.1\r\n" + host + "\r\n"},
		{"target with an empty host", 400, "GET http:///a HTTP/1.1\r\n" + host + "\r\n"},
		{"target with user", 400, "GET http://u@a/ HTTP/1.1\r\n" + host + "\r\n"},
		{"target without a slash", 400, "GET a HTTP/1.1\r\n" + host + "\r\n"},
		{"target with a fragment", 400, "GET /a#b HTTP/1.1\r\n" + host + "\r\n"},
		{"target with a space", 400, "GET /a b HTTP/1.1\r\n" + host + "\r\n"},
		{"target with a tab", 400, "GET /a\tb HTTP/1.1\r\n" + host + "\r\n"},
		{"target with NUL", 400, "GET /a\x00b HTTP/1.1\r\n" + host + "\r\n"},
		{"target with DEL", 400, "GET /a\x7fb HTTP/1.1\r\n" + host + "\r\n"},
		{"no target", 400, "GET HTTP/1.1\r\n" + host + "\r\n"},
		{"empty target", 400, "GET  HTTP/1.1\r\n" + host + "\r\n"},
		{"two spaces before the version", 400, "GET /  HTTP/1.1\r\n" + host + "\r\n"},
		{"space after the version", 400, "GET / HTTP/1.1 \r\n" + host + "\r\n"},
		{"space before the method", 400, " GET / HTTP/1.1\r\n" + host + "\r\n"},
		{"method not a token", 400, "GE(T / HTTP/1.1\r\n" + host + "\r\n"},
		{"method ends in a tab", 400, "GET\t/ HTTP/1.1\r\n" + host + "\r\n"},
		{"two empty lines first", 400, "\r\n\r\nGET / HTTP/1.1\r\n" + host + "\r\n"},
		{"TLS", 400, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"},
		{"HTTP/0.9", 400, "GET /\r\n"},
		{"version in lower case", 400, "GET / http/1.1\r\n" + host + "\r\n"},
		{"version of two digits", 400, "GET / HTTP/1.10\r\n" + host + "\r\n"},
		{"version without minor", 400, "GET / HTTP/1\r\n" + host + "\r\n"},
		{"version not digits", 400, "GET / HTTP/1.x\r\n" + host + "\r\n"},
		{"HTTP/0.8", 505, "GET / HTTP/0.8\r\n" + host + "\r\n"},
		{"HTTP/2.0", 505, "GET / HTTP/2.0\r\n" + host + "\r\n"},
		{"HTTP/3.0", 505, "GET / HTTP/3.0\r\n"},
		{"HTTP/2 preface", 505, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"},
		{"path above the root", 400, "GET /../a HTTP/1.1\r\n" + host + "\r\n"},
		{"path above the root, encoded", 400, "GET /%2e%2E/a HTTP/1.1\r\n" + host + "\r\n"},
		{"path above the root, encoded slash", 400, "GET /a/..%2f.. HTTP/1.1\r\n" + host + "\r\n"},
		{"path with %00", 400, "GET /a%00 HTTP/1.1\r\n" + host + "\r\n"},
		{"path with half an escape", 400, "GET /a%4 HTTP/1.1\r\n" + host + "\r\n"},
		{"path with a percent sign at the end", 400, "GET /a% HTTP/1.1\r\n" + host + "\r\n"},
		{"path with a bad escape", 400, "GET /a%zz HTTP/1.1\r\n" + host + "\r\n"},
		{"another expectation", 417, "POST / HTTP/1.1\r\n" + host + "Expect: 200-ok\r\nContent-Length: 3\r\n\r\n"},
		{"two expectations", 417, "POST / HTTP/1.1\r\n" + host + "Expect: 100-continue\r\nExpect: x\r\nContent-Length: 3\r\n\r\n"},
		{"HTTP/1.0 POST without length", 411, "POST / HTTP/1.0\r\n\r\n"},
		{"request line too long", 414, "GET /" + strings.Repeat("a", 8<<10) + " HTTP/1.1\r\n" + host + "\r\n"},
		{"request line endless", 414, "GET /" + strings.Repeat("a", 8<<10)},
		{"field line too long", 431, "GET / HTTP/1.1\r\n" + host + "A: " + strings.Repeat("a", 8<<10) + "\r\n\r\n"},
		{"field line endless", 431, "GET / HTTP/1.1\r\n" + host + "A: " + strings.Repeat("a", 8<<10)},
		{"too many fields", 431, "GET / HTTP/1.1\r\n" + host + strings.Repeat("A: b\r\n", 100) + "\r\n"},
		{"head too large", 431, "GET / HTTP/1.1\r\n" + host + strings.Repeat("A: "+strings.Repeat("b", 4000)+"\r\n", 10) + "\r\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, _ := parse(newTestParser(), c.head)
			if got.status != c.status {
				t.Errorf("whole: %+v, want status %d", got, c.status)
			}
			if fed := feed(newTestParser(), c.head); fed.status != c.status {
				t.Errorf("octet by octet: %+v, want status %d", fed, c.status)
			}
		})
	}
}

func TestAccepted(t *testing.T) {
	for _, c := range []struct {
		name, head, want  string
		keepAlive, expect bool
	}{
		{
			"plain", "GET /a/b?c=d&e HTTP/1.1\r\nHost: example.org\r\nAccept: */*\r\n\r\n",
			"GET 11 /a/b?c=d&e|/a/b|/a/b|c=d&e|host=example.org|len=0|up=|te=false\nhost: example.org\naccept: */*\n", true, false,
		},
		{
			"names in lower case, values trimmed", "GET / HTTP/1.1\r\nHOST:a\r\nX-Mixed.Case!: \t v\tw \t\r\nEmpty:\r\nBlank:  \t\r\n\r\n",
			"GET 11 /|/|/||host=a|len=0|up=|te=false\nhost: a\nx-mixed.case!: v\tw\nempty: \nblank: \n", true, false,
		},
		{
			"one empty line first", "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
			"GET 11 /|/|/||host=a|len=0|up=|te=false\nhost: a\n", true, false,
		},
		{
			"HTTP/1.0 without Host", "GET / HTTP/1.0\r\n\r\n",
			"GET 10 /|/|/||host=|len=0|up=|te=false\n", false, false,
		},
		{
			"HTTP/1.0 keep-alive", "POST / HTTP/1.0\r\nConnection: Keep-Alive\r\nContent-Length: 0\r\n\r\n",
			"POST 10 /|/|/||host=|len=0|up=|te=false\ncontent-length: 0\n", true, false,
		},
		{
			"HTTP/1.0 keep-alive and close", "GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n",
			"GET 10 /|/|/||host=|len=0|up=|te=false\n", false, false,
		},
		{
			"HTTP/1.9 is HTTP/1.1", "GET / HTTP/1.9\r\nHost: a\r\n\r\n",
			"GET 11 /|/|/||host=a|len=0|up=|te=false\nhost: a\n", true, false,
		},
		{
			"close", "GET / HTTP/1.1\r\nHost: a\r\nConnection: x, CLOSE\r\n\r\n",
			"GET 11 /|/|/||host=a|len=0|up=|te=false\nhost: a\n", false, false,
		},
		{
			"length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9223372036854775807\r\n\r\n",
			"POST 11 /|/|/||host=a|len=9223372036854775807|up=|te=false\nhost: a\ncontent-length: 9223372036854775807\n", true, false,
		},
		{
			"chunked", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked \r\nTE: trailers, deflate\r\n\r\n",
			"POST 11 /|/|/||host=a|len=-1|up=|te=true\nhost: a\n", true, false,
		},
		{
			"expect", "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 3\r\n\r\n",
			"POST 11 /|/|/||host=a|len=3|up=|te=false\nhost: a\nexpect: 100-Continue\ncontent-length: 3\n", true, true,
		},
		{
			"expect without content", "GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n",
			"GET 11 /|/|/||host=a|len=0|up=|te=false\nhost: a\nexpect: 100-continue\n", true, false,
		},
		{
			"expect in HTTP/1.0", "POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n",
			"POST 10 /|/|/||host=|len=3|up=|te=false\nexpect: 100-continue\ncontent-length: 3\n", false, false,
		},
		{
			"upgrade keeps its place", "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\nA: b\r\n\r\n",
			"GET 11 /|/|/||host=a|len=0|up=websocket|te=false\nhost: a\nupgrade: websocket\na: b\n", true, false,
		},
		{
			"upgrade that Connection does not name", "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\n\r\n",
			"GET 11 /|/|/||host=a|len=0|up=|te=false\nhost: a\n", true, false,
		},
		{
			"upgrade in HTTP/1.0", "GET / HTTP/1.0\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n",
			"GET 10 /|/|/||host=|len=0|up=|te=false\n", false, false,
		},
		{
			"absolute form", "GET HTTP://Example.org:81/a?b HTTP/1.1\r\nA: b\r\nHost: other\r\n\r\n",
			"GET 11 HTTP://Example.org:81/a?b|/a|/a|b|host=Example.org:81|len=0|up=|te=false\na: b\nhost: Example.org:81\n", true, false,
		},
		{
			"absolute form without a path", "GET https://a?b HTTP/1.1\r\nHost: a\r\n\r\n",
			"GET 11 https://a?b|/|/|b|host=a|len=0|up=|te=false\nhost: a\n", true, false,
		},
		{
			"asterisk form", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
			"OPTIONS 11 *|*|*||host=a|len=0|up=|te=false\nhost: a\n", true, false,
		},
		{
			"authority form", "CONNECT [::1]:443 HTTP/1.1\r\nHost: a\r\n\r\n",
			"CONNECT 11 [::1]:443||||host=[::1]:443|len=0|up=|te=false\nhost: [::1]:443\n", true, false,
		},
		{
			"empty Host", "GET / HTTP/1.1\r\nHost:\r\n\r\n",
			"GET 11 /|/|/||host=|len=0|up=|te=false\nhost: \n", true, false,
		},
		{
			"Hosts there are", "GET / HTTP/1.1\r\nHost: [2001:db8::1]:8080\r\n\r\n",
			"GET 11 /|/|/||host=[2001:db8::1]:8080|len=0|up=|te=false\nhost: [2001:db8::1]:8080\n", true, false,
		},
		{
			"dropped names", "GET / HTTP/1.1\r\nHost: a\r\nX_Forwarded_For: 1\r\nContent_Length: 3\r\nTransfer_Encoding: chunked\r\nX_Allowed: yes\r\nProxy: evil\r\nKeep-Alive: 3\r\nProxy-Connection: close\r\n\r\n",
			"GET 11 /|/|/||host=a|len=0|up=|te=false\nhost: a\nx_allowed: yes\n", true, false,
		},
		{
			"octets above 127", "GET /\xc3\xa4?\xff HTTP/1.1\r\nHost: a\r\nA: \xff\xfe\r\n\r\n",
			"GET 11 /\xc3\xa4?\xff|/\xc3\xa4|/\xc3\xa4|\xff|host=a|len=0|up=|te=false\nhost: a\na: \xff\xfe\n", true, false,
		},
		{
			"a method of its own", "M-SEARCH / HTTP/1.1\r\nHost: a\r\n\r\n",
			"M-SEARCH 11 /|/|/||host=a|len=0|up=|te=false\nhost: a\n", true, false,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			want := parsed{n: len(c.head), req: c.want, keepAlive: c.keepAlive, expect: c.expect}
			if got, _ := parse(newTestParser(), c.head+"GET /next HTTP/1.1\r\n"); got != want {
				t.Errorf("whole:\n%+v, want\n%+v", got, want)
			}
			if got := feed(newTestParser(), c.head); got != want {
				t.Errorf("octet by octet:\n%+v, want\n%+v", got, want)
			}
		})
	}
}

// The longest head that the limits allow is taken; TestRefused has one octet
// or field more.
func TestLimitsAreInclusive(t *testing.T) {
	line := "GET /" + strings.Repeat("a", 8<<10-len("GET / HTTP/1.1")) + " HTTP/1.1\r\n"
	for name, head := range map[string]string{
		"line":   line + "Host: a\r\n\r\n",
		"field":  "GET / HTTP/1.1\r\nHost: a\r\nA: " + strings.Repeat("a", 8<<10-3) + "\r\n\r\n",
		"fields": "GET / HTTP/1.1\r\nHost: a\r\n" + strings.Repeat("A: b\r\n", 99) + "\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			if got, _ := parse(newTestParser(), head); got.n != len(head) {
				t.Errorf("got %+v", got)
			}
			if got := feed(newTestParser(), head); got.n != len(head) {
				t.Errorf("octet by octet: %+v", got)
			}
		})
	}
}

func TestPrefaceIsReported(t *testing.T) {
	var req exchange.Request
	_, err := newTestParser().Parse([]byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), &req)
	if err == nil || !errors.Is(err, ErrPreface) || err.Status != http.StatusHTTPVersionNotSupported {
		t.Errorf("got %v", err)
	}
}

// One Parser reads what follows one another on a connection.
func TestParserIsUsedAgain(t *testing.T) {
	p := newTestParser()
	text := "GET /a%41 HTTP/1.1\r\nHost: a\r\n\r\n\r\nGET /b%42 HTTP/1.0\r\nA: b\r\n\r\n"
	first, req := parse(p, text)
	if string(req.Path) != "/aA" || !first.keepAlive || p.Begun() {
		t.Fatalf("first: %+v", first)
	}
	second, req := parse(p, text[first.n:])
	if string(req.Path) != "/bB" || second.keepAlive || len(req.Fields) != 1 {
		t.Fatalf("second: %+v", second)
	}
}

func TestBegun(t *testing.T) {
	p := newTestParser()
	for _, c := range []struct {
		text string
		want bool
	}{{"", false}, {"\r", false}, {"\r\n", false}, {"\r\nG", true}} {
		if got, _ := parse(p, c.text); got != (parsed{}) || p.Begun() != c.want {
			t.Errorf("%q: %+v, begun %v", c.text, got, p.Begun())
		}
	}
	p.Reset()
	if p.Begun() {
		t.Error("begun after Reset")
	}
}
