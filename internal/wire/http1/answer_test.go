package http1

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"rickhouse/internal/exchange"
)

func newResponseParser() *ResponseParser {
	limits := Limits{Line: 100, Fields: 8, Head: 400}
	return NewResponseParser(&limits)
}

// describeAnswer is what a head says, in text.
func describeAnswer(p *ResponseParser, res *exchange.Response) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d %q length=%d chunked=%t keep=%t upgrade=%q", res.Status, res.Reason, res.ContentLength, p.Chunked, p.KeepAlive, p.Upgrade)
	for _, f := range res.Fields {
		fmt.Fprintf(&b, " %s=%s", f.Name, f.Value)
	}
	return b.String()
}

// answerWhole reads text at once, answerFed octet by octet.
func answerWhole(text string) (string, int, *exchange.Error) {
	p, res := newResponseParser(), &exchange.Response{}
	n, err := p.Parse([]byte(text), res)
	if n == 0 || err != nil {
		return "", n, err
	}
	return describeAnswer(p, res), n, nil
}

func answerFed(text string) (string, int, *exchange.Error) {
	p, res := newResponseParser(), &exchange.Response{}
	for i := range len(text) {
		n, err := p.Parse(append([]byte(nil), text[:i+1]...), res)
		if err != nil {
			return "", n, err
		}
		if n > 0 {
			return describeAnswer(p, res), n, nil
		}
	}
	return "", 0, nil
}

func TestResponseHeads(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A:  b \r\n\r\nhello", `200 "OK" length=5 chunked=false keep=true upgrade="" X-A=b`},
		{"HTTP/1.1 200\r\n\r\n", `200 "" length=-1 chunked=false keep=true upgrade=""`},
		{"HTTP/1.1 404 \r\n\r\n", `404 "" length=-1 chunked=false keep=true upgrade=""`},
		{"HTTP/1.0 200 OK\r\n\r\n", `200 "OK" length=-1 chunked=false keep=false upgrade=""`},
		{"HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 0\r\n\r\n", `200 "OK" length=0 chunked=false keep=true upgrade=""`},
		{"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", `200 "OK" length=-1 chunked=false keep=false upgrade=""`},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\nTrailer: X\r\n\r\n", `200 "OK" length=-1 chunked=true keep=true upgrade=""`},
		{"HTTP/1.1 200 OK\r\nConnection: x-a, keep-alive\r\nX-A: 1\r\nX-B: 2\r\nKeep-Alive: timeout=5\r\n\r\n", `200 "OK" length=-1 chunked=false keep=true upgrade="" X-B=2`},
		{"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", `101 "Switching Protocols" length=-1 chunked=false keep=true upgrade="websocket" Upgrade=websocket`},
		{"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", `204 "No Content" length=-1 chunked=false keep=true upgrade=""`},
		{"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", `304 "Not Modified" length=9 chunked=false keep=true upgrade=""`},
		{"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", `103 "Early Hints" length=-1 chunked=false keep=true upgrade="" Link=</a>`},
		{"HTTP/1.1 200 \xe4\xf6\r\nSet-Cookie: a\r\nset-cookie: b\r\n\r\n", `200 "\xe4\xf6" length=-1 chunked=false keep=true upgrade="" Set-Cookie=a set-cookie=b`},
		{"HTTP/1.1 999 \r\n\r\n", `999 "" length=-1 chunked=false keep=true upgrade=""`},
	} {
		for name, read := range map[string]func(string) (string, int, *exchange.Error){"whole": answerWhole, "octet by octet": answerFed} {
			got, n, err := read(c.text)
			if err != nil || got != c.want {
				t.Errorf("%q %s:\n got %s, %v\nwant %s", c.text, name, got, err, c.want)
			}
			if want := strings.Index(c.text, "\r\n\r\n") + 4; err == nil && n != want {
				t.Errorf("%q %s: consumed %d octets, want %d", c.text, name, n, want)
			}
		}
	}
}

// TestResponseHeadsRefused: whatever two readers could read differently.
func TestResponseHeadsRefused(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\n"
	for name, text := range map[string]string{
		"two lengths":                     ok + "Content-Length: 1\r\nContent-Length: 1\r\n\r\n",
		"two different lengths":           ok + "Content-Length: 1\r\nContent-Length: 2\r\n\r\n",
		"a list of lengths":               ok + "Content-Length: 1, 1\r\n\r\n",
		"a length with a sign":            ok + "Content-Length: +1\r\n\r\n",
		"a length that is too large":      ok + "Content-Length: 9223372036854775808\r\n\r\n",
		"length and coding":               ok + "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
		"two codings":                     ok + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
		"a list of codings":               ok + "Transfer-Encoding: gzip, chunked\r\n\r\n",
		"another coding":                  ok + "Transfer-Encoding: identity\r\n\r\n",
		"a coding with a quirk":           ok + "Transfer-Encoding: xchunked\r\n\r\n",
		"a coding with a tab before":      ok + "Transfer-Encoding:\x0bchunked\r\n\r\n",
		"a coding in HTTP/1.0":            "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
		"204 with a length":               "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n",
		"204 with a coding":               "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n",
		"103 with a length":               "HTTP/1.1 103 Early Hints\r\nContent-Length: 5\r\n\r\n",
		"101 with a coding":               "HTTP/1.1 101 S\r\nTransfer-Encoding: chunked\r\n\r\n",
		"a folded line":                   ok + "X: a\r\n b\r\n\r\n",
		"a folded first line":             ok + " X: a\r\n\r\n",
		"space before the colon":          ok + "X : a\r\n\r\n",
		"no colon":                        ok + "X\r\n\r\n",
		"no name":                         ok + ": a\r\n\r\n",
		"a name that is no token":         ok + "X(: a\r\n\r\n",
		"a NUL":                           ok + "X: a\x00\r\n\r\n",
		"a bare CR":                       ok + "X: a\rb\r\n\r\n",
		"a bare LF":                       ok + "X: a\n\r\n",
		"LF line ends":                    "HTTP/1.1 200 OK\n\n",
		"a control character in a reason": "HTTP/1.1 200 O\x01K\r\n\r\n",
		"a bare CR in the status line":    "HTTP/1.1 200 O\rK\r\n\r\n",
		"an empty line before":            "\r\nHTTP/1.1 200 OK\r\n\r\n",
		"a status of two digits":          "HTTP/1.1 20 OK\r\n\r\n",
		"a status of four digits":         "HTTP/1.1 2000 OK\r\n\r\n",
		"a status with letters":           "HTTP/1.1 2x0 OK\r\n\r\n",
		"a status below 100":              "HTTP/1.1 099 OK\r\n\r\n",
		"two spaces":                      "HTTP/1.1  200 OK\r\n\r\n",
		"HTTP/2":                          "HTTP/2.0 200 OK\r\n\r\n",
		"HTTP/0.9":                        "<html>\r\n\r\n",
		"another protocol":                "SSH-2.0-OpenSSH\r\n",
		"a long line":                     ok + "X: " + strings.Repeat("a", 100) + "\r\n\r\n",
		"many fields":                     ok + strings.Repeat("X: a\r\n", 9) + "\r\n",
		"a long head":                     ok + strings.Repeat("X: "+strings.Repeat("a", 70)+"\r\n", 6) + "\r\n",
	} {
		for how, read := range map[string]func(string) (string, int, *exchange.Error){"whole": answerWhole, "octet by octet": answerFed} {
			if got, _, err := read(text); err == nil {
				t.Errorf("%s (%s) is taken: %q as %s", name, how, text, got)
			} else if err.Status != http.StatusBadGateway {
				t.Errorf("%s: status %d", name, err.Status)
			}
		}
	}
}

func TestResponseContent(t *testing.T) {
	for _, c := range []struct {
		text          string
		head, connect bool
		want          Framing
	}{
		{"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", false, false, ByLength},
		{"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", true, false, NoContent},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", false, false, ByChunks},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", true, false, NoContent},
		{"HTTP/1.1 200 OK\r\n\r\n", false, false, ByClose},
		{"HTTP/1.1 205 Reset\r\nContent-Length: 5\r\n\r\n", false, false, ByLength},
		{"HTTP/1.1 204 No\r\n\r\n", false, false, NoContent},
		{"HTTP/1.1 304 Not\r\nContent-Length: 5\r\n\r\n", false, false, NoContent},
		{"HTTP/1.1 101 S\r\n\r\n", false, false, Tunnel},
		{"HTTP/1.1 200 OK\r\n\r\n", false, true, Tunnel},
		{"HTTP/1.1 403 No\r\nContent-Length: 1\r\n\r\n", false, true, ByLength},
	} {
		p, res := newResponseParser(), &exchange.Response{}
		if _, err := p.Parse([]byte(c.text), res); err != nil {
			t.Fatal(err)
		}
		if got := p.Content(res, c.head, c.connect); got != c.want {
			t.Errorf("%q: framing %d, want %d", c.text, got, c.want)
		}
	}
}

// TestResponseParserAllocates nothing once its slices have grown.
func TestResponseParserAllocates(t *testing.T) {
	text := []byte("HTTP/1.1 200 OK\r\nServer: x\r\nConnection: keep-alive\r\nContent-Length: 5\r\nContent-Type: text/html\r\n\r\n")
	p, res := newResponseParser(), &exchange.Response{}
	if n := testing.AllocsPerRun(100, func() {
		if _, err := p.Parse(text, res); err != nil {
			t.Fatal(err)
		}
	}); n > 0 {
		t.Errorf("%v allocations a head", n)
	}
}
